"""``SpectralConv``: what it keeps of a graph is never another graph's, and it takes edges as PyG has them."""

import copy

import pytest
import torch
from torch_geometric import EdgeIndex
from torch_geometric.nn import HeteroConv
from torch_geometric.utils import to_torch_coo_tensor, to_torch_csc_tensor, to_torch_csr_tensor, to_undirected

from filters import Cayley, Chebyshev, Heat
from gsp_nonlocal.interop.pyg import SpectralConv
from gsp_nonlocal.interop.pyg.known_graph import KnownGraph
from gsp_nonlocal.shifts import SparseShift
from tests.cases.signals import relative

NODES = 30


def graph(seed: int = 1, nodes: int = NODES) -> tuple[torch.Tensor, torch.Tensor]:
    """Undirected edges without loops, and positive weights, the same both ways."""
    generator = torch.Generator().manual_seed(seed)
    places = to_undirected(torch.randint(0, nodes, (2, 2 * nodes), generator=generator))
    places = places[:, places[0] != places[1]]
    table = torch.rand(nodes, nodes, generator=generator, dtype=torch.float64) + 0.1
    weights = (table + table.T)[places[0], places[1]]
    return places, weights


def signal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, NODES, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def anew(conv, x, edge_index, weight=None, batch=None, lambda_max=None):
    """What the filter gives on a graph that is built from nothing."""
    weight = torch.ones(edge_index.shape[1], dtype=x.dtype) if weight is None else weight
    shift = SparseShift.from_edge_index(
        edge_index, weight, x.shape[-2], conv.normalization, lambda_max, batch
    )
    return conv.filter(x.unsqueeze(0), shift)[0]


def on_weight(change):
    return lambda edges, weight: (edges, change(weight))


def written(part: torch.Tensor, how: str) -> torch.Tensor:
    """The tensor, written to in a way that its version may not tell."""
    {"in place": part, "by .data": part.data, "by NumPy": torch.from_numpy(part.numpy())}[how][0] = 3.0
    return part


CHANGES = {
    "nothing": lambda edges, weight: (edges, weight),
    "other tensors of the same numbers": lambda edges, weight: (edges.clone(), weight.clone()),
    "another weight": on_weight(lambda weight: 1 + weight),
    **{
        how: on_weight(lambda weight, how=how: written(weight, how))
        for how in ("in place", "by .data", "by NumPy")
    },
    "no weights": on_weight(lambda weight: None),
    "an edge fewer": lambda edges, weight: (edges[:, 1:], weight[1:]),
    "other edges": lambda edges, weight: (edges.flip(0)[:, torch.randperm(len(weight))], weight),
    "edges in place": lambda edges, weight: (edges.fill_(1).index_fill_(0, torch.tensor(0), 2), weight),
}


@pytest.mark.filterwarnings("ignore:the graph has")
@pytest.mark.parametrize("normalization", ["sym", "rw", None])
@pytest.mark.parametrize("change", CHANGES)
def test_a_graph_that_changed_is_another_graph(change, normalization):
    conv, x = SpectralConv(Chebyshev(3, 2, order=3), normalization, lambda_max=40.0).double(), signal()
    edges, weight = graph()
    for places, own in [(edges, weight), CHANGES[change](edges, weight), graph(seed=2)]:
        for _ in range(2):
            assert relative(conv(x, places, own), anew(conv, x, places, own, lambda_max=40.0)) == 0


def test_a_graph_that_comes_again_is_not_built_again(monkeypatch):
    built, made = [], KnownGraph._made
    monkeypatch.setattr(KnownGraph, "_made", lambda *given: built.append(1) or made(*given))
    conv, (edges, weight), x = SpectralConv(Heat(1.0)).double(), graph(), signal()
    for _ in range(3):
        conv(x, edges.clone(), weight.clone())
    assert len(built) == 1
    conv(x, edges, weight.clone().requires_grad_())
    assert len(built) == 2


def test_other_nodes_batches_and_bounds_are_another_graph():
    conv = SpectralConv(Cayley(3, 2), None).double()
    edges, weight = graph(nodes=15)
    two = torch.cat([edges, edges + 15], 1), torch.cat([weight, 3 * weight])
    batch = torch.arange(2).repeat_interleave(15)
    x = signal()
    for given in [
        (None, None),
        (batch, None),
        (batch, torch.tensor([40.0, 90.0])),
        (batch, torch.tensor([40.0, 95.0])),
        (None, 99.0),
        (None, 99),
    ]:
        assert relative(conv(x, *two, *given), anew(conv, x, *two, *given)) < 1e-12
    more = torch.cat([x, x[:2]])
    assert relative(conv(more, *two), anew(conv, more, *two)) < 1e-12


@pytest.mark.parametrize("first", [torch.inference_mode, torch.no_grad])
def test_what_a_look_without_gradients_kept_serves_in_training(first):
    conv, (edges, weight), x = SpectralConv(Chebyshev(3, 2)).double(), graph(), signal().requires_grad_()
    with first():
        looked = conv(x, edges.clone(), weight.clone())
    y = conv(x, edges, weight)
    assert torch.equal(y, looked)
    found = torch.autograd.grad(y.square().sum(), [x, conv.filter.weight])
    expected = torch.autograd.grad(anew(conv, x, edges, weight).square().sum(), [x, conv.filter.weight])
    assert all(relative(*pair) < 1e-14 for pair in zip(found, expected, strict=True))


@pytest.mark.parametrize("normalization", ["sym", "rw", None])
@pytest.mark.parametrize("cached", [False, True])
def test_learned_weights_have_the_gradients_of_a_new_graph(normalization, cached):
    conv, (edges, weight), x = (
        SpectralConv(Chebyshev(3, 2), normalization, cached=cached).double(),
        graph(),
        signal(),
    )
    for scale in (1.0, 2.0, 3.0):
        own = (scale * weight + scale).requires_grad_()
        y, expected = conv(x, edges, own), anew(conv, x, edges, own)
        assert relative(y, expected) < 1e-14
        found, wanted = (torch.autograd.grad(out.square().sum(), own)[0] for out in (y, expected))
        assert relative(found, wanted) < 1e-12


def test_a_cached_graph_is_kept_until_it_is_forgotten():
    conv, (edges, weight), x = SpectralConv(Chebyshev(3, 2), cached=True).double(), graph(), signal()
    first = conv(x, edges, weight)
    assert torch.equal(conv(x, edges, 2 + weight), first)
    with pytest.raises(ValueError, match=r"keeps its first graph.*30 nodes and \d+ edges.*cached=False"):
        conv(x, edges[:, 1:], weight[1:])
    conv.forget()
    assert not torch.equal(conv(x, edges, 2 + weight), first)
    conv.reset_parameters()
    assert conv(x, edges[:, 2:]).shape == (NODES, 2)
    assert list(conv.state_dict()) == ["filter.weight"]
    twin = copy.deepcopy(conv)
    assert torch.equal(twin(x, edges[:, 2:]), conv(x, edges[:, 2:]))


FORMS = {
    "EdgeIndex": lambda edges, weight: (EdgeIndex(edges, sparse_size=(NODES, NODES)), weight),
    "edge_attr": lambda edges, weight: (edges, weight.unsqueeze(1)),
    "COO": lambda edges, weight: (to_torch_coo_tensor(edges.flip(0), weight, NODES), None),
    "CSR": lambda edges, weight: (to_torch_csr_tensor(edges.flip(0), weight, NODES), None),
    "CSC": lambda edges, weight: (to_torch_csc_tensor(edges.flip(0), weight, NODES), None),
}


@pytest.mark.parametrize("form", FORMS)
def test_edges_are_taken_as_pyg_has_them(form):
    """Of a directed graph, where an adjacency and its transpose differ."""
    edges, weight = graph()
    keep = edges[0] < edges[1]
    edges, weight = edges[:, keep], weight[keep]
    conv, x = SpectralConv(Chebyshev(3, 2, order=2), "rw").double(), signal()
    assert relative(conv(x, *FORMS[form](edges, weight)), anew(conv, x, edges, weight)) < 1e-14


def test_signals_of_a_batch_and_sparse_ones_are_taken():
    conv, (edges, weight) = SpectralConv(Cayley(3, 2)).double(), graph()
    x = signal(4)
    each = torch.stack([conv(one, edges, weight) for one in x])
    assert relative(conv(x, edges, weight), each) < 1e-12
    few = x[0] * (x[0] > 1)
    assert torch.equal(conv(few.to_sparse(), edges), conv(few, edges))


def test_empty_graphs_at_the_end_of_a_batch_count():
    conv, (edges, weight), x = SpectralConv(Chebyshev(3, 2), None).double(), graph(), signal()
    given = torch.tensor([40.0, 7.0, 9.0])
    batch = torch.zeros(NODES, dtype=torch.long)
    assert relative(conv(x, edges, weight, batch, given), anew(conv, x, edges, weight, None, 40.0)) == 0


BOTH = {("a", "to", "b"): SpectralConv(Chebyshev(3, 2)), ("b", "to", "a"): SpectralConv(Chebyshev(3, 2))}
PLACES, PAIR = torch.tensor([[0, 1], [1, 0]]), torch.ones(2, 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda conv: conv((torch.ones(3, 3), torch.ones(4, 3)), PLACES),
            TypeError,
            "bipartite graph.*SAGEConv",
        ),
        (
            lambda conv: HeteroConv(BOTH)({"a": PAIR, "b": PAIR}, dict.fromkeys(BOTH, PLACES)),
            TypeError,
            "bipartite",
        ),
        (
            lambda conv: conv(PAIR, PLACES.tolist()),
            TypeError,
            "EdgeIndex or a sparse adj_t, got list",
        ),
        (
            lambda conv: conv(PAIR, torch.eye(2).to_sparse(), torch.ones(2)),
            ValueError,
            "adj_t holds",
        ),
        (lambda conv: conv(torch.ones(3), PLACES), ValueError, r"\(N, C\), or \(B, N, C\)"),
        (lambda conv: conv(PAIR, PLACES, torch.ones(2, 2)), ValueError, r"\(E,\) = \(2,\), got"),
        (lambda conv: conv(PAIR, PLACES, lambda_max=-1.0), ValueError, "lambda_max"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call(SpectralConv(Chebyshev(3, 2)))
