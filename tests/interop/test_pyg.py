"""At home in PyG: golden values, convolutions as filters, filters as convolutions, graphs as data."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data
from torch_geometric.explain import Explainer, GNNExplainer
from torch_geometric.explain.algorithm.utils import clear_masks, set_masks
from torch_geometric.loader import NeighborLoader
from torch_geometric.nn import (
    APPNP,
    ARMAConv,
    ChebConv,
    DenseGCNConv,
    GATv2Conv,
    GCNConv,
    GINConv,
    SAGEConv,
    Sequential,
)
from torch_geometric.typing import WITH_PYG_LIB, WITH_TORCH_SPARSE
from torch_geometric.utils import to_undirected

from filters import ARMA, Cayley, Chebyshev, Heat, Identity, Tikhonov
from gsp_nonlocal import SNL, LowRankShift, NonlocalBlock
from gsp_nonlocal.interop.pyg import PyGFilter, SpectralConv, from_data, to_data
from gsp_nonlocal.shifts import DenseShift, SparseShift
from gsp_nonlocal.shifts.neighbours import complete_edges, nearest_edges
from tests.cases.shifts import SHIFTS
from tests.cases.signals import features, relative, signal

DATA = Path(__file__).parents[1] / "data"
GRAPH = to_undirected(torch.randint(0, 30, (2, 60), generator=torch.Generator().manual_seed(1)))
GRAPH = GRAPH[:, GRAPH[0] != GRAPH[1]]


@pytest.mark.parametrize("path", sorted(DATA.glob("pyg_cheb_*.npz")), ids=lambda p: p.stem)
def test_chebyshev_is_pygs_chebconv_with_the_sign_of_odd_orders_flipped(path):
    stored = {key: torch.from_numpy(value) for key, value in np.load(path).items()}
    kind, terms = path.stem.split("_")[2:]
    normalization, order = None if kind == "None" else kind, int(terms[1:]) - 1
    edge_index = stored["adjacency"].nonzero().T.flip(0)
    weight = stored["adjacency"][edge_index[1], edge_index[0]]
    given = stored["lambda_max"]
    shift = SparseShift.from_edge_index(edge_index, weight, 40, normalization, given)
    if normalization == "rw":
        shift = shift.T  # PyG divides by the degree of the source
    f = Chebyshev(6, 4, order=order)
    with torch.no_grad():
        for k, weight in enumerate(f.weight):
            weight.copy_((-1) ** k * stored[f"weight{k}"].T)
    y = f(stored["x"].unsqueeze(0), shift)[0] + stored["bias"]
    assert relative(y, stored["y"]) < 1e-5


@pytest.mark.parametrize("nodes", [12, 40])
@pytest.mark.parametrize(
    "conv",
    [
        GCNConv(4, 5),
        GATv2Conv(4, 5, heads=2),
        ChebConv(4, 5, K=3),
        ARMAConv(4, 5, num_stacks=2, num_layers=2),
        SAGEConv(4, 5),
    ],
    ids=lambda conv: type(conv).__name__,
)
def test_a_pyg_convolution_is_a_filter(conv, nodes):
    """Complete edges of few nodes, the strongest of many; sample by sample as PyG computes it alone."""
    conv = conv.double()
    f = PyGFilter(conv, complete_nodes=16, neighbours=3)
    shift, z = DenseShift(SHIFTS["dense"]().to_dense()), signal(nodes=nodes)
    if nodes != 12:
        shift = LowRankShift(features(nodes=nodes) / 9)
    y = f(z, shift)
    assert y.shape == (2, nodes, f.out_channels)
    for index in range(2):
        alone = DenseShift(shift.to_dense()[index])
        edges = complete_edges(alone) if nodes == 12 else nearest_edges(alone, 3)
        assert edges.edge_index.shape[1] == (nodes**2 if nodes == 12 else 3 * nodes)
        places, weight = edges.edge_index, {}
        if type(conv) not in (GATv2Conv, SAGEConv):  # an edge of weight 0 is none
            kept = edges.edge_weight != 0
            places, weight = places[:, kept], {"edge_weight": edges.edge_weight[kept]}
        assert relative(y[index], conv(z[index], places, **weight)) < 1e-10


def test_a_dense_pyg_convolution_is_a_filter():
    f = PyGFilter(DenseGCNConv(4, 5).double())
    shift, z = SHIFTS["dense"](), signal()
    assert relative(f(z, shift), f.conv(z, shift.to_dense())) < 1e-14


@pytest.mark.parametrize("graph", ["low-rank", "low-rank, not symmetric", "dense", "diagonal"])
def test_the_nearest_edges_are_the_greatest_entries_of_every_row(graph):
    shift = SHIFTS[graph]()
    dense, edges = shift.to_dense(), nearest_edges(shift, 4)
    nodes = dense.shape[1]
    expected = dense.topk(4, dim=-1).values.flatten()
    assert torch.allclose(edges.edge_weight, expected)
    source, target = edges.edge_index
    assert torch.equal(source // nodes, target // nodes)
    assert torch.allclose(dense[target // nodes, target % nodes, source % nodes], expected)


def test_pyg_filters_train_inside_blocks():
    block = NonlocalBlock(8, gate=False, filter=lambda i, o: PyGFilter(GCNConv(i, o)) + Chebyshev(i, o))
    x = torch.randn(2, 8, 20, 20, requires_grad=True)
    block(x).square().sum().backward()
    moved = {name for name, p in block.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    biases = {name for name in dict(block.named_parameters()) if name.endswith("conv.bias")}  # under a norm
    assert moved | biases == set(dict(block.named_parameters()))


def test_any_filter_is_a_convolution_in_a_sequential():
    model = Sequential(
        "x, edge_index, edge_weight, batch",
        [
            (SpectralConv(Cayley(3, 8, order=2)), "x, edge_index, edge_weight, batch -> x"),
            nn.ReLU(),
            (SpectralConv(ARMA(8, 5, order=2) + Chebyshev(8, 5), "rw"), "x, edge_index -> x"),
        ],
    )
    graphs = [Data(x=torch.randn(30, 3), edge_index=GRAPH) for _ in range(3)]
    batch = Batch.from_data_list(graphs)
    whole = model(batch.x, batch.edge_index, None, batch.batch)
    alone = torch.cat([model(g.x, g.edge_index, None, None) for g in graphs])
    assert whole.shape == (90, 5)
    assert relative(whole, alone) < 1e-4  # float32, iterated to 1e-6


def test_a_spectral_convolution_is_explained():
    torch.manual_seed(0)
    model = Sequential("x, edge_index", [(SpectralConv(Chebyshev(3, 2, order=2)), "x, edge_index -> x")])
    explainer = Explainer(
        model,
        GNNExplainer(epochs=20),
        explanation_type="model",
        node_mask_type="attributes",
        edge_mask_type="object",
        model_config={"mode": "multiclass_classification", "task_level": "node", "return_type": "raw"},
    )
    explanation = explainer(torch.randn(30, 3), GRAPH, index=4)
    mask = explanation.edge_mask
    assert mask.shape == (GRAPH.shape[1],)
    reachable = torch.isin(GRAPH, GRAPH[0][GRAPH[1] == 4]).any(0) | (GRAPH == 4).any(0)
    assert mask[reachable].max() > 0
    assert mask[~reachable].max() == 0


MASKED = {
    "heat": lambda: Heat(2.0),
    "Tikhonov": lambda: Tikhonov(3.0),
    "polynomial of heat": lambda: Chebyshev(3, 2, order=2) @ Heat(1.0),
}


@pytest.mark.parametrize("name", MASKED)
@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("normalization", ["sym", None])
def test_the_mask_of_a_symmetric_filter_is_symmetrised(name, cached, normalization):
    """``½ (S ⊙ M + (S ⊙ M)ᵀ)`` with gradients; both directions of an edge matter alike."""
    torch.manual_seed(0)
    f, x = MASKED[name]().double(), torch.randn(30, 3, dtype=torch.float64)
    conv, mask = SpectralConv(f, normalization, cached=cached), torch.rand(GRAPH.shape[1]).double()
    shift = SparseShift.from_edge_index(GRAPH, x.new_ones(GRAPH.shape[1]), 30, normalization=normalization)

    def dense(values):
        marks = torch.eye(30, dtype=torch.float64).index_put((GRAPH[1], GRAPH[0]), values)
        masked = shift.to_dense() * marks
        return f(x.unsqueeze(0), DenseShift(0.5 * (masked + masked.mT), is_symmetric=True)).squeeze(0)

    def ours(values):
        set_masks(conv, values, GRAPH, apply_sigmoid=False)
        y = conv(x, GRAPH)
        clear_masks(conv)
        return y

    before = conv(x, GRAPH)
    found, right = (y(mask.requires_grad_()) for y in (ours, dense))
    assert relative(found, right) < 1e-9
    slopes = [torch.autograd.grad(y.square().sum(), mask)[0] for y in (found, right)]
    assert relative(*slopes) < 1e-7
    reverse = [(edge.flip(0).unsqueeze(1) == GRAPH).all(0).nonzero().item() for edge in GRAPH.T]
    assert relative(slopes[0][reverse], slopes[0]) < 1e-9
    assert torch.equal(conv(x, GRAPH), before)


def test_a_fixed_response_is_explained():
    torch.manual_seed(0)
    model = Sequential("x, edge_index", [(SpectralConv(Chebyshev(3, 2) @ Heat(1.0)), "x, edge_index -> x")])
    explainer = Explainer(
        model,
        GNNExplainer(epochs=10),
        explanation_type="model",
        edge_mask_type="object",
        model_config={"mode": "multiclass_classification", "task_level": "node", "return_type": "raw"},
    )
    apart = torch.cat([GRAPH, GRAPH + 30], dim=1)
    mask = explainer(torch.randn(60, 3), apart, index=4).edge_mask
    assert mask[: GRAPH.shape[1]].max() > 0
    assert mask[GRAPH.shape[1] :].max() == 0


def test_a_sampled_neighbourhood_of_directed_edges():
    """What a ``NeighborLoader`` gives: edges towards the seeds alone, leaves without edges into them."""
    edge_index = torch.tensor([[2, 3, 4, 5, 6], [0, 0, 1, 2, 3]])
    conv, x = SpectralConv(Cayley(3, 4, order=2)), torch.randn(7, 3)
    y = conv(x, edge_index)
    moved = x.clone()
    moved[5] += 1  # a leaf two steps from seed 0
    changed = (conv(moved, edge_index) - y).abs().sum(-1) > 1e-5
    assert changed.tolist() == [True, False, True, False, False, True, False]


@pytest.mark.skipif(
    not (WITH_PYG_LIB or WITH_TORCH_SPARSE),
    reason="PyG samples neighbours by torch-sparse, which is built from source: make test-sampling runs this",
)
def test_a_neighbor_loader_batch():
    data = Data(x=torch.randn(30, 3), edge_index=GRAPH)
    batches = list(NeighborLoader(data, num_neighbors=[3, 3], batch_size=10))
    conv = SpectralConv(Chebyshev(3, 4, order=2))
    assert len(batches) == 3
    assert all(conv(b.x, b.edge_index).shape == (b.num_nodes, 4) for b in batches)


@pytest.mark.parametrize("graph", ["dense", "low-rank", "sparse", "diagonal"])
def test_data_and_back(graph):
    shift, z = SHIFTS[graph](), signal()
    if shift.shape[0] == 1:
        z = z[:1]
    data = to_data(shift, z)
    back, x = from_data(data)
    f = Chebyshev(4, 3, order=3).double()
    assert relative(f(x, back).view(*z.shape[:2], 3), f(z, shift)) < 1e-12
    if len(z) > 1:
        assert isinstance(data, Batch)
        assert data.num_graphs == len(z)
        assert relative(data[1].x, z[1]) == 0


def test_a_feature_map_becomes_data():
    block, x = SNL(8), torch.randn(2, 8, 4, 4)
    data = to_data(block.shift(x), x)
    assert data.num_nodes == 32
    assert torch.equal(data[0].x, x[0].flatten(1).T)
    few = to_data(block.shift(x), x, neighbours=3)
    assert few.edge_index.shape == (2, 96)


def test_a_large_graph_is_never_given_all_its_edges():
    shift = LowRankShift(torch.rand(1, 1000, 4) / 100)
    x = torch.randn(1, 1000, 3)
    with pytest.raises(ValueError, match=r"1000 nodes are 1,000,000.*neighbours"):
        to_data(shift, x)
    assert to_data(shift, x, neighbours=5).edge_index.shape == (2, 5000)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: PyGFilter(GCNConv(4, 5)).response(torch.ones(3)), TypeError, "no response"),
        (lambda: PyGFilter(nn.Linear(4, 5)), TypeError, "no PyG convolution|numbers"),
        (lambda: PyGFilter(GINConv(nn.Linear(4, 5))), TypeError, "GINConv has in_channels=None"),
        (lambda: PyGFilter(GCNConv(4, 5), neighbours=0), ValueError, "at least 1, got 0"),
        (
            lambda: PyGFilter(DenseGCNConv(4, 5), complete_nodes=8)(torch.ones(1, 9, 4), torch.eye(9)),
            ValueError,
            "9 nodes are above the limit of 8",
        ),
        (lambda: to_data(torch.eye(4), torch.ones(1, 5, 2)), ValueError, "does not fit"),
        (lambda: from_data(Data(x=torch.ones(3, 1))), ValueError, "needs x and edge_index"),
        (lambda: PyGFilter(GCNConv(4, 5)) @ Identity(3), ValueError, "feeds"),
        (lambda: SpectralConv(Heat(1.0), "rw")(torch.ones(30, 2), GRAPH), ValueError, "symmetric"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    "conv", [GATv2Conv(4, 5), GCNConv(4, 5), APPNP(3, 0.1)], ids=lambda c: type(c).__name__
)
@pytest.mark.parametrize("graph", ["sparse", "low-rank, batch of one", "dense, batch of one"])
@pytest.mark.parametrize("limit", [4, 100])
def test_one_graph_serves_every_signal_of_a_batch(conv, graph, limit):
    f, shift, z = PyGFilter(conv, complete_nodes=limit, neighbours=3), SHIFTS[graph](), signal()
    alone = torch.cat([f(one.unsqueeze(0), shift) for one in z])
    assert relative(f(z, shift), alone) < 1e-10


def test_a_batch_on_one_large_graph_has_no_dense_matrix():
    shift = LowRankShift(torch.rand(1, 3000, 4) / 300)
    x = torch.randn(2, 3000, 2)
    assert to_data(shift, x, neighbours=2).edge_index.shape == (2, 12000)
    path = torch.stack([torch.arange(199_999), torch.arange(1, 200_000)])
    sparse = SparseShift.from_edge_index(path)
    assert PyGFilter(GCNConv(2, 2))(torch.randn(2, 200_000, 2), sparse).shape == (2, 200_000, 2)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_convolution_computes_in_the_type_of_its_weights(dtype):
    f, shift, z = PyGFilter(GCNConv(4, 5)), SHIFTS["dense"](), signal()
    expected = f.double()(z, shift)
    found = f.float()(z.to(dtype), shift.to(torch.float32))
    assert found.dtype == dtype
    assert relative(found.double(), expected) < (2e-2 if dtype == torch.bfloat16 else 1e-5)


def test_fixed_responses_take_their_round_trip():
    shift, z = SHIFTS["sparse"](), signal(batch=1)
    back, x = from_data(to_data(shift, z))
    assert relative(Heat(0.5)(x, back), Heat(0.5)(z, shift)) < 1e-12


@pytest.mark.parametrize("source", [-1, 5, 5_000_000])
def test_nodes_that_do_not_exist_are_refused(source):
    data = Data(x=torch.ones(3, 2), edge_index=torch.tensor([[0, source], [1, 0]]), num_nodes=3)
    with pytest.raises(ValueError, match="nodes 0 to 2"):
        from_data(data)


def test_masks_of_duplicate_edges_are_symmetrised_by_place():
    """Two edges side by side one way, one of their weight the other way."""
    places, weight = torch.tensor([[0, 0, 1, 1, 2], [1, 1, 0, 2, 1]]), torch.tensor([1.0, 2.0, 3.0, 1.0, 1.0])
    mask, x = torch.tensor([0.2, 0.9, 0.5, 0.4, 0.8]), torch.randn(3, 2)
    conv = SpectralConv(Heat(1.0), lambda_max=2.0)
    with pytest.warns(UserWarning, match="duplicate"):
        shift = SparseShift.from_edge_index(places, weight, 3, lambda_max=2.0)
        set_masks(conv, mask, places, apply_sigmoid=False)
        found = conv(x, places, weight)
    factors = torch.tensor([[1.0, 0.5, 0], [(0.2 + 2 * 0.9) / 3, 1.0, 0.8], [0, 0.4, 1.0]])
    masked = shift.to_dense()[0] * factors
    right = Heat(1.0)(
        x.unsqueeze(0), DenseShift((0.5 * (masked + masked.T)).unsqueeze(0), is_symmetric=True)
    )[0]
    assert relative(found, right) < 1e-5
