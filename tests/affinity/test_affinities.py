"""Laws of the affinities: what they promise holds, every form is the same graph, choices fit or say why."""

import inspect

import pytest
import torch

from gsp_nonlocal.affinity import (
    RBF,
    Concatenation,
    CrissCross,
    DotProduct,
    DoubleSoftmax,
    EmbeddedGaussian,
    Gaussian,
    PairwiseAffinity,
    PyramidAttention,
    ReLUDot,
    TaylorRBF,
    registry,
)
from gsp_nonlocal.affinity.normalization import inverse_degree, inverse_sqrt_degree
from gsp_nonlocal.nodes import PositionsAndChannels
from gsp_nonlocal.shifts import DenseShift
from gsp_nonlocal.testing import check_affinity
from tests.cases.affinities import (
    AFFINITIES,
    BATCH,
    CHANNELS,
    EXPONENTIAL,
    FIXED,
    GRID,
    INNER,
    NODES,
    PAIRWISE,
    POOLED,
    SYMMETRIZATIONS,
    VANISHING,
    build,
    combinations,
    nodes,
)
from tests.cases.signals import relative

table = pytest.mark.parametrize(
    ("name", "symmetrization", "normalization"), [row for row in combinations() if row[0] in PAIRWISE]
)


def textbook(weights, symmetrization, normalization):
    """Symmetrisation and normalisation as their equations read."""
    if symmetrization == "average":
        weights = (weights + weights.mT) / 2
    rows, columns = weights.sum(-1, keepdim=True), weights.sum(-2, keepdim=True)
    return {
        "none": lambda: weights,
        "mean": lambda: weights / weights.shape[-1],
        "random_walk": lambda: inverse_degree(rows) * weights,
        "symmetric": lambda: inverse_sqrt_degree(rows) * weights * inverse_sqrt_degree(columns),
    }[normalization]()


def test_the_table_holds_every_affinity_that_has_a_name():
    assert {case.kind for case in AFFINITIES.values()} == {registry.get(name) for name in registry.names()}


@table
def test_an_affinity_is_its_equation(name, symmetrization, normalization):
    affinity, x = build(name, symmetrization, normalization), nodes()
    expected = textbook(AFFINITIES[name].weights(affinity, x), symmetrization, normalization)
    shift = affinity(x, GRID)
    assert relative(shift.to_dense(), expected) < 1e-10
    z = nodes(0.5)
    assert relative(shift @ z, expected @ z) < 1e-10
    assert relative(shift.T @ z, expected.mT @ z) < 1e-10


@pytest.mark.parametrize(("name", "symmetrization", "normalization"), [*combinations()])
def test_an_affinity_keeps_the_laws(name, symmetrization, normalization):
    affinity = build(name, symmetrization, normalization)
    check_affinity(affinity, CHANNELS, GRID, arranged=AFFINITIES[name].arranged)


@pytest.mark.parametrize("name", FIXED)
def test_rows_of_a_fixed_affinity_sum_to_1(name):
    ones = torch.ones(1, NODES, 1, dtype=torch.float64)
    assert relative(build(name).eval()(nodes(), GRID) @ ones, ones.expand(BATCH, -1, -1)) < 1e-12


@pytest.mark.parametrize("chunk", [8, 200])
@pytest.mark.parametrize("name", EXPONENTIAL)
@pytest.mark.parametrize("symmetrization", SYMMETRIZATIONS)
@pytest.mark.parametrize("normalization", ["random_walk", "symmetric"])
def test_chunks_change_no_value_and_no_gradient(monkeypatch, chunk, name, symmetrization, normalization):
    outcomes = []
    for size in (2**20, chunk):
        monkeypatch.setattr("gsp_nonlocal.shifts.exponential.CHUNK", size)
        monkeypatch.setattr("gsp_nonlocal.shifts.attention.CHUNK", size)
        affinity, x = build(name, symmetrization, normalization), nodes().requires_grad_()
        y = affinity(x, GRID) @ x.square()
        y.square().sum().backward()
        outcomes.append([y, x.grad, *(p.grad for p in affinity.parameters())])
    for value, expected in zip(*outcomes, strict=True):
        assert relative(value, expected) < 1e-11


@pytest.mark.parametrize("name", EXPONENTIAL)
def test_memory_is_linear_in_the_number_of_positions(name):
    """16,384 positions: the weights alone would take 1 GB, and be in no tensor."""
    affinity = AFFINITIES[name].make(CHANNELS, INNER)
    with Largest() as largest:
        y = affinity(torch.randn(1, 2**14, CHANNELS), (128, 128)) @ torch.randn(1, 2**14, 1)
    assert y.isfinite().all()
    assert largest.numel <= 2 * 2**20


class Largest(torch.utils._python_dispatch.TorchDispatchMode):
    """The greatest number of elements of any tensor."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        tensors = result if isinstance(result, tuple | list) else (result,)
        self.numel = max(self.numel, *(t.numel() for t in tensors if isinstance(t, torch.Tensor)), 0)
        return result


@pytest.mark.parametrize("name", POOLED)
@pytest.mark.parametrize("spatial", [(24,), (4, 6), (5, 5), (2, 3, 4)])
def test_average_pooling_is_a_graph_like_any_other(name, spatial):
    torch.manual_seed(0)
    affinity = AFFINITIES[name].make(CHANNELS, INNER, sub_sample="average").double()
    x = torch.randn(BATCH, torch.Size(spatial).numel(), CHANNELS, dtype=torch.float64)
    shift = affinity(x, spatial)
    assert relative(shift @ x, shift.to_dense() @ x) < 1e-12
    assert relative(shift.T @ x, shift.to_dense().mT @ x) < 1e-12
    assert relative(shift.T.T @ x, shift @ x) < 1e-12


def test_max_pooling_of_values_is_no_matrix_and_says_so():
    shift = EmbeddedGaussian(CHANNELS, INNER, sub_sample="max").double()(nodes(), GRID)
    one, other = nodes(), nodes().flip(1)
    assert relative(shift @ (one + other), shift @ one + shift @ other) > 1e-3
    for attempt in (lambda: shift.to_dense(), lambda: shift.T):
        with pytest.raises(ValueError, match=r"not linear.*average"):
            attempt()


def test_the_taylor_series_approaches_the_exact_kernel():
    errors = []
    for order in (0, 2, 4, 8):
        torch.manual_seed(0)
        series = TaylorRBF(CHANNELS, 2, order=order, gamma=0.1).double()
        exact = RBF(CHANNELS, 2, gamma=0.1, normalization="none").double()
        exact.load_state_dict(series.state_dict())
        errors.append(relative(series(nodes()).to_dense(), exact(nodes()).to_dense()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-4


@pytest.mark.parametrize("scale", [1e3, 1e12, 1e19, 1e25])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_taylor_series_of_huge_nodes_is_zero(order, scale):
    """``β`` vanishes where powers of the nodes would leave float32."""
    affinity = TaylorRBF(CHANNELS, INNER, order=order, gamma=0.5)
    x = (scale * nodes().float()).requires_grad_()
    dense = affinity(x).to_dense()
    dense.sum().backward()
    assert not dense.any()
    assert all(p.grad.isfinite().all() for p in (x, *affinity.parameters()))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", AFFINITIES)
def test_half_precision_is_finite(name, dtype):
    with torch.autocast("cpu", dtype=dtype):
        shift = AFFINITIES[name].make(CHANNELS, INNER)((10 * torch.randn(1, 24, CHANNELS)).to(dtype), GRID)
    assert shift.dtype == torch.float32
    assert shift.to_dense().isfinite().all()


X = torch.randn(1, 24, CHANNELS)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: DotProduct(4, 2, normalization="symmetric"), "can be negative.*none, mean"),
        (lambda: TaylorRBF(4, 2, normalization="random_walk"), "can be negative"),
        (lambda: EmbeddedGaussian(4, 2, normalization="none"), "overflow.*random_walk, symmetric"),
        (lambda: CrissCross(4, 2, normalization="mean"), "overflow"),
        (lambda: RBF(4, 2, normalization="sym"), "unknown normalization 'sym'; choose one of: none, mean"),
        (lambda: RBF(4, 2, symmetrization="mean"), "unknown symmetrization 'mean'"),
        (lambda: RBF(4, 2, gamma=0.0), "gamma must be positive"),
        (lambda: TaylorRBF(4, 2, gamma=float("inf")), "gamma must be positive and finite"),
        (lambda: EmbeddedGaussian(4, 2, scale=float("nan")), "scale must be finite"),
        (lambda: TaylorRBF(64, 32, order=6), "rank 1,108,378,657.*use RBF"),
        (lambda: EmbeddedGaussian(CHANNELS, 2, sub_sample="max")(X, (2, 3, 2, 2)), "1, 2 or 3 dimensions"),
        (lambda: RBF(4, 2, sub_sample="max"), "RBF has no sub_sample"),
        (lambda: Gaussian(4, scale=-1.0), "scale must be at least 0"),
        (lambda: Gaussian(4, bias=True), "no embedding"),
        (lambda: TaylorRBF(4, 2, order=-1), "order must be at least 0"),
        (lambda: EmbeddedGaussian(4, 2, sub_sample="min"), "unknown pooling 'min'; choose one of: max"),
        (lambda: EmbeddedGaussian(4, 2, sub_sample="max", symmetrization="average"), "rectangular"),
        (lambda: DotProduct(4, 2, sub_sample="max", normalization="none"), "normalization='mean'"),
        (lambda: DotProduct(CHANNELS, 2, sub_sample="max")(X, (24, 1)), "smaller than the pooling window"),
        (lambda: CrissCross(CHANNELS, 2)(X), r"a grid \(H, W\).*\(24,\)"),
        (lambda: CrissCross(CHANNELS, 2)(X, (2, 3, 4)), r"a grid.*\(2, 3, 4\)"),
        (lambda: PyramidAttention(4, 2, sizes=()), "levels of at least 1"),
        (lambda: PositionsAndChannels(0), "groups must be at least 1"),
        (lambda: PositionsAndChannels(3).channels(8, 16), "groups=3 must divide channels=16"),
    ],
)
def test_choices_that_do_not_fit_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("name", AFFINITIES)
def test_misspelt_choices_are_refused(name):
    with pytest.raises(TypeError, match="normalisation"):
        AFFINITIES[name].make(4, 2, normalisation="mean")
    parameters = inspect.signature(AFFINITIES[name].kind).parameters.values()
    assert not [p for p in parameters if p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]


def test_relu_dot_keeps_the_form_that_is_asked():
    dense = ReLUDot(CHANNELS, INNER, form="dense", normalization="random_walk")(X, GRID)
    assert isinstance(dense, DenseShift)
    assert isinstance(ReLUDot(CHANNELS, INNER), PairwiseAffinity)


@pytest.mark.parametrize("name", VANISHING)
@pytest.mark.parametrize("normalization", ["random_walk", "symmetric"])
@pytest.mark.parametrize("faint", [1e-8, 1e-14, 1e-21, 1e-28, 0.0])
def test_faint_nodes_have_finite_values_and_gradients(name, normalization, faint):
    """In float32, where roots and inverses of small degrees come close to overflow."""
    affinity = build(name, "none", normalization).float()
    for scale in (1.0, faint):
        x = scale * nodes().float()
        x[:, 0] *= faint
        x.requires_grad_()
        (affinity(x, GRID) @ torch.ones(1, NODES, 2)).square().sum().backward()
        assert x.grad.isfinite().all()
        assert all(p.grad.isfinite().all() for p in affinity.parameters())


def test_softmax_columns_that_underflow_have_finite_gradients():
    torch.manual_seed(0)
    affinity, x = (
        DoubleSoftmax(6, 4, normalization="symmetric"),
        (100 * torch.randn(1, 64, 6)).requires_grad_(),
    )
    (affinity(x) @ torch.randn(1, 64, 2)).sum().backward()
    assert x.grad.isfinite().all()


def test_a_size_that_does_not_fit_is_named():
    for affinity in (CrissCross(CHANNELS, 2), PyramidAttention(CHANNELS, 2), EmbeddedGaussian(CHANNELS, 2)):
        with pytest.raises(ValueError, match=r"size \(2, 4\) has 8 positions, not 24"):
            affinity(X, (2, 4))


def test_a_signal_on_other_nodes_is_named():
    shift = Concatenation(CHANNELS, 2, normalization="none")(X, GRID)
    with pytest.raises(ValueError, match="25 nodes does not fit a shift of 24"):
        shift(torch.randn(1, 25, 2))
