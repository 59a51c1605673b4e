"""Hard settings: high orders, extreme zooms, poles at the edge, half precision."""

import copy

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

import filters
from filters import (
    ARMA,
    Bernstein,
    Cayley,
    Chebyshev,
    ChebyshevInterpolation,
    DenseShift,
    Legendre,
    Monomial,
    Rational,
)
from filters.operators.signal import materialise, mix
from gsp_nonlocal.affinity import relu_dot_shift
from gsp_nonlocal.shifts import LowRankShift
from tests.cases.shifts import SHIFTS
from tests.cases.signals import IN, NODES, OUT, features, relative, signal

LAM = torch.linspace(0, 2, 401, dtype=torch.float64)
HARD = {
    "chebyshev-64": lambda: Chebyshev(IN, OUT, order=64),
    "interpolation-64": lambda: ChebyshevInterpolation(IN, OUT, order=64),
    "monomial-64": lambda: Monomial(IN, OUT, order=64),
    "legendre-64": lambda: Legendre(IN, OUT, order=64),
    "bernstein-64": lambda: Bernstein(IN, OUT, order=64),
    "cayley-64": lambda: Cayley(IN, OUT, order=64),
    "rational-64": lambda: Rational(IN, OUT, order=64),
    "arma-64": lambda: ARMA(IN, OUT, order=64),
    **{f"cayley, zoom {h:g}": (lambda h=h: Cayley(IN, OUT, order=4, zoom=h)) for h in (1e-3, 1e3)},
    "cayley, both zooms": lambda: Cayley(IN, OUT, order=4, zoom=(1e-3, 1e3)),
}
GRAPHS = ("low-rank", "dense", "sparse", "sparse, not normalised", "diagonal")


def edge_of_stability() -> ARMA:
    f = ARMA(IN, OUT, order=2)
    with torch.no_grad():
        f.raw_psi.copy_(torch.tensor([50.0, -50.0]))  # tanh = ±1: |ψ| = 0.99
    return f


HARD["arma, poles at the edge"] = edge_of_stability
SLOW = ("cayley-64", "rational-64", "arma-64")
"""Up to 128 iterated resolvents on a sparse graph: once is enough."""
CASES = [
    (name, graph, dtype)
    for name in HARD
    for graph in GRAPHS
    for dtype in (torch.float64, torch.float32)
    if name not in SLOW or not graph.startswith("sparse") or (graph, dtype) == ("sparse", torch.float32)
]


@pytest.mark.parametrize(("name", "graph", "dtype"), CASES)
def test_values_are_bounded_by_the_response_and_gradients_finite(name, graph, dtype):
    torch.manual_seed(0)
    f, shift, z = HARD[name]().to(dtype), SHIFTS[graph]().to(dtype), signal().to(dtype).requires_grad_()
    gain = torch.linalg.matrix_norm(f.response(LAM.to(dtype)), 2).max()
    y = f(z, shift)
    assert torch.isfinite(y).all()
    assert y.norm() <= gain * z.norm() * (1 + 1e-3)
    y.square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in (z, *f.parameters()))


RESOLVENTS = {
    "cayley": lambda: Cayley(1, 1, order=2, zoom=20.0),
    "arma": lambda: ARMA(1, 1, order=2),
    "rational": lambda: Rational(1, 1, order=1, poles=2),
    "rational of order 3": lambda: Rational(1, 1, order=3, poles=1),
    "rational of two poles": lambda: Rational(1, 1, order=3, poles=2),
    "cascade": lambda: Chebyshev(1, 1, order=1) @ Cayley(1, 1, order=1),
}


@pytest.mark.parametrize("family", [Chebyshev, Monomial, Cayley])
def test_a_gram_matrix_beyond_its_type_spoils_no_filter(family):
    """``S_ij`` is about 1, entries of ``rightᵀ left`` are 10⁴⁰."""
    torch.manual_seed(0)
    f = family(1, 1, order=3)
    large = 1e20 * torch.tensor([1.0, 0.5, 0.7, 0, 0, 0]).view(1, 6, 1)
    small = 1e-21 * torch.rand(1, 6, 1)
    left, right = torch.cat([large, small], -1), torch.cat([small, large], -1)
    shift, z = LowRankShift(left, right), torch.randn(1, 6, 1)
    dense = DenseShift(left.double() @ right.double().mT)
    assert not shift.gram.isfinite().all()
    assert relative(f(z, shift).double(), copy.deepcopy(f).double()(z.double(), dense)) < 1e-5


def unbounded(dtype=torch.float32):
    torch.manual_seed(0)
    return LowRankShift(*(torch.randn(2, 6, 3, dtype=dtype) for _ in range(2)))


def asked(shift, dtype):
    """Dense, of the factors in float64."""
    return shift.to(torch.float64).to_dense().to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
@pytest.mark.parametrize("b", [0.01, 5.0, 1e3])
def test_a_steep_resolvent_of_any_signal_is_the_dense_one(dtype, b):
    """Complex ones too, one after another from one resolvent, in sums with signals of other tensors."""
    shift, wide = unbounded(), torch.promote_types(dtype, torch.float64)
    z, x = (torch.randn(2, 6, 2, dtype=dtype) for _ in range(2))
    s = asked(shift, wide)
    inverse = torch.linalg.inv(torch.eye(6, dtype=wide) + b * s)
    assert relative(shift.solve(z, 1.0, b).to(wide), inverse @ z.to(wide)) < 1e-4
    solve, steep = shift.resolvent(1.0, b), shift.resolvent(1.0, 1e3)
    far = torch.linalg.inv(torch.eye(6, dtype=wide) + 1e3 * s)
    kept = steep(shift.signal(z))
    for one, dense in ((kept, far @ z.to(wide)), (shift.signal(x), x.to(wide)), (kept, far @ z.to(wide))):
        assert relative(materialise(solve(one)).to(wide), inverse @ dense) < 1e-4
    for total in (shift(kept + shift.signal(x)), shift(shift.signal(x) + kept)):
        assert relative(materialise(total).to(wide), s @ (far @ z.to(wide) + x.to(wide))) < 1e-4


@pytest.mark.parametrize("bound", [None, 7.0])
def test_a_gram_matrix_that_is_no_number_spoils_no_resolvent(bound):
    """``inf · 0`` in it, by a core; a bound of the spectrum bounds no entry of the product of factors."""
    factor = torch.tensor([[[1e20, 1.0], [1e20, 2.0]]])
    shift = LowRankShift(factor, core=torch.diag(torch.tensor([1e-40, 1.0])), spectral_bound=bound)
    z, s = torch.ones(1, 2, 1), torch.tensor([[[2.0, 3.0], [3.0, 5.0]]])
    assert relative(materialise(shift(shift(shift.signal(z)))), s @ s @ z) < 1e-5
    assert relative(shift.solve(z, 1.0, 1.0), torch.linalg.solve(torch.eye(2) + s, z)) < 1e-5


def test_what_is_traced_is_not_asked_for_numbers():
    def twice(factor, z):
        shift = LowRankShift(factor)
        return materialise(shift(shift(shift.signal(z))))

    factor, z = torch.randn(2, 6, 3), torch.randn(2, 6, 2)
    for mode in ("real", "fake", "symbolic"):
        traced = make_fx(twice, tracing_mode=mode)(factor, z)
        assert relative(traced(factor, z), twice(factor, z)) < 1e-4


STEEP = [(name, reach) for name in RESOLVENTS for reach in (1, 3, 10, 30, 100, 1e4)]
STEEP.remove(("rational of two poles", 1e4))  # its Q is of fourth degree: ε μ² > 1 in float64 as well


@pytest.mark.parametrize(("name", "reach"), STEEP)
def test_resolvents_of_nodes_of_very_different_size(name, reach):
    """``left c`` cancels ``z`` where ``|μ|`` is large: in float32 as exact as a dense solve."""
    torch.manual_seed(3)
    f, z = RESOLVENTS[name](), torch.randn(2, 6, 1)
    sizes = torch.logspace(-4, 0, 6).view(1, 6, 1)
    factors = [torch.cat([torch.ones(2, 6, 1), reach * sizes * torch.randn(2, 6, 2)], -1) for _ in range(2)]
    weight = torch.randn(2, 6, 1)

    def outcome(dtype):
        f.to(dtype)
        leaves = [x.to(dtype).requires_grad_() for x in factors]
        y = f(z.to(dtype), LowRankShift(*leaves))
        grads = torch.autograd.grad((y * weight.to(dtype)).sum(), leaves)
        return [y.double(), *((g * x).double() for g, x in zip(grads, leaves, strict=True))]

    for found, truth in zip(outcome(torch.float32), outcome(torch.float64), strict=True):
        assert (found - truth).norm() < 2e-5 * (1 + truth.norm())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("mu", [0.3, -17.0, 400.0, -2344.0, 1e4])
@pytest.mark.parametrize("name", RESOLVENTS)
def test_one_node_of_rank_two_has_the_response_at_its_weight(name, mu, dtype):
    """``S = μ`` is of full rank: no eigenvalue 0 excuses what a polynomial makes of ``ε ‖z‖``."""
    torch.manual_seed(0)
    f, z = RESOLVENTS[name]().to(dtype), torch.tensor([[[71.3]]], dtype=dtype)
    left, right = (torch.tensor([[one]], dtype=dtype) for one in ([1.0, 2.0], [0.6 * mu, 0.2 * mu]))
    exact = copy.deepcopy(f).double().response(torch.tensor([1 - mu], dtype=torch.float64))
    found = f(z, LowRankShift(left, right)).double() / z.double()
    absolute = 2e-16 * max(1, float((exact * mu).abs()))
    assert (found - exact).abs() < 100 * torch.finfo(dtype).eps * exact.abs() + absolute


@pytest.mark.parametrize("name", filters.registry.names())
@pytest.mark.parametrize("form", ["low_rank", "dense"])
def test_autocast_agrees_with_float32(name, form):
    torch.manual_seed(0)
    f, z = filters.registry.get(name)(IN, OUT), signal().float()
    embeddings = features().float()
    expected = f(z, relu_dot_shift(embeddings, form))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = f(z.bfloat16(), relu_dot_shift(embeddings, form))
    assert y.dtype == torch.bfloat16
    assert relative(y.float(), expected) < 2e-2


@pytest.mark.parametrize("steps", [0, 1, 30, 300])
def test_arma_iterations_approach_the_closed_form(steps):
    exact, stepped = (ARMA(IN, OUT, order=3, iterations=t).double() for t in (None, steps))
    stepped.load_state_dict(exact.state_dict())
    shift, z = SHIFTS["low-rank"](), signal()
    assert relative(stepped(z, shift), exact(z, shift)) < 2 * 0.75**steps + 1e-12


def test_the_cayley_transform_is_unitary():
    f = Cayley(1, 1, order=5, zoom=0.7).double()
    shift = filters.DiagonalShift(1 - LAM)
    terms = torch.cat(list(f.terms(shift, torch.ones(1, len(LAM), 1, dtype=torch.float64))), -1)[0]
    real, imag = terms[:, 1::2], terms[:, 2::2]
    assert (real.square() + imag.square() - 1).abs().max() < 1e-12


def test_a_bernstein_filter_asked_for_it_is_non_negative():
    f = Bernstein(IN, OUT, order=7, nonnegative=True)
    with torch.no_grad():
        f.weight.normal_()
    assert (f.response(LAM.float()) >= -1e-6).all()


@pytest.mark.parametrize("nodes", [NODES, 40])
def test_filters_are_linear_in_the_number_of_nodes(nodes):
    """No family forms a tensor of ``N²`` numbers on a low-rank shift."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        size = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            for value in out if isinstance(out, tuple) else (out,):
                self.size = max(self.size, value.numel() if isinstance(value, torch.Tensor) else 0)
            return out

    many = 50 * nodes
    shift = relu_dot_shift(features(1, many, 6), "low_rank")
    fixed = filters.Heat(0.5) @ filters.Identity(IN)
    for f in [*(filters.registry.get(n)(IN, OUT).double() for n in filters.registry.names()), fixed]:
        with torch.no_grad(), Largest() as mode:
            f(signal(nodes=many, batch=1), shift)
        assert 0 < mode.size <= 16 * many


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Cayley(2, 2, zoom=0.0), "positive.*0.0"),
        (lambda: Cayley(2, 2, zoom=(1.0, float("inf"))), "positive.*inf"),
        (lambda: Cayley(2, 2, zoom=()), "positive number, or several"),
        (lambda: ARMA(2, 2, order=0), "at least 1 .the number of poles"),
        (lambda: ARMA(2, 2, iterations=-1), "at least 0, got -1"),
        (lambda: Rational(2, 2, poles=0), "poles must be at least 1"),
        (lambda: Monomial(2, 2, restart=0.0), "probability, got 0.0"),
        (lambda: filters.Jacobi(2, 2, a=-1.0), "above -1, got -1.0"),
        (lambda: Bernstein(2, 2, order=-3), "order must be at least 0.*-3"),
    ],
)
def test_bad_settings_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


class Twice(Rational):
    """A family of one's own that changes the terms of another."""

    def terms(self, shift, z):
        return (2.0 * term for term in super().terms(shift, z))


@pytest.mark.parametrize("graph", ["low-rank", "dense", "sparse", "diagonal"])
@pytest.mark.parametrize(("inside", "outside"), [(IN, OUT), (OUT, IN), (2, 9)])
def test_terms_of_a_subclass_of_rational_count_on_every_shift(graph, inside, outside):
    f, g = (kind(inside, outside, order=2, poles=2).double() for kind in (Rational, Twice))
    g.load_state_dict(f.state_dict())
    shift = SHIFTS[graph]()
    z = torch.randn(shift.shape[0], shift.shape[-1], inside, dtype=torch.float64)
    assert relative(g(z, shift), 2 * f(z, shift)) < 1e-12
    terms = sum(mix(term, w) for term, w in zip(f.terms(shift, shift.signal(z)), f.weight, strict=True))
    assert relative(materialise(terms), f(z, shift)) < 1e-11


@pytest.mark.parametrize("graph", ["dense", "diagonal"])
def test_the_polynomial_of_rational_does_not_overflow_on_tensors(graph):
    """``T_7(10⁶)`` is no number in float32, ``T_7 / Q`` is."""
    torch.manual_seed(0)
    f, mu = Rational(1, 1, order=7), torch.tensor([[1e6, 0.5]])
    shift = DenseShift(mu.diag_embed()) if graph == "dense" else filters.DiagonalShift(mu)
    found, exact = f(torch.ones(1, 2, 1), shift), f.double().response(1 - mu[0].double())
    assert relative(found.double().flatten(), exact.flatten()) < 1e-4
