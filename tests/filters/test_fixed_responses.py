"""Fixed responses, wavelet frames, composition as text, and names from other packages."""

import copy
import io
import sys
from importlib.metadata import EntryPoint

import pytest
import torch

import filters
from filters import (
    Cayley,
    Chebyshev,
    DenseShift,
    Heat,
    IdealLowPass,
    Identity,
    MexicanHat,
    Monomial,
    SpectralFunction,
    Tikhonov,
    WaveletFrame,
    itersine,
)
from gsp_nonlocal.shifts import ExponentialShift, LowRankShift
from tests.cases.shifts import CLOSED, SHIFTS
from tests.cases.signals import embeddings, relative, signal

MONOMIAL = "Monomial(4, 5, order=2, restart=0.1)"
SYMMETRIC = [name for name in SHIFTS if SHIFTS[name]().is_symmetric]


@pytest.mark.parametrize("graph", SYMMETRIC)
def test_heat_is_the_matrix_exponential(graph):
    shift, z = SHIFTS[graph](), signal()
    dense = shift.to_dense()
    expected = torch.matrix_exp(-0.8 * (torch.eye(dense.shape[-1]) - dense)) @ z
    assert relative(Heat(0.8)(z, shift), expected) < 1e-9


@pytest.mark.parametrize("graph", SYMMETRIC)
def test_tikhonov_is_the_resolvent(graph):
    shift, z = SHIFTS[graph](), signal()
    assert relative(Tikhonov(1.5)(z, shift), shift.solve(z, 2.5, -1.5)) < 1e-9


def test_a_low_pass_is_a_projection():
    f, shift, z = IdealLowPass(0.9), SHIFTS["low-rank"](), signal()
    once = f(z, shift)
    assert relative(f(once, shift), once) < 1e-12
    assert abs(((z - once) * once).sum()) < 1e-10


def test_the_error_of_an_approximation_bounds_what_it_loses():
    shift, z = SHIFTS["sparse"](), signal()
    sharp = SpectralFunction(lambda lam: (20 * (lam - 0.8)).sigmoid(), order=12)
    dense = DenseShift(shift.to_dense(), is_symmetric=True)
    with pytest.warns(UserWarning, match="degree 12"):
        approximated = sharp(z, shift)
    lost = (approximated - sharp(z, dense)).norm() / z.norm()
    assert 1e-4 < lost <= sharp.error * (1 + 1e-9)


def test_a_spectrum_beyond_the_unit_interval_is_refused():
    """Outside of its interval a polynomial is no approximation of anything."""
    graph = SHIFTS["sparse"]()
    for shift in (graph + graph, unbounded()):
        with pytest.raises(ValueError, match=r"reach \|μ\| = .* at least; scale it"):
            Heat(1.0)(signal(), shift)


def test_a_response_that_overflows_on_the_spectrum_is_refused():
    q = signal(3)
    with pytest.raises(ValueError, match="not finite on the spectrum"):
        Heat(1.0)(signal(), LowRankShift(300 * q))


def unbounded():
    q, _ = embeddings()
    return ExponentialShift(q, q, is_symmetric=True)


@pytest.mark.parametrize("graph", [name for name in SYMMETRIC if not name.startswith("sum")])
def test_a_tight_frame_keeps_energy_and_gives_the_signal_back(graph):
    frame, shift, z = itersine(5), SHIFTS[graph](), signal()
    coefficients = frame(z, shift)
    assert coefficients.shape == (*z.shape[:2], 5, z.shape[2])
    exact = 1e-10 if graph.startswith(CLOSED) else 2e-2  # a polynomial of degree 60
    assert abs(coefficients.norm() / z.norm() - 1) < exact
    assert relative(frame.reconstruct(coefficients, shift), z) < exact


def test_any_frame_gives_the_signal_back_within_its_bounds():
    frame = WaveletFrame([Heat(3.0), MexicanHat(1.0), MexicanHat(4.0)])
    shift, z = SHIFTS["low-rank"](), signal()
    coefficients = frame(z, shift)
    lower, upper = frame.frame_bounds()
    assert 0 < lower < upper
    assert lower <= coefficients.norm() ** 2 / z.norm() ** 2 <= upper
    assert relative(frame.reconstruct(coefficients, shift), z) < 1e-10


@pytest.mark.parametrize(
    ("f", "text"),
    [
        (
            Chebyshev(4, 5, 2) + 0.5 * Cayley(4, 5),
            "Chebyshev(4, 5, order=2) + 0.5 * Cayley(4, 5, order=1, zoom=1)",
        ),
        (Chebyshev(4, 5) @ (Identity() + Heat(2.0)), "Chebyshev(4, 5, order=1) @ (Identity() + Heat(tau=2))"),
        (-(Monomial(2, 2) + Identity(2)), "-1 * (Monomial(2, 2, order=1, restart=0.1) + Identity(2))"),
    ],
)
def test_a_composition_reads_like_its_formula(f, text):
    assert str(f) == text


@pytest.mark.parametrize("name", filters.registry.names())
def test_filters_are_saved_copied_and_reset(name):
    make = filters.registry.get(name)
    f, shift, z = make(4, 5).double(), SHIFTS["dense"](), signal()
    buffer = io.BytesIO()
    torch.save(f.state_dict(), buffer)
    buffer.seek(0)
    other = make(4, 5).double()
    other.load_state_dict(torch.load(buffer, weights_only=True))
    assert torch.equal(other(z, shift), f(z, shift))
    assert torch.equal(copy.deepcopy(f)(z, shift), f(z, shift))
    names = set(f.state_dict())
    f.reset_parameters()
    assert set(f.state_dict()) == names
    assert f.weight.dtype == torch.float64


def test_reset_keeps_the_parameters_an_optimiser_holds():
    f = Cayley(2, 2)
    held = [id(p) for p in f.parameters()]
    f.reset_parameters()
    assert [id(p) for p in f.parameters()] == held


def test_other_packages_offer_filters_by_name(monkeypatch):
    point = EntryPoint("squared", "tests.cases.own:Squared", "gsp_nonlocal.filters")
    monkeypatch.setattr(sys.modules["filters.registry"], "entry_points", lambda group: [point])
    registry = filters.Registry("filter", entry_points="gsp_nonlocal.filters")
    assert registry.names() == ["squared"]
    assert registry.get("squared")(4, 5)(signal(), SHIFTS["low-rank"]()).shape == (2, 12, 5)
    with pytest.raises(ValueError, match="unknown filter 'cubed'; choose one of: squared"):
        registry.get("cubed")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: SpectralFunction(lambda lam: 1.0), TypeError, "returned float"),
        (lambda: SpectralFunction(lambda lam: lam[:3]), ValueError, r"gave \(3,\) for \(4096,\)"),
        (lambda: SpectralFunction(lambda lam: 1 / lam), ValueError, "infinite at λ = 0"),
        (lambda: SpectralFunction(torch.cos, order=-1), ValueError, "order must be at least 0"),
        (lambda: Heat(-1.0), ValueError, "tau must be a positive number, got -1"),
        (lambda: IdealLowPass(float("nan")), ValueError, "cutoff must be a positive number, got nan"),
        (lambda: Heat(1.0)(signal(), DenseShift(torch.rand(12, 12))), ValueError, "symmetric"),
        (lambda: Heat(1.0)(signal(), torch.rand(12, 12).double()), ValueError, "symmetric"),
        (lambda: itersine(1), ValueError, "bands must be at least 2, got 1"),
        (lambda: WaveletFrame([]), ValueError, "at least one band"),
        (
            lambda: WaveletFrame([MexicanHat(1.0)]).reconstruct(torch.ones(1, 12, 1, 2), torch.eye(12)),
            ValueError,
            "no frame.*add a band",
        ),
        (lambda: itersine(3).reconstruct(torch.ones(1, 12, 2, 2), torch.eye(12)), ValueError, "J=3"),
        (lambda: Chebyshev(2, 3) + Heat(1.0), ValueError, "parallel"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_eigenvalues_just_above_one_have_the_gradient_of_those_just_below():
    """``λ = −1e-15`` by rounding is the frequency 0, with the slope that ``g`` has there."""
    found = []
    for factor in (1 + 1e-15, 1 - 1e-9):
        matrix = (torch.full((4, 4), 0.25, dtype=torch.float64) * factor).requires_grad_()
        y = Heat(1.0)(torch.eye(4).double()[None], DenseShift(matrix, is_symmetric=True))
        (y * torch.arange(16.0).view(1, 4, 4)).sum().backward()
        found.append(matrix.grad + matrix.grad.T)
    assert relative(*found) < 1e-7


def test_a_response_with_a_branch_point_at_the_end_of_the_spectrum():
    generator = torch.Generator().manual_seed(1)
    matrix = torch.zeros(64, 64)
    matrix[:32, 32:] = torch.rand(32, 32, generator=generator)
    matrix = matrix + matrix.T
    degree = matrix.sum(1)
    shift = DenseShift(matrix / (degree[:, None] * degree).sqrt(), is_symmetric=True)
    f = SpectralFunction(lambda lam: (2 - lam).sqrt())
    assert torch.isfinite(f(torch.ones(1, 64, 1), shift)).all()


def test_gains_of_other_types_are_taken():
    cut = SpectralFunction(lambda lam: lam < 1)
    shift, z = SHIFTS["dense"](), signal()
    assert relative(cut(z, shift), SpectralFunction(lambda lam: (lam < 1).to(lam))(z, shift)) == 0
    with pytest.raises(TypeError, match="a response is real"):
        SpectralFunction(lambda lam: lam * 1j)


def test_half_precision_does_not_hide_asymmetry():
    matrix = torch.tensor([[0.5, 0.5], [0.4, 0.6]])
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        with pytest.raises(ValueError, match="symmetric"):
            Heat(1.0)(torch.eye(2)[None], matrix.to(dtype))


def test_a_filter_with_other_terms_than_weights_is_refused():
    class TooFew(filters.Filter):
        def terms(self, shift, z):
            yield z

    with pytest.raises(ValueError, match=r"TooFew.terms yields 1 signals for 4 weights"):
        TooFew(4, 5, order=3)(signal().float(), torch.eye(12))
    with pytest.raises(TypeError, match=r"order must be an integer, got 2.0"):
        Chebyshev(2, 2, order=2.0)
