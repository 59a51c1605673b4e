"""Signals made smoother: against dense formulas, and total variation against its optimality."""

from functools import partial

import pytest
import torch
from torch.autograd import gradcheck
from torch_geometric.data import Data

from gsp_nonlocal.affinity import relu_dot_shift
from gsp_nonlocal.shifts import LowRankShift, SparseShift
from gsp_nonlocal.signals import denoise, div, grad, interpolate
from tests.cases.shifts import SHIFTS
from tests.cases.signals import NODES, features, relative, signal
from tests.signals.made import GRAPHS, combinatorial, laplacian, matrix_of, ring, some_graph

ORACLES = {
    "tikhonov": lambda system, strength: torch.linalg.inv(torch.eye(NODES).double() + strength * system),
    "heat": lambda system, strength: torch.matrix_exp(-strength * system),
}
methods = pytest.mark.parametrize("method", ORACLES)
SETTINGS = pytest.mark.parametrize("normalization", [None, "sym"])


@pytest.mark.parametrize("strength", [0.01, 1.0, 30.0])
@methods
@pytest.mark.parametrize("graph", GRAPHS)
def test_it_is_the_dense_formula(graph, method, strength):
    shift, z = SHIFTS[graph](), signal()
    assert (
        relative(denoise(z, shift, method, strength), ORACLES[method](laplacian(shift), strength) @ z) < 1e-9
    )


@methods
def test_low_rank_is_dense_and_nodes_have_no_order(method):
    z, order = signal(), torch.randperm(NODES, generator=torch.Generator().manual_seed(0))
    low, dense = (denoise(z, relu_dot_shift(features(), form), method) for form in ("low_rank", "dense"))
    assert relative(low, dense) < 1e-12
    assert (
        relative(
            denoise(z[:, order], relu_dot_shift(features()[:, order], "low_rank"), method), low[:, order]
        )
        < 1e-12
    )


@methods
def test_single_precision(method):
    shift, z = SHIFTS["low-rank"](), signal()
    found = denoise(z.float(), shift.to(torch.float32), method)
    assert found.dtype == torch.float32 and relative(found.double(), denoise(z, shift, method)) < 1e-5
    assert denoise(z.float(), shift, method).dtype == torch.float64


@methods
def test_gradients(method):
    inputs = signal(channels=1, batch=1).requires_grad_(), (features(batch=1, rank=2) / 5).requires_grad_()
    assert gradcheck(lambda z, factor: denoise(z, LowRankShift(factor), method, 0.8), inputs)


@pytest.mark.parametrize("strength", [0.02, 0.3, 2.0])
@pytest.mark.parametrize("graph", [some_graph, ring, lambda: combinatorial(some_graph())])
def test_less_variation_is_optimal(graph, strength):
    """``z − y = ∇ᵀp`` for a ``p`` of ``|p| ≤ γ``, equal to ``γ sign ∇y`` where ``∇y ≠ 0``."""
    graph, z = graph(), signal(channels=2)
    y = denoise(z, graph, "tv", strength)
    steep = grad(y, graph)
    fixed = steep.abs() > 1e-9
    left = z - y - strength * div(steep.sign() * fixed, graph)
    matrix = grad(torch.eye(NODES, dtype=torch.float64)[None], graph)[0]
    for index in range(2):
        for channel in range(2):
            free = ~fixed[index, :, channel]
            p = torch.linalg.lstsq(matrix[free].T, left[index, :, channel], driver="gelsd").solution
            assert (matrix[free].T @ p - left[index, :, channel]).abs().max() < 1e-10
    smaller = min(_objective(y + 1e-3 * signal(channels=2, seed=s), z, graph, strength) for s in range(20))
    assert _objective(y, z, graph, strength) < smaller


def _objective(y, z, graph, strength):
    return float(0.5 * (y - z).square().sum() + strength * grad(y, graph).abs().sum())


def test_much_variation_taken_away_leaves_means():
    graph, z = ring(), signal()
    assert relative(denoise(z, graph, "tv", 1e3), z.mean(dim=1, keepdim=True).expand_as(z)) < 1e-12
    assert denoise(torch.zeros_like(z), graph, "tv").abs().max() == 0


def test_a_jump_is_kept():
    """On a path ``(0, 0, 1, 1)`` both halves move by ``γ / 2``."""
    path = Data(edge_index=torch.tensor([[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]]), num_nodes=4)
    z = torch.tensor([0.0, 0.0, 1.0, 1.0]).view(1, 4, 1)
    assert torch.allclose(denoise(z, path, "tv", 0.2).flatten(), torch.tensor([0.1, 0.1, 0.9, 0.9]))


def test_gradients_of_less_variation():
    graph, z = ring(6), signal(channels=1, nodes=6, batch=1).requires_grad_()
    weight = graph.edge_weight[:6].clone().requires_grad_()

    def cleaned(z, weight):
        other = Data(edge_index=graph.edge_index, edge_weight=weight.repeat(2), num_nodes=6)
        return denoise(z, other, "tv", 0.3)

    assert gradcheck(cleaned, (z, weight))


@SETTINGS
def test_differences_are_the_root_of_the_laplacian(normalization):
    graph, z = ring(), signal()
    shift = SparseShift.from_edge_index(graph.edge_index, graph.edge_weight, NODES)
    expected = (matrix_of(graph) if normalization is None else laplacian(shift)) @ z
    steep = grad(z, graph, normalization)
    assert relative(div(steep, graph, normalization), expected) < 1e-12
    assert relative(steep.square().sum(), (z * expected).sum()) < 1e-12
    edges = torch.randn_like(steep)
    assert torch.allclose((edges * steep).sum(), (z * div(edges, graph, normalization)).sum())


def test_differences_of_a_shift_are_those_of_its_laplacian():
    shift, z = combinatorial(some_graph()), signal()
    assert relative(div(grad(z, shift), shift), laplacian(shift) @ z) < 1e-12


def test_loops_and_duplicates():
    """A loop has no difference but a degree; duplicates add up."""
    places = torch.tensor([[0, 1, 0, 1, 2, 1, 0], [1, 0, 1, 0, 1, 2, 0]])
    graph = Data(
        edge_index=places, edge_weight=torch.arange(1, 8).double()[[0, 0, 1, 1, 2, 2, 3]], num_nodes=3
    )
    z = torch.tensor([[[1.0], [2.0], [4.0]]], dtype=torch.float64)
    assert torch.allclose(grad(z, graph).flatten(), torch.tensor([3.0, 12.0]).double().sqrt())
    with pytest.warns(UserWarning, match="self-loops"):
        shift = SparseShift.from_edge_index(graph.edge_index, graph.edge_weight, 3)
    expected = z - shift @ z
    assert relative(div(grad(z, graph, "sym"), graph, "sym"), expected) < 1e-12


ONE_WAY = Data(edge_index=torch.tensor([[0, 1], [1, 2]]), num_nodes=NODES)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (partial(denoise, shift=ring(), method="TV"), ValueError, "unknown method 'TV'; choose one of"),
        (partial(denoise, shift=torch.eye(NODES), strength=-1.0), ValueError, "strength must be .*-1"),
        (partial(denoise, shift=ring(), method="tv", strength=0.0), ValueError, "strength must be"),
        (partial(denoise, shift=ring(), method="tv", tolerance=0.0), ValueError, "tolerance must be"),
        (partial(denoise, shift=ring()), TypeError, "takes a shift, got Data; use SparseShift"),
        (partial(denoise, shift=torch.eye(NODES).roll(1, 0)), ValueError, "symmetric_part"),
        (partial(denoise, shift=torch.eye(5)), ValueError, "does not fit a shift of 5 nodes"),
        (
            partial(denoise, shift=torch.eye(NODES), method="tv"),
            TypeError,
            "DenseShift keeps no list of edges",
        ),
        (partial(denoise, shift=SHIFTS["sparse"](), method="tv"), ValueError, "no combinatorial Laplacian"),
        (partial(denoise, shift=ONE_WAY, method="tv"), ValueError, "the graph is directed"),
        (partial(denoise, shift=ring(5), method="tv"), ValueError, r"shape \(B, 5, C\)"),
        (lambda z: denoise(z / 0 * 0, ring(), "tv"), ValueError, "NaN or infinite, first at"),
        (lambda z: denoise(z.int(), ring(), "tv"), TypeError, "real floating-point"),
        (lambda z: grad(z, ring(), "rw"), ValueError, "choose normalization None or 'sym'"),
        (lambda z: grad(z, combinatorial(ring()), "sym"), ValueError, "a shift has its own"),
        (lambda z: grad(z, "ring"), TypeError, "graph is PyG's Data"),
        (lambda z: grad(z, Data(edge_index=ring().edge_index, edge_attr=z)), ValueError, "no edge_weight"),
        (lambda z: div(z[:, :3], ring()), ValueError, "a signal of edges has shape"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call(signal())


def lattice(size: int, normalization=None) -> SparseShift:
    nodes = torch.arange(size**2).view(size, size)
    pairs = [(nodes[:, 1:], nodes[:, :-1]), (nodes[1:], nodes[:-1])]
    edges = torch.cat([torch.stack([a.flatten(), b.flatten()]) for a, b in pairs], 1)
    edges = torch.cat([edges, edges.flip(0)], 1)
    weights = torch.ones(edges.shape[1], dtype=torch.float64)
    return SparseShift.from_edge_index(edges, weights, size**2, normalization)


@pytest.mark.parametrize("strength", [1e-9, 1.0, 1e5, 1e6, 1e9])
def test_any_strength_on_edges_is_solved_to_rounding(strength):
    shift = lattice(8)
    z = torch.randn(1, 64, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    system = (1 + strength) * torch.eye(64, dtype=torch.float64) - strength * shift.to_dense()
    expected = torch.linalg.solve(system, z)
    assert relative(denoise(z, shift, "tikhonov", strength), expected) < 1e-13 * (1 + strength) + 1e-12
    values = shift.values.clone().requires_grad_()
    found = denoise(z, shift.mapped(lambda part: values), "tikhonov", strength)
    (gradient,) = torch.autograd.grad(found.square().sum(), values)
    dense = torch.zeros(64, 64, dtype=torch.float64)
    dense[shift.pattern.target(), shift.pattern.columns] = shift.values
    dense.requires_grad_()
    solved = torch.linalg.solve((1 + strength) * torch.eye(64, dtype=torch.float64) - strength * dense, z)
    (by_entry,) = torch.autograd.grad(solved.square().sum(), dense)
    by_entry = (by_entry + by_entry.mT)[shift.pattern.target(), shift.pattern.columns] / 2
    both = torch.zeros(64, 64, dtype=torch.float64)
    both[shift.pattern.target(), shift.pattern.columns] = gradient
    gradient = ((both + both.mT) / 2)[shift.pattern.target(), shift.pattern.columns]
    assert relative(gradient, by_entry) < 1e-11 * (1 + strength) + 1e-10


@pytest.mark.parametrize("size", [1e-200, 1e155, 1e300])
def test_signals_of_any_size_on_edges(size):
    shift, z = lattice(4), torch.randn(1, 16, 2, dtype=torch.float64)
    expected = denoise(z, shift)
    assert relative(denoise(z * size, shift) / size, expected) < 1e-11
    mask = torch.arange(16) % 3 == 0
    filled = interpolate(z, mask, shift)
    assert relative(interpolate(z * size, mask, shift) / size, filled) < 1e-9


def test_a_loop_greater_than_the_degree():
    edges = torch.tensor([[0, 1, 1, 2, 0], [1, 0, 2, 1, 0]])
    weights = torch.tensor([0.4, 0.4, 0.3, 0.3, 2.0], dtype=torch.float64)
    order = torch.argsort(edges[1] * 3 + edges[0])
    rows = torch.tensor([0, 2, 4, 5])
    shift = SparseShift(rows, edges[0][order], weights[order], is_symmetric=True)
    z = torch.randn(1, 3, 2, dtype=torch.float64)
    expected = torch.linalg.solve(2 * torch.eye(3, dtype=torch.float64) - shift.to_dense(), z)
    assert relative(denoise(z, shift, strength=1.0), expected) < 1e-11
