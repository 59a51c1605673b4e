"""What every graph by name keeps, and spectra that are known."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.utils import coalesce, contains_self_loops

from filters import Heat
from gsp_nonlocal import graphs
from gsp_nonlocal.shifts import SparseShift
from tests.cases.graphs import GIVEN, GRAPHS, MADE, made

PYGSP = np.load(Path(__file__).parents[1] / "data/pygsp_graphs.npz")
F64 = {"dtype": torch.float64}
SAME = {
    "ring": lambda: graphs.ring(12, **F64),
    "ring_3": lambda: graphs.ring(13, 3, **F64),
    "path": lambda: graphs.path(9, **F64),
    "grid": lambda: graphs.grid(4, 5, **F64),
    "torus": lambda: graphs.torus(5, 4, **F64),
    "comet": lambda: graphs.comet(12, 5, **F64),
    "complete": lambda: graphs.complete(7, **F64),
    "neighbours": lambda: graphs.nearest_neighbours(PYGSP["points"], 4, sigma=0.1),
    "radius": lambda: graphs.radius(PYGSP["points"], 0.25, sigma=0.1),
    "patches": lambda: graphs.image_patches(torch.from_numpy(PYGSP["image"]), 3, 4, sigma=0.5),
    "sensor": lambda: graphs.from_pygsp(PyGSPGraph("sensor"), **F64),
}
"""Graphs that PyGSP 0.6.1 has too; its ``σ`` is the square of ours."""
SEEDED = ["erdos_renyi", "barabasi_albert", "stochastic_block_model", "community", "sensor", "swiss_roll"]


class PyGSPGraph:
    """What :func:`from_pygsp` asks of a graph."""

    def __init__(self, name):
        from scipy.sparse import csr_matrix

        self.W, self.coords = csr_matrix(PYGSP[f"{name}_weights"]), PYGSP[f"{name}_places"]


def laplacian(graph, normalization):
    """By its definition, from the edges, without a shift."""
    A = torch.zeros(graph.num_nodes, graph.num_nodes, dtype=torch.float64)
    A[graph.edge_index[1], graph.edge_index[0]] = graph.edge_weight
    degree = A.sum(1)
    if normalization is None:
        return degree.diag() - A
    root = torch.where(degree > 0, degree.rsqrt(), 0.0)
    return torch.eye(len(A), dtype=torch.float64) - root[:, None] * A * root


def eigenvalues(graph, normalization="sym"):
    return torch.linalg.eigvalsh(laplacian(graph, normalization))


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_is_undirected_without_duplicates_and_self_loops(name):
    graph, case = made(name), GRAPHS[name]
    edges, weight = graph.edge_index, graph.edge_weight
    assert graph.num_nodes == case.nodes and edges.dtype == torch.int64 and weight.dtype == torch.float64
    assert graph.validate()
    assert not contains_self_loops(edges)
    assert torch.equal(coalesce(edges), edges)  # sorted, each once
    back, mirrored = coalesce(edges.flip(0), weight)
    assert torch.equal(back, edges) and torch.equal(mirrored, weight)
    assert weight.isfinite().all() and (weight > 0).all()
    if case.pairs is not None:
        assert edges.shape[1] == 2 * case.pairs
    if graph.pos is not None:
        assert graph.pos.dtype == weight.dtype and len(graph.pos) == case.nodes and graph.pos.isfinite().all()


@pytest.mark.parametrize("normalization", ["sym", "rw", None])
@pytest.mark.parametrize("name", GRAPHS)
def test_its_shift_is_that_of_its_edges(name, normalization, recwarn):
    graph = made(name)
    shift = graphs.shift(graph, normalization)
    plain = SparseShift.from_edge_index(
        graph.edge_index, graph.edge_weight, graph.num_nodes, normalization, batch=graph.batch
    )
    assert torch.equal(shift.to_dense(), plain.to_dense()) and not recwarn.list
    assert shift.is_symmetric or normalization == "rw"
    if normalization == "sym":
        assert torch.allclose(torch.eye(graph.num_nodes) - shift.to_dense()[0], laplacian(graph, "sym"))


@pytest.mark.parametrize("name", [name for name, case in GRAPHS.items() if case.normalised is not None])
def test_its_normalised_spectrum_is_the_known_one(name):
    expected = GRAPHS[name].normalised.sort().values
    assert (eigenvalues(made(name)) - expected).abs().max() < 1e-12


@pytest.mark.parametrize("name", [name for name, case in GRAPHS.items() if case.combinatorial is not None])
def test_its_combinatorial_spectrum_is_the_known_one(name):
    expected = GRAPHS[name].combinatorial.sort().values
    assert (eigenvalues(made(name), None) - expected).abs().max() < 1e-12


@pytest.mark.parametrize("kind", ["normalized", "combinatorial"])
@pytest.mark.parametrize("name", SAME)
def test_its_spectrum_is_that_of_pygsp(name, kind):
    found = eigenvalues(SAME[name](), "sym" if kind == "normalized" else None)
    assert np.abs(found.numpy() - PYGSP[f"{name}_{kind}"]).max() < 1e-12


@pytest.mark.parametrize("name", GRAPHS)
def test_random_numbers_of_others_stay_as_they_are(name):
    before = (torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate())
    first, second = made(name), made(name)
    assert torch.equal(torch.get_rng_state(), before[0]) and random.getstate() == before[2]
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert first.keys() == second.keys()
    for key in set(first.keys()) - {"num_nodes"}:
        assert torch.equal(first[key], second[key])


@pytest.mark.parametrize("name", SEEDED)
def test_another_seed_gives_another_graph(name):
    case = MADE[name].make
    first, second = made(name), case(seed=5, dtype=torch.float64)
    assert not torch.equal(first.edge_index, second.edge_index)
    assert torch.equal(first.edge_index, case(seed=np.int64(4), dtype=torch.float64).edge_index)


@pytest.mark.parametrize("name", MADE)
def test_device_and_type_are_those_asked_for(name):
    plain, asked = MADE[name].make(), MADE[name].make(device="meta", dtype=torch.float64)
    assert plain.edge_weight.dtype == torch.float32
    for graph, place, dtype in ((plain, "cpu", torch.float32), (asked, "meta", torch.float64)):
        assert graph.edge_index.device.type == graph.edge_weight.device.type == place
        assert graph.edge_weight.dtype == dtype and (graph.pos is None or graph.pos.dtype == dtype)


@pytest.mark.parametrize("name", MADE)
def test_a_type_that_is_none_is_refused(name):
    with pytest.raises(TypeError, match="dtype must be"):
        MADE[name].make(dtype=torch.int64)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", MADE)
def test_on_a_gpu_it_is_the_same_graph(name):
    here, there = made(name), MADE[name].make(device="cuda", dtype=torch.float64)
    assert there.edge_index.is_cuda and torch.equal(here.edge_index, there.edge_index.cpu())
    assert torch.allclose(here.edge_weight, there.edge_weight.cpu(), rtol=1e-12)


def test_every_constructor_has_a_row():
    others = {"shift", "from_networkx", "to_networkx", "from_scipy", "to_scipy", "from_pygsp"}
    named = {case.make.func.__name__ for case in GRAPHS.values()}
    assert named == set(graphs.__all__) - others
    assert set(GIVEN).isdisjoint(MADE)


def test_a_batch_is_one_shift_of_all_its_graphs():
    from torch_geometric.data import Batch

    parts = [graphs.ring(5, **F64), graphs.path(4, **F64)]
    whole = graphs.shift(Batch.from_data_list(parts), None).to_dense()[0]
    expected = torch.block_diag(*(graphs.shift(part, None).to_dense()[0] for part in parts))
    assert torch.allclose(whole, expected)  # λ_max of each graph, not of both
    z = torch.randn(1, 9, 2, dtype=torch.float64)
    assert Heat(1.0)(z, graphs.shift(Batch.from_data_list(parts))).isfinite().all()
