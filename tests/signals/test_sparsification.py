"""Graphs of fewer edges: against the inverse Laplacian, over many seeds, and by energies."""

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from gsp_nonlocal import graphs
from gsp_nonlocal.signals import sparsify
from gsp_nonlocal.signals.differences import combinatorial_laplacian, weighted_edges
from gsp_nonlocal.signals.sparsification import effective_resistances
from tests.cases.signals import NODES, relative
from tests.signals.made import combinatorial, matrix_of, ring, some_graph

F64 = {"dtype": torch.float64}


def dense_graph(nodes=40):
    """All pairs, with weights that differ."""
    graph = graphs.complete(nodes, **F64)
    low, high = graph.edge_index.min(0).values, graph.edge_index.max(0).values
    graph.edge_weight = 0.1 + (1.0 + low + 3 * high).double().sin().square()
    return graph


GRAPHS = {"ring": ring, "with isolated nodes": some_graph, "all pairs": dense_graph}
every = pytest.mark.parametrize("graph", GRAPHS)


@every
@pytest.mark.parametrize("at_once", [3, 1024])
def test_resistances_are_those_of_the_inverse(graph, at_once, monkeypatch):
    monkeypatch.setattr("gsp_nonlocal.signals.sparsification._AT_ONCE", at_once)
    edges = weighted_edges(GRAPHS[graph]())
    laplacian = combinatorial_laplacian(edges)
    inverse = torch.linalg.pinv(torch.from_numpy(laplacian.toarray()), hermitian=True)
    first, second = edges.first, edges.second
    expected = inverse[first, first] + inverse[second, second] - 2 * inverse[first, second]
    found = torch.from_numpy(effective_resistances(edges, laplacian))
    assert relative(found, expected) < 1e-10
    rank = int(torch.linalg.matrix_rank(inverse, hermitian=True))
    assert float(found @ edges.weight) == pytest.approx(rank)  # Foster (1949)


@every
def test_weights_are_unbiased(graph):
    graph, draws, seeds = GRAPHS[graph](), 30, 400
    edges = weighted_edges(graph)
    laplacian = combinatorial_laplacian(edges)
    share = effective_resistances(edges, laplacian) * edges.weight.numpy()
    share = torch.from_numpy(share / share.sum())
    mean = sum(matrix_of(sparsify(graph, samples=draws, seed=seed).graph) for seed in range(seeds)) / seeds
    spread = edges.weight * ((1 - share) / (share * draws * seeds)).sqrt()
    off = (mean + torch.from_numpy(laplacian.toarray()).neg())[edges.first, edges.second]
    assert (off.abs() <= 4.5 * spread).all() and (off.abs() > 0.1 * spread).any()


@every
@pytest.mark.parametrize("epsilon", [0.2, 0.5, 0.9])
def test_energies_are_within_epsilon(graph, epsilon):
    graph = GRAPHS[graph]()
    found = sparsify(graph, epsilon, seed=1)
    values, vectors = torch.linalg.eigh(matrix_of(graph))
    kept = values > 1e-9
    half = vectors[:, kept] / values[kept].sqrt()
    ratios = torch.linalg.eigvalsh(half.T @ matrix_of(found.graph) @ half)
    assert 1 - epsilon <= ratios.min() and ratios.max() <= 1 + epsilon
    assert found.components == found.components_before == len(values) - kept.sum()


def test_fewer_edges_are_left_and_parts_are_told():
    graph = dense_graph()
    found = sparsify(graph, samples=200, seed=3)
    assert found.samples == 200 and 0 < found.graph.num_edges <= 400 < graph.num_edges
    few = sparsify(graph, samples=10, seed=3)
    count = np.linalg.matrix_rank(matrix_of(few.graph).numpy())
    assert few.components == 40 - count > few.components_before == 1


def test_the_graph_keeps_what_its_nodes_have_and_is_of_the_same_seed():
    graph = graphs.sensor(30, 6, seed=2, **F64)
    graph.edge_attr = torch.zeros(graph.num_edges, 2)
    state = torch.get_rng_state(), np.random.get_state()[1].copy()
    first, again, other = (sparsify(graph, samples=90, seed=seed).graph for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state[0]) and np.array_equal(np.random.get_state()[1], state[1])
    assert torch.equal(first.pos, graph.pos) and first.num_nodes == 30 and first.edge_attr is None
    assert torch.equal(first.edge_index, again.edge_index)
    assert torch.equal(first.edge_weight, again.edge_weight)
    assert not torch.equal(first.edge_index, other.edge_index)
    assert first.is_coalesced() and first.is_undirected() and graph.edge_attr is not None


def test_gradients_are_those_of_what_was_drawn():
    graph = ring()
    weight = graph.edge_weight[:NODES].clone().requires_grad_()
    graph.edge_weight = weight.repeat(2)
    found = sparsify(graph, samples=8).graph.edge_weight
    (slope,) = torch.autograd.grad(found.sum(), weight)
    assert torch.allclose((slope * weight).sum(), found.sum()) and (slope == 0).any()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        *(
            (lambda e=e: sparsify(ring(), e), ValueError, "epsilon is the greatest relative error.*got")
            for e in (0.0, 1.0, -0.5, 2)
        ),
        (lambda: sparsify(ring(), float("nan")), ValueError, "epsilon must be finite"),
        (lambda: sparsify(ring(), "small"), TypeError, "epsilon must be a real number"),
        (lambda: sparsify(ring(), samples=0), ValueError, "samples must be at least 1, got 0"),
        (lambda: sparsify(ring(), samples=2.5), TypeError, "samples must be an integer"),
        (lambda: sparsify(ring(), seed=-1), ValueError, "seed must be at least 0"),
        (lambda: sparsify(combinatorial(ring())), TypeError, "graph is PyG's Data, got a SparseShift"),
        (lambda: sparsify("ring"), TypeError, "graph is PyG's Data"),
        (
            lambda: sparsify(Data(edge_index=torch.tensor([[0, 1, 1], [1, 0, 2]]), num_nodes=3)),
            ValueError,
            "the graph is directed",
        ),
        (
            lambda: sparsify(Data(edge_index=torch.zeros(2, 0, dtype=torch.int64), num_nodes=3)),
            ValueError,
            "the graph has no edge to draw",
        ),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
