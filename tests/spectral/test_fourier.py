"""The transform makes S diagonal, has an inverse, keeps energy, and refuses what is no basis."""

import pytest
import torch

from gsp_nonlocal.shifts import DenseShift, DiagonalShift, LowRankShift
from gsp_nonlocal.spectral import Spectrum, gft, igft, spectrum, symmetric_part
from tests.cases.shifts import SHIFTS
from tests.cases.signals import NODES, features, relative, signal

EXACT = 1e-9
DEFECTIVE = {"hinge"}
FOUND = {
    name: spectrum(shift, eigenvectors=True, method="auto" if shift.is_symmetric else "dense")
    for name, shift in ((name, make()) for name, make in SHIFTS.items())
}
SYMMETRIC = [name for name, found in FOUND.items() if not found.eigenvectors.is_complex()]
BASES = [name for name in SHIFTS if name not in DEFECTIVE]


def test_the_table_has_both_kinds_and_some_low_rank_ones():
    assert len(SYMMETRIC) > 8
    assert len(BASES) - len(SYMMETRIC) > 8
    assert any(FOUND[name].exact_zeros for name in SYMMETRIC)


@pytest.mark.parametrize("name", BASES)
def test_makes_the_shift_diagonal(name):
    """``ẑ ↦ μ ẑ`` is ``S``; and the coefficients of eigenvectors are the unit vectors."""
    shift, found = SHIFTS[name](), FOUND[name]
    z = signal(batch=shift.shape[0])
    assert relative(gft(shift @ z, found), found.paired.unsqueeze(-1) * gft(z, found)) <= EXACT
    own = gft(found.eigenvectors, found)
    assert (own - torch.eye(own.shape[-1])).abs().max() <= EXACT


@pytest.mark.parametrize("name", BASES)
def test_has_an_inverse_on_what_the_eigenvectors_span(name):
    shift, found = SHIFTS[name](), FOUND[name]
    z = signal(batch=shift.shape[0])
    lost = z - igft(gft(z, found), found)
    if found.exact_zeros:
        assert (shift.to_dense().to(lost.dtype) @ lost).abs().max() <= EXACT  # it lies at μ = 0
        assert gft(lost, found).abs().max() <= EXACT
    else:
        assert lost.abs().max() <= EXACT


@pytest.mark.parametrize("name", BASES)
def test_a_polynomial_acts_on_each_coefficient(name):
    shift, found = SHIFTS[name](), FOUND[name]
    z, mu = signal(batch=shift.shape[0]), found.paired.unsqueeze(-1)
    expected = shift @ z - 0.5 * (shift @ (shift @ (shift @ z)))
    assert relative(igft((mu - 0.5 * mu**3) * gft(z, found), found), expected) <= EXACT


@pytest.mark.parametrize("name", SYMMETRIC)
def test_keeps_the_energy_or_leaves_the_rest_at_zero(name):
    found = FOUND[name]
    z = signal(batch=found.paired.shape[0])
    coefficients = gft(z, found)
    lost = z - igft(coefficients, found)
    total = coefficients.square().sum((1, 2)) + lost.square().sum((1, 2))
    torch.testing.assert_close(total, z.square().sum((1, 2)))


@pytest.mark.parametrize("name", SYMMETRIC)
@pytest.mark.parametrize("k", [1, 5])
def test_some_eigenvectors_give_rows_of_the_whole_transform(name, k):
    shift, whole = SHIFTS[name](), FOUND[name]
    z = signal(batch=shift.shape[0])
    some = spectrum(shift, k=k, eigenvectors=True)
    kept = whole.paired.abs().argsort(dim=-1, descending=True, stable=True)[:, :k].sort(dim=-1).values
    expected = gft(z, whole).gather(1, kept.unsqueeze(-1).expand(-1, -1, z.shape[-1]))
    assert (gft(z, some).abs() - expected.abs()).abs().max() <= EXACT  # signs of eigenvectors are free


def test_the_krylov_projection_is_the_dense_one():
    shift = SHIFTS["exponential, symmetric"]()
    z = signal()
    one, other = (spectrum(shift, k=4, eigenvectors=True, method=method) for method in ("krylov", "dense"))
    assert relative(igft(gft(z, one), one), igft(gft(z, other), other)) <= EXACT


@pytest.mark.parametrize("name", ["low-rank", "attention"])
def test_types_batches_and_gradients(name):
    found, z = FOUND[name], signal()
    coefficients = gft(z, found)
    wide = torch.complex128 if name == "attention" else torch.float64
    assert coefficients.dtype == wide
    assert gft(z.float(), found).dtype == wide
    assert relative(gft(z + 2j * z.flip(1), found), coefficients + 2j * gft(z.flip(1), found)) <= EXACT
    assert gft((z * 1j).to(torch.complex64), found).dtype == torch.complex128
    assert not gft(z.requires_grad_(), found).requires_grad
    one = Spectrum(*(part[:1] for part in (found.eigenvalues, found.paired, found.eigenvectors)))
    assert relative(gft(z[:1].repeat(3, 1, 1), one), coefficients[:1].repeat(3, 1, 1)) <= EXACT
    assert relative(gft(z[:1], found)[:1], coefficients[:1]) <= EXACT


def test_the_fourier_transform_of_a_cycle_is_the_discrete_one():
    found = spectrum(torch.eye(8, dtype=torch.float64).roll(1, 0), eigenvectors=True)
    z = signal(1, nodes=8, batch=1)
    ours = gft(z, found)[0, :, 0].abs().sort().values
    torch.testing.assert_close(ours, torch.fft.fft(z[0, :, 0], norm="ortho").abs().sort().values)


LOPSIDED = LowRankShift(features(seed=1) / 9, features(seed=2) / 9)
REFUSED = {
    "no eigenvectors": (lambda: (signal(), spectrum(torch.eye(NODES))), ValueError, "eigenvectors=True"),
    "some of an attention": (
        lambda: (signal(), spectrum(SHIFTS["attention"](), k=3, eigenvectors=True)),
        ValueError,
        r'3 of 12 eigenvectors.*not orthogonal.*method="dense"',
    ),
    "factors that are not symmetric": (
        lambda: (signal(), spectrum(LOPSIDED, eigenvectors=True)),
        ValueError,
        r'6 of 12 eigenvectors.*method="dense"',
    ),
    "defective": (
        lambda: (signal(), FOUND["hinge"]),
        ValueError,
        r"no basis \(condition .*\).*symmetric_part",
    ),
    "Jordan block": (
        lambda: (signal(nodes=2), spectrum(torch.tensor([[1.0, 1.0], [0.0, 1.0]]), eigenvectors=True)),
        ValueError,
        "no basis",
    ),
    "other nodes": (lambda: (signal(nodes=7), FOUND["attention"]), ValueError, r"\(B, 12, C\).*\(2, 7, 4\)"),
    "no batch": (lambda: (signal()[0], FOUND["dense"]), ValueError, r"\(B, 12, C\).*\(12, 4\)"),
    "other batch": (lambda: (signal(batch=3), FOUND["dense"]), ValueError, "3 signals .* 2 graphs"),
    "integers": (lambda: (signal().long(), FOUND["dense"]), TypeError, "int64"),
}


@pytest.mark.parametrize(("make", "error", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_has_no_transform_is_refused(make, error, said):
    z, found = make()
    with pytest.raises(error, match=said):
        gft(z, found)


def test_the_remedies_of_the_refusals_work():
    z = signal()
    assert gft(z, spectrum(LOPSIDED, method="dense", eigenvectors=True)).shape == z.shape
    hinge = symmetric_part(SHIFTS["hinge"]())
    assert gft(z, spectrum(hinge, eigenvectors=True)).dtype == torch.float64


def test_coefficients_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"coefficients.*\(B, 4, C\).*\(2, 12, 4\)"):
        igft(signal(), spectrum(SHIFTS["dense"](), k=4, eigenvectors=True))
    with pytest.raises(ValueError, match="eigenvectors=True"):
        igft(signal(), spectrum(DiagonalShift(torch.ones(12))))


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_scale_of_the_shift_changes_nothing(scale):
    dense = SHIFTS["exponential, averaged walk"]().to_dense()
    one, other = (spectrum(DenseShift(factor * dense), eigenvectors=True) for factor in (1.0, scale))
    z = signal()
    assert (gft(z, one).abs() - gft(z, other).abs()).abs().max() <= 1e-8
