"""A smooth response on a low-rank graph is a polynomial to rounding: as right as by eigenpairs."""

import copy

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from filters import Chebyshev, Heat, IdealLowPass, MexicanHat, SpectralFunction, Tikhonov, itersine
from filters.smooth import Smooth
from gsp_nonlocal.affinity import relu_dot_shift
from gsp_nonlocal.shifts import LowRankShift
from tests.cases.signals import features, isolated, relative, signal
from tests.filters.graphs import GRAPHS

SMOOTH = {
    str(f): f
    for f in [
        Heat(0.1),
        Heat(1.0),
        Heat(2.0),
        Tikhonov(0.5),
        Tikhonov(5.0),
        MexicanHat(0.5),
        MexicanHat(4.0),
        SpectralFunction(lambda lam: torch.cos(3 * lam), name="cos(3 λ)"),
        SpectralFunction(lambda lam: 1 / (1 + (lam - 1) ** 2), name="1 / (1 + (λ − 1)²)"),
        SpectralFunction(lambda lam: lam**3 - lam + 2, name="λ³ − λ + 2"),
    ]
}
UNEVEN = 10 ** torch.linspace(-3, 3, 12, dtype=torch.float64)[:, None]
FACTORS = {
    "features": lambda: features(nodes=40),
    "isolated nodes": isolated,
    "no edges": lambda: torch.zeros(2, 12, 6).double(),
    "as many columns as nodes": lambda: features(rank=12),
    "more columns than nodes": lambda: features(rank=20),
    "equal columns": lambda: features(rank=2).repeat_interleave(3, dim=-1),
    "nodes of any scale": lambda: UNEVEN * features(),
    "tiny": lambda: 1e-30 * features(),
    "huge": lambda: 1e30 * features(),
}
dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


class Called(TorchDispatchMode):
    """The names of all operations."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.add(func.__name__.partition(".")[0])
        return func(*args, **(kwargs or {}))


def without_bound(shift: LowRankShift) -> LowRankShift:
    """The same graph, of which no bound is known: fixed responses take its eigenpairs."""
    return LowRankShift(shift.left, shift.right, shift.core, is_symmetric=True)


def values_and_gradients(f, leaf: Tensor, z: Tensor, make) -> tuple[Tensor, ...]:
    leaf, z = leaf.clone().requires_grad_(), z.clone().requires_grad_()
    y = f(z, make(leaf))
    return y.detach(), *torch.autograd.grad((y * z.roll(1, dims=1).detach()).sum(), (leaf, z))


@dtypes
@pytest.mark.parametrize("factors", FACTORS)
@pytest.mark.parametrize("name", SMOOTH)
def test_it_is_the_function_by_eigenpairs(name, factors, dtype):
    f, embeddings = SMOOTH[name], FACTORS[factors]()
    z = signal(nodes=embeddings.shape[1])
    exact = f(z, without_bound(relu_dot_shift(embeddings, "low_rank")))
    with Called() as called:
        found = f(z.to(dtype), relu_dot_shift(embeddings.to(dtype), "low_rank"))
    assert not called.names & {"linalg_qr", "_linalg_eigh"}
    assert relative(found.double(), exact) < (2e-6 if dtype == torch.float32 else 1e-12)


@dtypes
@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("name", SMOOTH)
def test_its_gradient_is_that_by_eigenpairs_where_eigenvalues_repeat(name, graph, dtype):
    """In float32 within a few units of what rounding of the entries alone makes of it, by eigenpairs."""
    values, vectors = torch.linalg.eigh(GRAPHS[graph])
    kept = values.abs() > 0.3
    leaf, core = vectors[:, kept][None], torch.diag(values[kept])
    z = signal(nodes=len(GRAPHS[graph]), batch=1)

    def make(left: Tensor, bound: float | None = 1.0) -> LowRankShift:
        return LowRankShift(left, core=core.to(left.dtype), is_symmetric=True, spectral_bound=bound)

    def by_eigenpairs(left: Tensor) -> LowRankShift:
        return make(left, None)

    exact = values_and_gradients(SMOOTH[name], leaf, z, by_eigenpairs)
    rounded = values_and_gradients(SMOOTH[name], leaf.to(dtype), z.to(dtype), by_eigenpairs)
    found = values_and_gradients(SMOOTH[name], leaf.to(dtype), z.to(dtype), make)
    for one, other, wanted in zip(found, rounded, exact, strict=True):
        least = 2e-6 if dtype == torch.float32 else 1e-11
        assert relative(one.double(), wanted) < least + 20 * relative(other.double(), wanted)


def test_gradients_are_derivatives_of_any_order_and_of_shared_graphs():
    z, core = signal(2, nodes=7, batch=2), signal(3, nodes=3, batch=1)
    core = 0.02 * (core + core.mT)

    def apply(left: Tensor, signals: Tensor) -> Tensor:
        return Heat(1.0)(signals, LowRankShift(left, core=core, is_symmetric=True, spectral_bound=1.0))

    inputs = signal(3, nodes=7, batch=1).requires_grad_(), z.requires_grad_()
    assert torch.autograd.gradcheck(apply, inputs)
    assert torch.autograd.gradgradcheck(apply, inputs)


@dtypes
def test_it_stays_lazy_in_a_composition(dtype):
    shift, z = relu_dot_shift(features(nodes=40).to(dtype), "low_rank"), signal(nodes=40).to(dtype)
    torch.manual_seed(0)
    f = (Chebyshev(4, 5, order=2) @ (Heat(1.0) @ Tikhonov(0.5))).to(dtype)
    assert relative(f(z, shift), f(z, without_bound(shift))) < (2e-6 if dtype == torch.float32 else 1e-12)


NOT_SMOOTH = {
    "a jump": IdealLowPass(0.35),
    "a jump between the points of any grid": SpectralFunction(lambda lam: 1.0 + (lam > 0.351234)),
    "one frequency apart, 0": SpectralFunction(lambda lam: 1.0 - (lam == 0).double()),
    "one frequency apart, 1": SpectralFunction(lambda lam: 1.0 - (lam == 1).double()),
    "one frequency apart, 0.35": SpectralFunction(lambda lam: 1.0 + (lam == 0.35).double()),
    "a kink": SpectralFunction(lambda lam: 1 + (lam - 1).abs()),
    "a branch point": SpectralFunction(lambda lam: (2 - lam).sqrt()),
    "too steep": Heat(5000.0),
    "of too many sizes": Heat(20.0),
    "a band": itersine(5).bands[1],
}


@dtypes
@pytest.mark.parametrize("name", NOT_SMOOTH)
def test_what_is_not_smooth_is_no_polynomial(name, dtype):
    assert Smooth.of(NOT_SMOOTH[name].gain, dtype) is None


@pytest.mark.parametrize("dtype, most", [(torch.float32, 8), (torch.float64, 14)])
def test_the_degree_is_what_rounding_asks_for(dtype, most):
    assert len(Smooth.of(Heat(1.0).gain, dtype).coefficients) - 1 <= most
    assert len(Smooth.of(lambda lam: lam**3 - lam, torch.float64).coefficients) - 1 == 3


def test_settings_that_change_are_followed():
    shift, z = relu_dot_shift(features(nodes=40), "low_rank"), signal(nodes=40)
    f = Heat(1.0)
    f(z, shift)
    f.value = 0.3
    assert relative(f(z, shift), Heat(0.3)(z, shift)) < 1e-13
    assert relative(copy.deepcopy(f)(z, shift), Heat(0.3)(z, shift)) < 1e-13
