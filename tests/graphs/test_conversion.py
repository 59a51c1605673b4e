"""Graphs of NetworkX, SciPy and PyGSP: they come over whole, and go back."""

from types import SimpleNamespace

import networkx
import numpy as np
import pytest
import torch
from scipy import sparse
from torch_geometric.data import Data

from gsp_nonlocal import graphs
from tests.cases.graphs import GRAPHS, made

F64 = {"dtype": torch.float64}


def same(first, second, keys=("edge_index", "edge_weight")):
    return first.num_nodes == second.num_nodes and all(torch.equal(first[key], second[key]) for key in keys)


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_comes_back_from_scipy(name):
    graph = made(name)
    assert same(graph, graphs.from_scipy(graphs.to_scipy(graph), **F64))


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_comes_back_from_networkx(name):
    graph = made(name)
    back = graphs.from_networkx(graphs.to_networkx(graph), **F64)
    assert same(graph, back) and (graph.pos is None or torch.equal(graph.pos, back.pos))


@pytest.mark.parametrize("form", ["coo", "csr", "csc", "lil", "dok", "bsr", "dia"])
def test_every_format_is_taken(form):
    W = np.array([[0, 0.5, 0], [0.5, 0, 2], [0, 2, 0]])
    graph = graphs.from_scipy(sparse.csr_array(W).asformat(form), **F64)
    assert torch.equal(graph.edge_index, torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]))
    assert graph.edge_weight.tolist() == [0.5, 0.5, 2, 2]


@pytest.mark.parametrize("dtype", [bool, np.int32, np.uint8, np.float32])
def test_every_real_type_is_taken(dtype):
    graph = graphs.from_scipy(sparse.csr_matrix(np.eye(3, dtype=dtype)[::-1]), **F64)
    assert graph.edge_weight.tolist() == [1, 1, 1]


def test_duplicates_add_up_zeros_vanish_self_loops_stay():
    parts = ([1.0, 2.0, 3.0, 0.0, 0.0, 5.0], ([0, 0, 1, 1, 2, 2], [1, 1, 0, 2, 1, 2]))
    graph = graphs.from_scipy(sparse.coo_array(parts, shape=(4, 4)), **F64)
    assert graph.edge_index.tolist() == [[0, 1, 2], [1, 0, 2]] and graph.edge_weight.tolist() == [3, 3, 5]
    assert graph.num_nodes == 4


def test_entries_that_differ_by_rounding_become_equal():
    W = sparse.csr_array(np.array([[0.0, 0.1 + 0.2], [0.3, 0.0]]))
    weight = graphs.from_scipy(W, **F64).edge_weight
    assert weight[0] == weight[1] and abs(weight[0] - 0.3) < 1e-15


def test_nodes_of_networkx_are_numbered_in_their_order():
    graph = networkx.MultiGraph()
    graph.add_node("c", pos=(0.0, 1.0))
    graph.add_node("a", pos=(2.0, 3.0))
    graph.add_edge("a", "c", weight=2.0)
    graph.add_edge("a", "c")
    found = graphs.from_networkx(graph, **F64)
    assert found.edge_index.tolist() == [[0, 1], [1, 0]] and found.edge_weight.tolist() == [3, 3]
    assert found.pos.tolist() == [[0, 1], [2, 3]]
    assert graphs.from_networkx(graph, "length", **F64).edge_weight.tolist() == [2, 2]
    graph.add_node("b")
    assert graphs.from_networkx(graph).pos is None


def test_a_batch_is_a_matrix_of_blocks():
    batch = graphs.feature_map(torch.rand(2, 3, 4, 4, **F64), 3)
    blocks = [graphs.to_scipy(part).toarray() for part in batch.to_data_list()]
    assert np.array_equal(graphs.to_scipy(batch).toarray(), sparse.block_diag(blocks).toarray())


def test_graphs_that_need_gradients_go_over():
    points = torch.rand(6, 2, requires_grad=True)
    graph = graphs.nearest_neighbours(points, 2)
    assert graphs.to_networkx(graph).number_of_edges() == graph.num_edges // 2
    assert graphs.to_scipy(Data(edge_index=graph.edge_index, num_nodes=6)).max() == 1


def test_any_object_with_weights_is_a_graph_of_pygsp():
    ring = graphs.ring(5, **F64)
    made_elsewhere = SimpleNamespace(W=graphs.to_scipy(ring), coords=ring.pos.numpy())
    assert same(graphs.from_pygsp(made_elsewhere, **F64), ring, ("edge_index", "edge_weight", "pos"))
    assert graphs.from_pygsp(SimpleNamespace(W=graphs.to_scipy(ring))).pos is None
