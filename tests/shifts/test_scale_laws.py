"""Normalised by degrees, a graph does not depend on the scale of its weights: values, gradients, promises."""

import math
from functools import partial

import pytest
import torch

from filters import Chebyshev, Heat
from gsp_nonlocal.affinity import RBF, Concatenation, ReLUDot, relu_dot_shift
from gsp_nonlocal.shifts import SparseShift
from gsp_nonlocal.shifts.degrees import power_below, root_below
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


@pytest.mark.parametrize("normalization", ["sym", "rw", None])
@pytest.mark.parametrize("scale", [2.0**-149, 2.0**-140, 2.0**127])
def test_a_power_of_two_changes_no_bit(normalization, scale):
    """Denormal weights count, and a degree may be beyond float32."""
    pairs, ones = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), torch.ones(4)
    one, other = (
        SparseShift.from_edge_index(pairs, w, normalization=normalization) for w in (ones, scale * ones)
    )
    assert torch.equal(one.values, other.values)


@pytest.mark.parametrize("normalization", ["sym", "rw"])
@pytest.mark.parametrize("scale", SCALES)
def test_directed_edges(scale, normalization):
    pairs, weights = edges()
    pairs, weights = pairs[:, ::3], weights[::3]
    make = partial(SparseShift.from_edge_index, pairs, num_nodes=NODES, normalization=normalization)
    assert_scale_free(lambda w: make(w), weights, torch.full_like(weights, scale), signal())


@pytest.mark.parametrize("scales", [(1.0, 1e-27), (1e-30, 1e30)])
def test_graphs_of_a_batch_have_each_their_own_unit(scales):
    pairs, weights = edges()
    both = torch.cat([pairs, pairs + NODES], dim=1)
    batch = torch.arange(2 * NODES) // NODES
    scaled = torch.cat([scale * weights for scale in scales]).float()
    one, other = (
        SparseShift.from_edge_index(both, w, normalization=None, batch=batch).to_dense()
        for w in (weights.repeat(2), scaled)
    )
    assert relative(other.double(), one) < 1e-6


@pytest.mark.parametrize("normalization", ["sym", "rw", None])
@pytest.mark.parametrize("lambda_max", [None, 2.0])
def test_a_graph_without_edges(normalization, lambda_max):
    """``L = I`` where normalised, else 0; without ``λ_max`` the normalised adjacency is 0."""
    none = torch.empty(2, 0, dtype=torch.long)
    shift = SparseShift.from_edge_index(none, None, 3, normalization, lambda_max)
    assert torch.equal(shift.to_dense()[0], torch.eye(3) * (normalization is None))


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


def parts(great, small):
    """Features of two components, 8 and 4 nodes, that share none; their last nodes are isolated."""
    values = signal(8)
    values[:, :8, [2, 3, 6, 7]] = values[:, 8:, [0, 1, 4, 5]] = -1.0
    values[:, [7, 11]] = -1.0
    scales = torch.tensor([great] * 8 + [small] * 4, dtype=torch.float64).view(1, -1, 1)
    return values, scales.expand_as(values)


@pytest.mark.parametrize("form", ["low_rank", "dense"])
@pytest.mark.parametrize("scales", [(1.0, 1e-15), (1.0, 1e-30), (1e20, 1e-17), (1e-30, 1.0), (1e37, 1.0)])
def test_components_of_the_spectral_block(form, scales):
    """Each is what it is alone, and not lost beside a greater one: in values and in gradients."""
    features, both = parts(*scales)
    truth, slope = outcome(lambda e: relu_dot_shift(e, "dense"), features, signal())
    found = outcome(lambda e: relu_dot_shift(e, form), (features * both).float(), signal().float())
    for part in (slice(0, 8), slice(8, 12)):
        assert relative(found[0][:, part].double(), truth[:, part]) < 2e-6
        assert relative((found[1].double() * both)[:, part], slope[:, part]) < 2e-5
    assert (found[0][:, [7, 11]] == 0).all()


@pytest.mark.parametrize("form", ["low_rank", "dense"])
def test_features_at_the_end_of_the_numbers(form):
    """Sums of columns are beyond float32."""
    features = signal(8).clamp(-1, 1)
    assert_scale_free(lambda e: relu_dot_shift(e, form), features, torch.tensor(3e38).double(), signal())


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


def both_ways(*ends):
    return torch.cat([torch.tensor(ends).T, torch.tensor(ends).T.flip(0)], dim=1)


SPECTRA = {
    "star": both_ways(*((0, i) for i in range(1, 400))),
    "ring": both_ways(*((i, (i + 1) % 300) for i in range(300))),
    "path and star": both_ways(*((i, i + 1) for i in range(299)), *((300, i) for i in range(301, 306))),
}


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("weight", [1e-40, 1e-21, 1.0, 1e30])
@pytest.mark.parametrize("below", [None, 0.0, 5e-6])
def test_no_eigenvalue_is_below_the_bound(name, weight, below):
    """Nor where a given ``λ_max`` is rounded down."""
    pairs = SPECTRA[name]
    weights = torch.linspace(0.5, 1, pairs.shape[1] // 2).repeat(2) * weight
    make = partial(SparseShift.from_edge_index, pairs, weights, normalization=None)
    if below is not None:
        laplacian = torch.zeros(400, 400).double().index_put(tuple(pairs), -weights.double())
        laplacian = laplacian - laplacian.sum(1).diag()
        top = torch.linalg.eigvalsh(laplacian / weight)[-1] * weight
        make = partial(make, lambda_max=top * (1 - below))
    eigenvalues = torch.linalg.eigvalsh(make().to_dense().double())[0]
    assert -1 <= eigenvalues[0] <= -1 + 2e-6
    assert eigenvalues[-1] <= 1 + 2e-7


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


@pytest.mark.parametrize("scale", [1.0, 1e4, 1e8, 1e12])
@pytest.mark.parametrize("normalization", RBF.normalizations)
@pytest.mark.parametrize("symmetrization", ["none", "average"])
def test_weights_of_distances_stay_below_1_where_rounding_is_greater(scale, normalization, symmetrization):
    """``exp(−γ d²)`` with the rounding of ``‖x‖²`` in place of ``d²``: at most 1, with finite gradients."""
    affinity = RBF(3, 2, normalization=normalization, symmetrization=symmetrization)
    with torch.no_grad():
        affinity.theta_phi.weight[2:] = affinity.theta_phi.weight[:2]  # so that distances of 0 exist
    x = (scale * signal(channels=3)).float().requires_grad_()
    shift = affinity(x)
    ones = torch.ones(1, NODES, 1)
    for one in (shift, shift.T, shift.to(torch.float64).to(torch.float32)):
        dense = one.to_dense()
        assert float(dense.detach().min()) >= 0 and float(dense.detach().max()) <= 1 + 1e-6
        assert float((one @ ones).detach().max()) <= NODES + 1e-4
        gradient = torch.autograd.grad((one @ ones).sum() + dense.sum(), x, retain_graph=True)[0]
        assert gradient.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_powers_of_two_are_those_of_the_logarithm(dtype):
    kind = torch.finfo(dtype)
    x = torch.logspace(math.log2(kind.tiny), math.log2(kind.max), 401, 2, dtype=torch.float64)[:-1].to(dtype)
    exponents = torch.frexp(x.double()).exponent - 1
    assert torch.equal(power_below(x).double(), torch.exp2(exponents.double()))
    assert torch.equal(root_below(x).double(), torch.exp2((exponents.double() / 2).floor()))
    assert root_below(x.new_zeros(1)) == power_below(x.new_zeros(1)) == 1
