"""Signals filled in: against the equation as a dense system, on every kind of undirected graph."""

import pytest
import torch
from torch.autograd import gradcheck

from gsp_nonlocal.affinity import relu_dot_shift
from gsp_nonlocal.shifts import LowRankShift, SparseShift
from gsp_nonlocal.signals import classify, interpolate, reconstruct, sample
from tests.cases.shifts import SHIFTS
from tests.cases.signals import NODES, features, relative, signal
from tests.signals.made import CONNECTED, GRAPHS, laplacian, mask, ring

graphs = pytest.mark.parametrize("graph", GRAPHS)
alphas = pytest.mark.parametrize("alpha", [0.0, 1e-6, 0.3, 1e4])


def by_matrix(z, known, shift, alpha):
    """``(M + αL)⁻¹ M z``, or the harmonic signal."""
    system, places = laplacian(shift), known.double().diag()
    system = known.logical_not().double().diag() @ system if alpha == 0 else alpha * system
    return torch.linalg.solve(places + system, places @ z)


@alphas
@graphs
def test_the_equation_is_solved(graph, alpha):
    shift, z = SHIFTS[graph](), signal()
    found = interpolate(z, mask(), shift, alpha)
    assert relative(found, by_matrix(z, mask(), shift, alpha)) < 1e-9
    if alpha == 0:
        assert torch.equal(found[:, mask()], z[:, mask()])


@alphas
def test_low_rank_is_dense(alpha):
    z, known = signal(), mask().roll(2)
    forms = [interpolate(z, known, relu_dot_shift(features(), form), alpha) for form in ("low_rank", "dense")]
    assert relative(*forms) < 1e-10


@graphs
def test_nodes_have_no_order(graph):
    shift, z, order = (
        SHIFTS[graph](),
        signal(),
        torch.randperm(NODES, generator=torch.Generator().manual_seed(0)),
    )
    moved = shift.to_dense()[:, order][..., order]
    found = interpolate(z[:, order], mask()[order], moved, 0.2)
    assert relative(found, interpolate(z, mask(), shift, 0.2)[:, order]) < 1e-9


def test_a_mask_for_each_signal():
    shift, z, masks = SHIFTS["low-rank"](), signal(), torch.stack([mask(), mask().roll(1)])
    found = interpolate(z, masks, shift, 0.1)
    for index in range(2):
        own = interpolate(z[index : index + 1], masks[index], shift.graph(index), 0.1)
        assert relative(found[index : index + 1], own) < 1e-12
    one = interpolate(z[:1], masks, shift.graph(0), 0.1)
    assert one.shape[0] == 2 and relative(one[:1], found[:1]) < 1e-12


def test_what_is_not_known_is_not_read():
    z, hidden = signal(), signal().where(mask().view(1, -1, 1), torch.nan)
    assert torch.equal(
        interpolate(hidden, mask(), SHIFTS["dense"]()), interpolate(z, mask(), SHIFTS["dense"]())
    )


@pytest.mark.parametrize("graph", ["low-rank", "dense", "sparse"])
def test_single_precision_is_that_of_its_numbers(graph):
    shift, z = SHIFTS[graph]().to(torch.float32), signal().float()
    found = interpolate(z, mask(), shift, 0.5)
    assert found.dtype == torch.float32
    assert relative(found.double(), by_matrix(z.double(), mask(), shift.to(torch.float64), 0.5)) < 1e-6


@pytest.mark.parametrize("alpha", [0.0, 0.7])
def test_gradients(alpha):
    factor = (features(batch=1, rank=4) / 5).requires_grad_()
    z = signal(channels=2, batch=1).requires_grad_()
    assert gradcheck(lambda z, f: interpolate(z, mask(), LowRankShift(f), alpha), (z, factor))


def test_an_infinite_gradient_comes_out_as_nan_at_once():
    """A gradient scaler looks for it; no iteration would end."""
    path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    shift = SparseShift.from_edge_index(path, normalization=None).to(torch.float64)
    z = torch.ones(1, 3, 1, dtype=torch.float64, requires_grad=True)
    y = interpolate(z, torch.tensor([True, False, True]), shift, alpha=0.5)
    y.backward(torch.full_like(y, torch.inf))
    assert z.grad.isnan().any()


def test_gradients_through_an_iteration():
    graph, z = ring(), signal(channels=1, batch=1).requires_grad_()

    def filled(z, weight):
        graph.edge_weight = weight.repeat(2)
        shift = SparseShift.from_edge_index(graph.edge_index, graph.edge_weight, NODES, None, lambda_max=12.0)
        return interpolate(z, mask(), shift, 0.4)

    weight = graph.edge_weight[:NODES].clone().requires_grad_()
    assert gradcheck(filled, (z, weight))


@pytest.mark.parametrize("graph", CONNECTED)
def test_labels_are_the_greatest_of_scores(graph):
    shift, labels = SHIFTS[graph](), torch.arange(NODES) % 3
    found = classify(labels, mask(), shift)
    one_hot = torch.nn.functional.one_hot(labels).double()
    expected = by_matrix(one_hot.where(mask().unsqueeze(-1), 0.0), mask(), shift, 0.0)
    assert relative(found.scores, expected) < 1e-9
    assert torch.equal(found.labels[:, mask()], labels[mask()].expand(len(found.labels), -1))


@pytest.mark.parametrize(
    "graph", ["low-rank", "dense", "sparse", "sum, low-rank and sparse", "exponential, symmetric"]
)
def test_a_low_band_comes_back(graph):
    shift = SHIFTS[graph]()
    _, vectors = torch.linalg.eigh(laplacian(shift))
    low, known = vectors[..., :3], mask() | (torch.arange(NODES) < 8)
    z = low @ signal(batch=len(low), nodes=3)
    assert relative(reconstruct(sample(z, known), known, shift, 3), z) < 1e-8
    noisy = signal(batch=len(low))
    expected = low @ torch.linalg.lstsq(low[:, known], noisy[:, known]).solution
    assert relative(reconstruct(noisy, known, shift, 3), expected) < 1e-8


NOTHING = torch.zeros(NODES, dtype=torch.bool)
HALVES = torch.block_diag(*[torch.full((6, 6), 1 / 6, dtype=torch.float64)] * 2)
ONE_HALF = torch.arange(NODES) < 3
BLOCKS = LowRankShift(torch.block_diag(*[torch.full((6, 1), 6**-0.5, dtype=torch.float64)] * 2)[None])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda z: interpolate(z, NOTHING, HALVES), ValueError, "mask 0 names no node"),
        (lambda z: interpolate(z, mask()[:5], HALVES), ValueError, r"mask has shape \(12,\).*got \(5,\)"),
        (lambda z: interpolate(z, mask().int(), HALVES), TypeError, "booleans, got torch.int32"),
        (lambda z: interpolate(z, mask(), HALVES, -0.5), ValueError, "alpha must be at least 0, got -0.5"),
        (lambda z: interpolate(z, mask(), HALVES, float("nan")), ValueError, "alpha must be finite"),
        (lambda z: interpolate(z.log(), mask(), HALVES), ValueError, "values under the mask are NaN"),
        (lambda z: interpolate(z.int(), mask(), HALVES), TypeError, "values are real floating-point"),
        (lambda z: interpolate(z[:, :4], mask(), HALVES), ValueError, "values have shape"),
        (lambda z: interpolate(z, mask(), HALVES.roll(1, 0)), ValueError, "symmetric_part"),
        (lambda z: interpolate(z, mask(), HALVES * torch.nan), ValueError, "NaN|not symmetric"),
        (lambda z: interpolate(z, ONE_HALF, HALVES), ValueError, "path to a known node|singular"),
        (lambda z: interpolate(z, ONE_HALF, BLOCKS, 0.1), ValueError, "path to a known node|singular"),
        (
            lambda z: interpolate(z, ONE_HALF, SHIFTS["sparse, not normalised"]()),
            ValueError,
            "components of the graph have no known node",
        ),
        (lambda z: classify(z, mask(), HALVES), TypeError, "labels are integers, got torch.float64"),
        (lambda z: classify(torch.arange(5), mask(), HALVES), ValueError, "labels have shape"),
        (lambda z: classify(-torch.arange(NODES), mask(), HALVES), ValueError, "-11 under the mask"),
        (lambda z: sample(z[0], mask()), ValueError, "z has shape"),
        (lambda z: reconstruct(z, mask(), HALVES, 6), ValueError, "5 known nodes do not determine the 6"),
        (lambda z: reconstruct(z, mask(), HALVES, 0), ValueError, "bandwidth must be at least 1"),
        (lambda z: reconstruct(z, ONE_HALF, HALVES, 2), ValueError, "3 known nodes determine 1 of the 2"),
        (lambda z: reconstruct(z, mask(), BLOCKS, 3), ValueError, "2 positive eigenvalues, then 10 equal"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call(signal())
