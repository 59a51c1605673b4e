"""Laws of compositions: every family with every other, in cascade and in sum, on every kind of shift."""

from functools import partial
from itertools import product

import pytest
import torch

from filters import DenseShift, registry
from tests.cases.filters import FAMILIES, FIXED
from tests.cases.own import Horner, Learned
from tests.cases.shifts import CLOSED, SHIFTS
from tests.cases.signals import IN, OUT, relative, signal

MIDDLE = 3
"""Channels between two filters, other than those at their ends: a zero of the wrong shape does not fit."""


MAKERS = {
    **{name: partial(family, order=2) for name, (family, _) in FAMILIES.items()},
    "arma, iterated": lambda i, o: FAMILIES["arma"][0](i, o, order=2, iterations=2),
    **{name: partial(registry.get(name), order=2) for name in ("favard", "factored", "horner", "clenshaw")},
    **{f"own {kind.__name__.lower()}": partial(kind, order=2) for kind in (Learned, Horner)},
}
FIXED_AFTER = {name: f for name, (f, _) in FIXED.items() if name in ("heat", "function")}


WHOLE = ("low-rank", "low-rank, odd rank, no core", "dense", "diagonal")
"""One graph of each kind of closed arithmetic: all pairs run there."""


def dense(shift):
    """The same graph as a matrix, with the same promise."""
    return DenseShift(shift.to_dense(), is_symmetric=shift.is_symmetric)


def tolerance(graph):
    """Where a graph has no closed resolvent, a filter may iterate to 1e-12 of the residual."""
    return 1e-11 if graph.startswith(CLOSED) else 1e-9


def pairs(graph):
    """All pairs, or each first filter with a second in turn."""
    everything = list(product(MAKERS, MAKERS))
    if graph in WHOLE:
        return everything
    begin = list(SHIFTS).index(graph)
    return everything[begin % len(MAKERS) :: len(MAKERS) + 1]


def parts(outer, inner):
    return (MAKERS[outer], (MIDDLE, OUT)), (MAKERS[inner], (IN, MIDDLE)), (MAKERS[inner], (IN, OUT))


@pytest.mark.parametrize("graph", SHIFTS)
def test_every_pair_agrees_with_its_dense_form(graph):
    shift, matrix, z = SHIFTS[graph](), dense(SHIFTS[graph]()), signal()
    torch.manual_seed(0)
    for outer, inner in pairs(graph):
        f, g, h = (make(*size).double() for make, size in parts(outer, inner))
        composed = f @ g - 0.5 * h
        assert relative(composed(z, shift), composed(z, matrix)) < tolerance(graph), str(composed)


@pytest.mark.parametrize("graph", [g for g in SHIFTS if g.startswith(CLOSED) and SHIFTS[g]().is_symmetric])
@pytest.mark.parametrize("fixed", FIXED_AFTER)
def test_every_family_beside_a_fixed_response(graph, fixed):
    shift, matrix, z, f = SHIFTS[graph](), dense(SHIFTS[graph]()), signal(), FIXED_AFTER[fixed]
    torch.manual_seed(0)
    for make in MAKERS.values():
        g = make(IN, OUT).double()
        composed = g @ f + f @ g
        assert relative(composed(z, shift), composed(z, matrix)) < tolerance(graph), str(composed)
