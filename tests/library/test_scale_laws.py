"""Normalised by degrees, a graph does not depend on the scale of its weights: values, gradients, promises."""

from functools import partial

import pytest
import torch

from filters import Chebyshev, Heat
from gsp_nonlocal.affinity import Concatenation, ReLUDot, relu_dot_shift
from gsp_nonlocal.shifts import SparseShift
from tests.cases.signals import edges, relative, signal

SCALES = [1e-36, 1e-30, 1e-20, 1e-12, 1e-6, 1.0, 1e12, 1e20, 1e30]
NODES = 12


def outcome(shift_of, values, z):
    """``S z`` and the gradient of a weighted sum of it in what the graph is made of."""
    values = values.clone().requires_grad_()
    y = shift_of(values) @ z
    weight = torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view_as(y)
    return y.detach(), torch.autograd.grad((y * weight).sum(), values)[0]


def assert_scale_free(shift_of, values, scales, z):
    """In float32, at any scales of the values, against float64 at scale 1."""
    truth, slope = outcome(shift_of, values, z)
    y, grad = outcome(shift_of, (values * scales).float(), z.float())
    assert relative(y.double(), truth) < 2e-6
    assert grad.isfinite().all()
    assert relative(grad.double() * scales, slope) < 2e-5


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("normalization", ["sym", "rw"])
def test_edges(scale, normalization):
    pairs, weights = edges()
    make = partial(SparseShift.from_edge_index, pairs, num_nodes=NODES, normalization=normalization)
    assert_scale_free(lambda w: make(w), weights, torch.full_like(weights, scale), signal())


@pytest.mark.parametrize("normalization", ["sym", "rw"])
@pytest.mark.parametrize("scales", [(1.0, 1e-26), (1e30, 1e-30), (1e-36, 1e36)])
def test_components_of_unlike_scales(normalization, scales):
    """Two triangles without an edge between them: each is what it is alone."""
    ring = torch.tensor([[0, 1, 2, 1, 2, 0], [1, 2, 0, 0, 1, 2]])
    pairs = torch.cat([ring, ring + 3], dim=1)
    weights = torch.tensor([1.0, 0.3, 0.7, 1.0, 0.3, 0.7] * 2, dtype=torch.float64)
    make = partial(SparseShift.from_edge_index, pairs, num_nodes=6, normalization=normalization)
    both = torch.tensor(scales, dtype=torch.float64).repeat_interleave(6)
    assert_scale_free(lambda w: make(w), weights, both, signal(nodes=6))


@pytest.mark.parametrize("normalization", ["sym", "rw"])
def test_an_edge_alone_has_weight_one_and_gradient_zero(normalization):
    pairs = torch.tensor([[0, 1, 2, 3], [1, 0, 3, 2]])
    raw = torch.tensor([0.0, 0.0, -62.0, -62.0], requires_grad=True)
    shift = SparseShift.from_edge_index(pairs, raw.sigmoid(), normalization=normalization)
    assert (shift.values - 1).abs().max() < 1e-6
    (shift @ signal(nodes=4).float()).square().sum().backward()
    assert raw.grad.abs().max() < 1e-5


def factors(scale, other):
    return torch.cat([torch.full((1, 1, 4), scale), torch.full((1, 1, 4), other)], dim=-1).double()


@pytest.mark.parametrize("form", ["low_rank", "dense"])
@pytest.mark.parametrize("scale", SCALES[1:])
@pytest.mark.parametrize("other", [None, 1.0])
def test_the_affinity_of_the_spectral_block(form, scale, other):
    """Embeddings of one scale, and a query of one with a key of another."""
    scales = factors(scale, scale if other is None else other)
    assert_scale_free(lambda e: relu_dot_shift(e, form), signal(8), scales, signal())


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e20, 1e30])
@pytest.mark.parametrize("normalization", ["random_walk", "symmetric"])
@pytest.mark.parametrize("symmetrization", ["none", "average"])
@pytest.mark.parametrize("kind", [partial(ReLUDot, form="dense"), ReLUDot, Concatenation])
def test_affinities(kind, symmetrization, normalization, scale):
    torch.manual_seed(1)
    affinity = kind(4, 3, symmetrization=symmetrization, normalization=normalization).double()
    single = kind(4, 3, symmetrization=symmetrization, normalization=normalization)
    single.load_state_dict(affinity.state_dict())
    choose = lambda x: (affinity if x.dtype == torch.float64 else single)(x, (3, 4))  # noqa: E731
    assert_scale_free(choose, signal(seed=5), torch.tensor(scale).double(), signal())


def test_samples_of_a_batch_are_scaled_each_by_itself():
    values = signal(8) * torch.tensor([1.0, 1e-25], dtype=torch.float64).view(2, 1, 1)
    whole = relu_dot_shift(values.float(), "low_rank") @ signal().float()
    alone = relu_dot_shift(values[1:].float(), "low_rank") @ signal()[1:].float()
    assert relative(whole[1:], alone) < 1e-6


DIRECTED = {
    "faint cycle beside a pair": (
        [[0, 1, 2, 3, 4, 3, 4, 2], [1, 0, 3, 4, 2, 2, 3, 4]],
        [1, 1, 3e-6, 3e-6, 3e-6, 1e-6, 1e-6, 1e-6],
    ),
    "fainter": ([[0, 1, 2, 3, 4, 3, 4, 2], [1, 0, 3, 4, 2, 2, 3, 4]], [1, 1, *[3e-30] * 3, *[1e-30] * 3]),
    "faint edge without a reverse": ([[0, 1, 2], [1, 0, 3]], [1, 1, 1e-30]),
    "one weight off by 1e-4": ([[0, 1, 1, 2], [1, 0, 2, 1]], [1, 1, 1, 1.0001]),
    "duplicates that do not add up": ([[0, 0, 1], [1, 1, 0]], [0.5, 0.4, 1]),
}
UNDIRECTED = {
    "scales mixed": ([[0, 1, 2, 3], [1, 0, 3, 2]], [1e20, 1e20, 1e-20, 1e-20]),
    "off by one unit of rounding": ([[0, 1], [1, 0]], [0.3, 0.3 * (1 + 2**-23)]),
    "duplicates that add up": ([[0, 0, 1], [1, 1, 0]], [0.5, 0.25, 0.75]),
    "reverses of weight 0": ([[0], [1]], [0.0]),
    "loops": ([[0, 0, 1], [0, 1, 0]], [3.0, 1.0, 1.0]),
}


@pytest.mark.filterwarnings("ignore:the graph has")
@pytest.mark.parametrize("graph", [*DIRECTED, *UNDIRECTED])
@pytest.mark.parametrize("normalization", ["sym", None])
def test_a_graph_is_judged_edge_by_edge(graph, normalization):
    pairs, weights = {**DIRECTED, **UNDIRECTED}[graph]
    shift = SparseShift.from_edge_index(
        torch.tensor(pairs),
        torch.tensor(weights),
        5,
        normalization,
        lambda_max=None if normalization else 1e25,
    )
    assert shift.is_symmetric == (graph in UNDIRECTED)
    if graph in DIRECTED:
        with pytest.raises(ValueError, match="symmetric"):
            Heat(1.0)(torch.ones(1, 5, 1), shift)


@pytest.mark.parametrize("weight", [1e-38, 1e-30, 1e-21, 1e-6, 1.0, 1e6, 1e21, 1e30])
@pytest.mark.parametrize("nodes", [5, 200, 500])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_computed_bound_is_one(weight, nodes, dtype):
    """A path: ``λ_max`` of ``D − A`` is ``2 (1 + cos(π / N)) w``; ``μ = −1`` is reached, and not passed."""
    ends = torch.arange(nodes - 1)
    pairs = torch.stack([torch.cat([ends, ends + 1]), torch.cat([ends + 1, ends])])
    weights = torch.full((2 * nodes - 2,), weight, dtype=dtype)
    shift = SparseShift.from_edge_index(pairs, weights, normalization=None)
    eigenvalues = torch.linalg.eigvalsh(shift.to_dense().double())
    assert shift.spectral_bound == 1.0
    assert eigenvalues.abs().max() <= 1 + 4 * torch.finfo(dtype).eps
    assert abs(eigenvalues.min() + 1) < 1e-5


@pytest.mark.filterwarnings("ignore:the graph has")
@pytest.mark.parametrize("loop", [1e-7, 1.0, 1e7, 1e20])
@pytest.mark.parametrize("normalization", [None, "sym", "rw"])
@pytest.mark.parametrize("lambda_max", [None, 2.0])
def test_a_loop_beside_faint_edges(loop, normalization, lambda_max):
    """``D − A`` has no loops: its diagonal is the sum of a node's edges to others."""
    pairs, weights = (
        torch.tensor([[0, 1, 1, 2, 1], [1, 0, 2, 1, 1]]),
        torch.tensor([1.0, 1.0, 0.5, 0.5, loop]),
    )
    given = None if lambda_max is None else (3.1 if normalization is None else 2.0)
    make = partial(SparseShift.from_edge_index, pairs, normalization=normalization, lambda_max=given)
    z = signal(nodes=3)
    single = Chebyshev(4, 4, order=1).double()
    exact, found = make(weights.double()), make(weights)
    assert relative(found.to_dense().double(), exact.to_dense()) < 1e-6
    assert relative(single(z, found), single(z, exact)) < 1e-6
    if normalization is None:
        dense = torch.diag(torch.tensor([1.0, 1.5, 0.5])).double() - torch.tensor(
            [[0, 1, 0], [1, 0, 0.5], [0, 0.5, 0]], dtype=torch.float64
        )
        top = torch.linalg.eigvalsh(dense)[-1] if given is None else given
        assert relative(exact.to_dense()[0], torch.eye(3).double() - 2 * dense / top) < 1e-6
