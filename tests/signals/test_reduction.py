"""Graphs of some nodes, signals level by level, and filters by node and frequency."""

import pytest
import torch
from torch.autograd import gradcheck
from torch_geometric.data import Data

from filters import Chebyshev, Heat, SpectralFunction, WaveletFrame
from filters.wavelets import itersine
from gsp_nonlocal.affinity import relu_dot_shift
from gsp_nonlocal.shifts import LowRankShift, SparseShift
from gsp_nonlocal.shifts.structure import factored, stored_edges
from gsp_nonlocal.signals import (
    atom_energies,
    graph_pyramid,
    kron_reduction,
    localise,
    spectrogram,
    synthesise,
)
from tests.cases.shifts import SHIFTS
from tests.cases.signals import NODES, features, relative, signal
from tests.signals.made import CONNECTED, GRAPHS, combinatorial, laplacian, mask, matrix_of, ring, some_graph

graphs = pytest.mark.parametrize("graph", GRAPHS)
KEPT = mask().nonzero().flatten().flip(0)


def schur(matrix):
    rest = (~mask()).nonzero().flatten()
    whole, across = matrix[..., KEPT, :][..., KEPT], matrix[..., rest, :][..., KEPT]
    return whole - across.mT @ torch.linalg.solve(matrix[..., rest, :][..., rest], across)


@graphs
def test_a_reduced_graph_is_the_schur_complement(graph):
    shift = SHIFTS[graph]()
    found = kron_reduction(shift, KEPT)
    eye = torch.eye(len(KEPT), dtype=torch.float64)
    assert relative(eye - found.to_dense(), schur(laplacian(shift))) < 1e-10
    for kind in (factored, stored_edges):
        assert (kind(found) is None) == (kind(shift) is None)
    if found.spectral_bound is not None:
        assert torch.linalg.eigvalsh(found.to_dense()).abs().max() < found.spectral_bound + 1e-12


def test_low_rank_is_dense():
    forms = [kron_reduction(relu_dot_shift(features(), form), KEPT) for form in ("low_rank", "dense")]
    assert relative(forms[0].to_dense(), forms[1].to_dense()) < 1e-12


def test_a_reduced_graph_of_pyg_keeps_its_attributes():
    graph = ring()
    graph.x, graph.edge_attr = torch.arange(NODES), torch.ones(graph.num_edges, 1)
    found = kron_reduction(graph, [7, 2, 9])
    order = torch.tensor([7, 2, 9])
    assert found.num_nodes == 3 and torch.equal(found.x, order) and found.edge_attr is None
    rest = torch.tensor([i for i in range(NODES) if i not in order])
    system = matrix_of(graph)
    expected = system[order][:, order] - system[order][:, rest] @ torch.linalg.solve(
        system[rest][:, rest], system[rest][:, order]
    )
    assert relative(matrix_of(found), expected) < 1e-12


def test_single_precision_and_gradients():
    shift = SHIFTS["low-rank"]()
    found = kron_reduction(shift.to(torch.float32), KEPT)
    assert found.dtype == torch.float32
    assert relative(found.to_dense().double(), kron_reduction(shift, KEPT).to_dense()) < 1e-5
    factor = (features(batch=1, rank=4) / 5).requires_grad_()
    assert gradcheck(lambda f: kron_reduction(LowRankShift(f), KEPT).to_dense(), (factor,))
    matrix = laplacian(combinatorial(ring())).requires_grad_()
    assert gradcheck(
        lambda m: kron_reduction(torch.eye(NODES) - 0.5 * (m + m.mT), KEPT).to_dense(), (matrix,)
    )


def sparse_ring(weight):
    """As a graph of PyG, and as shifts of both Laplacians, of the weights of its edges."""
    edges = ring().edge_index
    graph = Data(edge_index=edges, edge_weight=weight.repeat(2), num_nodes=NODES)
    plain = SparseShift.from_edge_index(edges, graph.edge_weight, NODES, None, lambda_max=12.0)
    return {
        "graph": graph,
        "combinatorial": plain,
        "normalised": SparseShift.from_edge_index(edges, graph.edge_weight, NODES),
    }


@pytest.mark.parametrize("kind", ["graph", "combinatorial", "normalised"])
def test_gradients_of_sparse_graphs(kind, monkeypatch):
    """Those of the dense formula, and of differences."""
    monkeypatch.setattr("gsp_nonlocal.signals.schur._ROWS", 7)
    monkeypatch.setattr("gsp_nonlocal.signals.schur._AT_ONCE", 2)
    weight = ring().edge_weight[:NODES].clone().requires_grad_()

    def reduced(weight):
        found = kron_reduction(sparse_ring(weight)[kind], KEPT)
        return matrix_of(found) if kind == "graph" else torch.eye(len(KEPT)).double() - found.to_dense()[0]

    graph = sparse_ring(weight)[kind]
    expected = schur(matrix_of(graph) if kind == "graph" else laplacian(graph)[0])
    scores = torch.randn(expected.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    slopes = [torch.autograd.grad((part * scores).sum(), weight)[0] for part in (reduced(weight), expected)]
    assert relative(*slopes) < 1e-10 and slopes[0].abs().min() > 0
    assert gradcheck(reduced, (weight,))


def test_a_second_derivative_of_a_sparse_graph_is_refused():
    weight = ring().edge_weight[:NODES].clone().requires_grad_()
    found = kron_reduction(sparse_ring(weight)["graph"], KEPT).edge_weight
    (slope,) = torch.autograd.grad(found.square().sum(), weight, create_graph=True)
    with pytest.raises(NotImplementedError, match="second derivative"):
        slope.sum().backward()


PYRAMIDS = [*(name for name in CONNECTED if SHIFTS[name]().shape[0] == 1), "ring", "low-rank"]


@pytest.mark.parametrize("graph", PYRAMIDS)
def test_a_pyramid_gives_the_signal_back(graph):
    shift = combinatorial(ring()) if graph == "ring" else SHIFTS[graph]().graph(0)
    z = signal()
    parts = graph_pyramid(z, shift, 1 if graph != "ring" else 2)
    sizes = [shift.shape[-1] for shift in parts.shifts]
    assert sizes == sorted(sizes, reverse=True) and parts.coarse.shape == (2, sizes[-1], z.shape[-1])
    assert relative(synthesise(parts), z) < 1e-10
    assert parts.errors[0][:, parts.kept[0]].abs().max() > 0
    low = torch.linalg.solve(torch.eye(NODES).double() + 2 * laplacian(shift), z)[:, parts.kept[0]]
    if len(parts.errors) == 1:
        assert relative(parts.coarse, low) < 1e-9


def test_gradients_of_a_pyramid():
    z = signal(channels=1, nodes=8, batch=1).requires_grad_()
    assert gradcheck(lambda z: graph_pyramid(z, combinatorial(ring(8)), 1).coarse, (z,))


@pytest.mark.parametrize("graph", ["low-rank", "dense", "diagonal"])
def test_a_filter_about_nodes(graph):
    shift = SHIFTS[graph]()
    found = localise(Heat(1.5), [3, 0], shift)
    expected = NODES**0.5 * torch.matrix_exp(-1.5 * laplacian(shift))[..., [3, 0]]
    assert relative(found, expected) < 1e-10
    assert torch.equal(localise(Heat(1.5), 3, shift), localise(Heat(1.5), [3], shift))


@graphs
def test_energies_of_atoms_and_signals(graph):
    shift, bank = SHIFTS[graph](), itersine(4)
    system = laplacian(shift)
    values, vectors = torch.linalg.eigh(system)
    matrices = [vectors * band.gain(values).unsqueeze(-2) @ vectors.mT for band in bank.bands]
    atoms = torch.stack([matrix.square().sum(1) for matrix in matrices], dim=-1)
    assert relative(atom_energies(shift, bank), atoms) < 1e-10
    z = signal()
    smooth = WaveletFrame([Heat(0.5), Heat(1.0)])
    expected = torch.stack([torch.matrix_exp(-t * system) @ z for t in (0.5, 1.0)], dim=2).square()
    assert relative(spectrogram(z, shift, smooth), expected) < 1e-9


def test_windows_lie_at_their_frequencies():
    """An eigenvector's energy is greatest in the band of its frequency."""
    shift = SHIFTS["dense"]().graph(0)
    values, vectors = torch.linalg.eigh(laplacian(shift)[0])
    energies = spectrogram(vectors[None], shift, 21).sum(dim=1)[0]
    assert (energies.argmax(0) * 0.1 - values).abs().max() <= 0.05 + 1e-9


HALVES = torch.block_diag(*[torch.full((6, 6), 1 / 6, dtype=torch.float64)] * 2)
BLOCKS = LowRankShift(torch.block_diag(*[torch.full((6, 1), 6**-0.5, dtype=torch.float64)] * 2)[None])
Z = signal()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: kron_reduction(HALVES, [3]), ValueError, "keep from 2 to 11 of 12 nodes, got 1"),
        (lambda: kron_reduction(HALVES, range(NODES)), ValueError, "got 12"),
        (lambda: kron_reduction(HALVES, [3, 3]), ValueError, "each once, got 3"),
        (lambda: kron_reduction(HALVES, [3, 12]), ValueError, "from 0 to 11, each once, got 12"),
        (lambda: kron_reduction(HALVES, [3, 1.5]), TypeError, "a node to keep must be an integer"),
        (lambda: kron_reduction(HALVES, mask()[:4]), ValueError, "mask of nodes to keep has shape"),
        (lambda: kron_reduction(HALVES, [0, 1]), ValueError, "L_uu .* is singular"),
        (lambda: kron_reduction(BLOCKS, [0, 1]), ValueError, "L_uu .* is singular"),
        (lambda: kron_reduction(combinatorial(some_graph()), [0, 1]), ValueError, "have no known node"),
        (lambda: kron_reduction(some_graph(), [0, 1]), ValueError, "have no known node"),
        (lambda: kron_reduction(HALVES.roll(1, 0), [0, 1]), ValueError, "symmetric_part"),
        (lambda: kron_reduction("ring", [0, 1]), TypeError, "graph is PyG's Data"),
        (lambda: graph_pyramid(Z, SHIFTS["low-rank"](), 1), ValueError, "of one graph, got a batch of 2"),
        (lambda: graph_pyramid(Z, combinatorial(ring()), 0), ValueError, "levels must be at least 1"),
        (lambda: graph_pyramid(Z, combinatorial(ring()), 9), ValueError, "at least 2 are left"),
        (lambda: graph_pyramid(Z, BLOCKS, 1), ValueError, "no eigenvalue of this low-rank shift is negative"),
        (lambda: synthesise(Z), TypeError, "expected a Pyramid"),
        (lambda: localise(Chebyshev(1, 1), 0, HALVES), TypeError, "filter is a SpectralFunction"),
        (lambda: localise(Heat(), 12, HALVES), ValueError, r"node must be from 0 to 11, got \[12\]"),
        (lambda: localise(Heat(), -1, HALVES), ValueError, "node must be at least 0"),
        (lambda: localise(Heat(), [], HALVES), ValueError, r"got \[\]"),
        (lambda: spectrogram(Z, HALVES, 1), ValueError, "bands must be at least 2, got 1"),
        (lambda: spectrogram(Z[0], HALVES), ValueError, "a node signal has shape"),
        (lambda: atom_energies(HALVES, SpectralFunction(torch.cos)), TypeError, "bands must be an integer"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
