"""Any response on a low-rank graph by the small eigenvalue problem of its Gram matrix: as right as by QR."""

import pytest
import torch
from torch import Tensor

from filters import Chebyshev, Heat, IdealLowPass, SpectralFunction, Tikhonov
from gsp_nonlocal.affinity import relu_dot_shift
from gsp_nonlocal.shifts import LowRankShift, reduced
from tests.cases.signals import relative, signal
from tests.filters.graphs import GRAPHS
from tests.filters.test_smooth_responses import FACTORS, Called, values_and_gradients

RESPONSES = {
    str(f): f
    for f in [
        IdealLowPass(0.9),
        IdealLowPass(1.0),
        SpectralFunction(lambda lam: 1 + (lam == 0), name="1 at 0 more"),
        SpectralFunction(lambda lam: (lam - 1).abs(), name="|λ − 1|"),
        Heat(30.0),
        Tikhonov(100.0),
    ]
}
REGULAR = ("features", "isolated nodes", "as many columns as nodes", "tiny", "huge")
dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


@pytest.fixture
def by_qr(monkeypatch):
    """What makes every small problem one that is not taken."""
    return lambda: monkeypatch.setattr(reduced, "WORST_CONDITION", -1.0)


def cases(embeddings: Tensor, dtype: torch.dtype):
    z = signal(nodes=embeddings.shape[1]).to(dtype)
    return embeddings.to(dtype), z, lambda leaf: relu_dot_shift(leaf, "low_rank")


@dtypes
@pytest.mark.parametrize("factors", FACTORS)
@pytest.mark.parametrize("name", RESPONSES)
def test_values_and_gradients_are_those_by_qr(name, factors, dtype, by_qr):
    f, case = RESPONSES[name], cases(FACTORS[factors](), dtype)
    with Called() as called:
        found = values_and_gradients(f, *case)
    assert ("linalg_qr" in called.names) is (factors not in REGULAR)
    by_qr()
    wanted = values_and_gradients(f, *case)
    for one, other in zip(found, wanted, strict=True):
        assert relative(one.double(), other.double()) < (3e-5 if dtype == torch.float32 else 1e-11)


@dtypes
@pytest.mark.parametrize("name", RESPONSES)
@pytest.mark.parametrize("graph", GRAPHS)
def test_repeated_eigenvalues_keep_equal_gains(graph, name, dtype, by_qr):
    values, vectors = torch.linalg.eigh(GRAPHS[graph])
    kept = values.abs() > 0.3
    left, core = vectors[:, kept][None].to(dtype), torch.diag(values[kept]).to(dtype)
    z = signal(nodes=len(GRAPHS[graph])).to(dtype)
    case = left, z, lambda leaf: LowRankShift(leaf, core=core, is_symmetric=True)
    found = values_and_gradients(RESPONSES[name], *case)
    by_qr()
    for one, other in zip(found, values_and_gradients(RESPONSES[name], *case), strict=True):
        assert relative(one, other) < (2e-5 if dtype == torch.float32 else 1e-11)


@pytest.mark.parametrize("batch", [(1, 1), (2, 2), (2, 1)])
def test_gradients_reach_factor_core_and_signal(batch):
    signals, graphs = batch
    z, left, core = signal(2, 7, signals), signal(3, 7, graphs) / 7, signal(3, 3, graphs)
    f = SpectralFunction(lambda lam: torch.where(lam < 0.3, 2.0, torch.sin(9 * lam)))

    def apply(left: Tensor, core: Tensor, z: Tensor) -> Tensor:
        return f(z, LowRankShift(left, core=core + core.mT, is_symmetric=True))

    inputs = [part.requires_grad_() for part in (left, core, z)]
    assert torch.autograd.gradcheck(apply, inputs)
    y = (apply(*inputs) ** 2).sum()
    (grad,) = torch.autograd.grad(y, left, create_graph=True)
    with pytest.raises(NotImplementedError, match="second derivative"):
        grad.sum().backward()


@dtypes
def test_what_it_is_made_of_is_lazy(dtype, by_qr):
    torch.manual_seed(0)
    embeddings, z, make = cases(FACTORS["features"](), dtype)
    f = (Chebyshev(4, 5, order=2) @ (IdealLowPass(0.9) @ (Heat(1.0) @ Tikhonov(100.0)))).to(dtype)
    found = f(z, make(embeddings))
    by_qr()
    assert relative(found, f(z, make(embeddings))) < (5e-6 if dtype == torch.float32 else 1e-11)


def test_a_jump_within_rounding_of_one_graph_of_a_batch_is_seen_by_each():
    """``f(0)`` may differ by graph there: each has its own."""
    left = torch.stack([torch.eye(6, 3), 1e-3 * torch.eye(6, 3)]).double()
    f = IdealLowPass(1 - 1e-15)
    z = signal(nodes=6)
    both = f(z, LowRankShift(left))
    for index in range(2):
        one = slice(index, index + 1)
        assert relative(both[one], f(z[one], LowRankShift(left[one]))) < 1e-12
