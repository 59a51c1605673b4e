"""``SpectralConv``, compiled or exported: the formula of the graph, at any size, with its gradients."""

import warnings

import pytest
import torch
from torch_geometric.nn import Sequential

from filters import ARMA, Cayley, Chebyshev, Favard, Heat
from gsp_nonlocal.interop.pyg import SpectralConv
from gsp_nonlocal.interop.pyg.recorded_graph import listed, recorded
from gsp_nonlocal.shifts import SparseShift
from tests.cases.signals import relative
from tests.interop.test_spectral_conv import graph, signal

DIRECTED = torch.tensor([[0, 1, 2, 3, 4, 4, 5], [1, 2, 3, 1, 0, 2, 4]])
WITH_LOOPS = torch.tensor([[0, 1, 1, 2, 2, 3, 0, 2], [1, 0, 2, 1, 2, 3, 1, 0]])
"""Loops at nodes with and without other edges, an edge twice, and a node of its own."""
GRAPHS = {"undirected": graph()[0], "directed": DIRECTED, "with loops": WITH_LOOPS}


@pytest.fixture(autouse=True)
def _nothing_compiled_before():
    torch.compiler.reset()


BOUNDS = [None, 2.0, 3.7, torch.tensor(2.5, dtype=torch.float64)]


@pytest.mark.filterwarnings("ignore:the graph has")
@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("normalization", ["sym", "rw", None])
@pytest.mark.parametrize("kind", GRAPHS)
def test_the_formula_is_that_of_the_checked_graph(kind, normalization, bound):
    places, nodes = GRAPHS[kind], int(GRAPHS[kind].max()) + 2
    weight = torch.rand(places.shape[1], dtype=torch.float64) + 0.1
    if normalization is None:
        top = torch.linalg.eigvals(laplacian(places, weight, nodes)).abs().max()
        bound = float(top) * 1.3 if bound is None else float(bound) * float(top)
    expected = SparseShift.from_edge_index(places, weight, nodes, normalization, bound)
    found = recorded(places, weight, None, nodes, normalization, bound)
    assert relative(found.to_dense(), expected.to_dense()) < 1e-14
    assert relative(found.T.to_dense(), expected.to_dense().mT) < 1e-14
    assert relative(listed(expected).to_dense(), expected.to_dense()) < 1e-15


def laplacian(places, weight, nodes):
    dense = torch.zeros(nodes, nodes, dtype=weight.dtype).index_put((places[1], places[0]), weight, True)
    return torch.diag(dense.sum(1)) - dense


CONVOLUTIONS = {
    "sym": lambda: SpectralConv(Chebyshev(3, 4, order=3)),
    "rw, a bound": lambda: SpectralConv(Favard(3, 4, order=2), "rw", 2.2),
    "not normalised": lambda: SpectralConv(Chebyshev(3, 4, order=2), None, 40.0),
    "cached": lambda: SpectralConv(Chebyshev(3, 4, order=3), cached=True),
    "steps": lambda: SpectralConv(ARMA(3, 4, order=2, iterations=3)),
}


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_compiled_in_one_graph_it_agrees(name, learned):
    conv, (places, weight), x = CONVOLUTIONS[name]().double(), graph(), signal().requires_grad_()
    weight = weight.requires_grad_(learned)
    truth = outcome(conv, x, places, weight)  # what is cached is there from here on
    compiled = torch.compile(conv, fullgraph=True, backend="aot_eager")
    for one, other in zip(outcome(compiled, x, places, weight), truth, strict=True):
        assert relative(one, other) < 1e-12


def outcome(conv, x, places, weight):
    y = conv(x, places, weight)
    leaves = [x, *conv.parameters(), *([weight] if weight.requires_grad else [])]
    return [y, *torch.autograd.grad(y.square().sum(), leaves)]


def test_one_exported_network_takes_graphs_of_every_size():
    network = Sequential(
        "x, edge_index",
        [
            (SpectralConv(Chebyshev(3, 8, order=2)), "x, edge_index -> x"),
            torch.nn.ReLU(),
            (SpectralConv(Chebyshev(8, 2, order=2)), "x, edge_index -> x"),
        ],
    ).double()
    auto = torch.export.Dim.AUTO
    example = torch.randn(17, 3, dtype=torch.float64), graph(seed=4, nodes=17)[0]
    program = torch.export.export(network, example, dynamic_shapes={"args": ({0: auto}, {1: auto})})
    for nodes in (5, 17, 60):
        x, places = torch.randn(nodes, 3, dtype=torch.float64), graph(seed=nodes, nodes=nodes)[0]
        assert relative(program.module()(x, places), network(x, places)) < 1e-12


def test_compiled_batches_have_bounds_of_their_own():
    conv = SpectralConv(Chebyshev(3, 4, order=2)).double()
    (places, weight), nodes = graph(), 30
    both = torch.cat([places, places + nodes], dim=1)
    batch = torch.arange(2).repeat_interleave(nodes)
    x, bound = signal(2).flatten(0, 1), torch.tensor([2.0, 3.0], dtype=torch.float64)
    compiled = torch.compile(conv, fullgraph=True, backend="eager")
    expected = conv(x, both, weight.repeat(2), batch, bound)
    assert relative(compiled(x, both, weight.repeat(2), batch, bound), expected) < 1e-12


def test_a_cached_graph_serves_fixed_responses():
    conv, (places, weight), x = SpectralConv(Heat(0.7), cached=True).double(), graph(), signal()
    expected = conv(x, places, weight)
    assert relative(torch.compile(conv, fullgraph=True, backend="eager")(x, places, weight), expected) < 1e-12


@pytest.mark.parametrize("cut", [lambda x, places: (x, places[:, :-2]), lambda x, places: (x[:-1], places)])
def test_a_cached_graph_of_another_size_is_refused_when_compiled_too(cut):
    conv, places, x = SpectralConv(Chebyshev(3, 4), cached=True).double(), graph()[0], signal()
    conv(x, places)
    compiled = torch.compile(conv, fullgraph=True, backend="eager")
    with pytest.raises(Exception, match="keeps its first graph"):
        compiled(*cut(x, places))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SpectralConv(Chebyshev(3, 4), None), "pass lambda_max=, or cached=True"),
        (lambda: SpectralConv(Heat(1.0)), "needs a symmetric shift"),
    ],
)
def test_what_compiled_code_cannot_know_is_said(make, message):
    conv = make().double()
    with warnings.catch_warnings(), pytest.raises(Exception, match=message):
        warnings.simplefilter("ignore")
        torch.export.export(conv, (signal(), graph()[0]))


def test_resolvents_are_exported_as_unrolled_steps_or_refused():
    conv = SpectralConv(Cayley(3, 4, order=1)).double()
    x, places = signal(), graph()[0]
    program = torch.export.export(conv, (x, places))
    assert relative(program.module()(x, places), conv(x, places)) < 1e-6
