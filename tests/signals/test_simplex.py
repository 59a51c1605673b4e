"""Scores of classes on the simplex: against the conditions that a convex minimum meets, on every graph."""

import pytest
import torch
from torch.autograd import gradcheck
from torch.nn import functional

from gsp_nonlocal.affinity import relu_dot_shift
from gsp_nonlocal.shifts import DenseShift, LowRankShift, SparseShift
from gsp_nonlocal.signals import classify
from tests.cases.shifts import SHIFTS
from tests.cases.signals import NODES, features, relative, signal
from tests.signals.made import (
    CONNECTED,
    PYGSP,
    combinatorial,
    laplacian,
    mask,
    pygsp_graph,
    pygsp_shift,
    ring,
)

LABELS = torch.arange(NODES) % 3
TARGET = functional.one_hot(LABELS).double()


def signed():
    """A symmetric graph with weights of both signs, ``|μ| ≤ 1``: many scores are 0."""
    matrix = signal(NODES, batch=2, seed=3)
    matrix = matrix + matrix.mT
    bound = torch.linalg.eigvalsh(matrix).abs().amax(-1)[:, None, None]
    return DenseShift(matrix / bound, is_symmetric=True)


def weighted_ring():
    return combinatorial(ring())


GRAPHS = {
    **{name: SHIFTS[name] for name in CONNECTED if name not in ("sum of low-rank", "sum of kinds")},
    "signed": signed,
    "combinatorial": weighted_ring,
}
graphs = pytest.mark.parametrize("graph", GRAPHS)
alphas = pytest.mark.parametrize("alpha", [0.0, 1e-4, 0.3, 50.0])


@alphas
@graphs
def test_the_minimum_meets_its_conditions(graph, alpha):
    """``g = M (F − T) + α L F`` is one number a node where ``F > 0``, and not less where ``F = 0``."""
    shift = GRAPHS[graph]()
    found = classify(LABELS, mask(), shift, alpha, simplex=True)
    f = found.scores.detach()
    assert (f >= 0).all() and (f.sum(-1) - 1).abs().max() < 1e-12
    assert torch.equal(found.labels, f.argmax(-1))
    slope = alpha * (laplacian(shift) @ f) + mask()[:, None] * (f - TARGET)
    rows = torch.ones(NODES, dtype=torch.bool)
    if alpha == 0:
        assert torch.equal(f[:, mask()], TARGET[mask()].expand_as(f[:, mask()]))
        slope, rows = laplacian(shift) @ f, ~mask()
    f, slope = f[:, rows], slope[:, rows].detach()
    multiplier = slope.gather(-1, f.argmax(-1, keepdim=True))
    assert (slope - multiplier).where(f > 0, 0.0).abs().max() < 1e-9 * (1 + alpha)
    assert (slope - multiplier).min() > -1e-9 * (1 + alpha)


def test_some_scores_are_zero_and_bind():
    """Else the conditions above would say nothing of multipliers."""
    free = classify(LABELS, mask(), signed(), 0.3).scores
    found = classify(LABELS, mask(), signed(), 0.3, simplex=True).scores
    assert free.min() < -1e-3 and (found == 0).sum() > 3


@alphas
def test_it_is_there_already_of_a_combinatorial_laplacian(alpha):
    free, found = (classify(LABELS, mask(), weighted_ring(), alpha, simplex=s).scores for s in (False, True))
    assert relative(found, free) < 1e-9


@alphas
def test_low_rank_is_dense_and_nodes_have_no_order(alpha):
    order = torch.randperm(NODES, generator=torch.Generator().manual_seed(0))
    low, dense = (
        classify(LABELS, mask(), relu_dot_shift(features(), form), alpha, simplex=True).scores
        for form in ("low_rank", "dense")
    )
    assert relative(low, dense) < 1e-9
    moved = relu_dot_shift(features()[:, order], "low_rank")
    found = classify(LABELS[order], mask()[order], moved, alpha, simplex=True).scores
    assert relative(found, low[:, order]) < 1e-9


@pytest.mark.parametrize(("name", "normalised"), [("simplex", False), ("simplex_normalised", True)])
def test_it_is_that_of_pygsp(name, normalised):
    graph, alpha = pygsp_graph(), 0.5 * float(PYGSP["lambda_max"]) / 2
    shift = pygsp_shift()
    if normalised:  # ``L`` itself, so that ``α = τ``
        shift, alpha = SparseShift.from_edge_index(graph.edge_index, graph.edge_weight, 36), 0.5
    found = classify(PYGSP["labels"], PYGSP["mask"], shift, alpha, simplex=True)
    assert (found.scores[0] - PYGSP[name]).abs().max() < 1e-10


def test_single_precision_and_a_mask_for_each_graph():
    shift, masks = SHIFTS["low-rank"](), torch.stack([mask(), mask().roll(1)])
    found = classify(LABELS, masks, shift, 0.2, simplex=True)
    for index in range(2):
        own = classify(LABELS, masks[index], shift.graph(index), 0.2, simplex=True)
        assert relative(found.scores[index : index + 1], own.scores) < 1e-9
    single = classify(LABELS, masks, shift.to(torch.float32), 0.2, simplex=True).scores
    assert single.dtype == torch.float32 and relative(single.double(), found.scores) < 1e-5


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_gradients(alpha):
    """Of factors, and of a matrix with zeros beside those of known nodes."""
    factor = (features(batch=1, rank=4) / 5).requires_grad_()
    matrix = 0.9 * signed().matrix[:1]

    def scores(shift):
        return classify(LABELS, mask(), shift, alpha, simplex=True).scores

    assert (scores(matrix) == 0).sum() > 2 + 8 * (alpha == 0)  # ten at known nodes
    assert gradcheck(lambda f: scores(LowRankShift(f)), (factor,))
    assert gradcheck(lambda m: scores(0.5 * (m + m.mT)), (matrix.requires_grad_(),))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: classify(LABELS, mask(), signed(), simplex=1), TypeError, "simplex must be True or False"),
        (
            lambda: classify(LABELS, mask(), 1.5 * torch.eye(NODES), 9.0, simplex=True),
            ValueError,
            "eigenvalue 1.5 > 1.*normalise",
        ),
        (lambda: classify(LABELS, ~mask() & mask(), signed(), simplex=True), ValueError, "names no node"),
        (lambda: classify(LABELS, mask(), signed(), -1, simplex=True), ValueError, "alpha must be"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
