"""Laws that hold for every filter on every shift, in float64."""

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from filters import Chebyshev, DenseShift, Filter, Identity, polynomial
from filters.operators.plain import DiagonalShift
from filters.operators.signal import materialise
from filters.polynomial import PolynomialFilter, clenshaw
from gsp_nonlocal.affinity import relu_dot_shift
from gsp_nonlocal.testing import check_filter
from tests.cases.filters import FILTERS, FIXED
from tests.cases.shifts import CLOSED, SHIFTS
from tests.cases.signals import IN, NODES, OUT, features, relative, signal


def make(name: str):
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    try:
        return FILTERS[name].make().double()
    finally:
        torch.set_default_dtype(torch.float32)


def accepts(name, graph):
    """Whether the filter takes this graph, and exactly: no polynomial comes close to a jump."""
    needs_symmetry = FILTERS[name].make().requires_symmetric
    approximated = name in ("low-pass", "rectangular") and not graph.startswith(CLOSED)
    undefined = name == "wave" and graph in ("sum of low-rank", "sum of kinds")  # arccos of more than 1
    return (SHIFTS[graph]().is_symmetric or not needs_symmetry) and not approximated and not undefined


WHOLE = ("low-rank", "dense")
PAIRS = [
    (name, graph)
    for i, name in enumerate(FILTERS)
    for j, graph in enumerate(SHIFTS)
    if ((i + j) % 3 == 0 or graph in WHOLE) and accepts(name, graph)
]
"""Every filter on every third shift, in turns: the three orders of one family meet all of them."""


@pytest.mark.parametrize(("name", "graph"), PAIRS)
def test_a_filter_keeps_the_laws_on_every_shift(name, graph):
    check_filter(make(name), SHIFTS[graph]())


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_keeps_the_laws(name):
    check_filter(make(name))


@pytest.mark.parametrize("name", [n for n in FILTERS if FILTERS[n].terms])
def test_the_response_is_the_sum_of_the_terms(name):
    f, lam = make(name), torch.linspace(0, 2, 33, dtype=torch.float64)
    terms = torch.stack(FILTERS[name].terms(lam))
    assert relative(f.response(lam), torch.einsum("kl,kio->lio", terms, f.weight)) < 1e-12


RECURRENT = [
    name
    for name in FILTERS
    if getattr(type(FILTERS[name].make()), "evaluate", None) is PolynomialFilter.evaluate
    and type(FILTERS[name].make()).terms is PolynomialFilter.terms
]


@pytest.mark.parametrize("graph", ["dense", "sparse", "low-rank"])
@pytest.mark.parametrize("name", RECURRENT)
def test_both_schemes_of_a_recurrence_give_the_same(name, graph, monkeypatch):
    """With fewer channels out than in it is Clenshaw's, but on factors."""
    f, shift = make(name), SHIFTS[graph]()
    f.weight, f.out_channels = nn.Parameter(f.weight[..., :2]), 2
    check_filter(f, shift)
    called = []
    monkeypatch.setattr(polynomial, "clenshaw", lambda *given: called.append(1) or clenshaw(*given))
    y = f(signal(), shift)
    assert len(called) == (graph != "low-rank")
    weight = f.mixing(f.weight)
    assert relative(y, materialise(Filter.evaluate(f, shift, shift.signal(signal()), weight))) < 1e-12


@pytest.mark.parametrize("name", FIXED)
def test_a_fixed_filter_has_its_response(name):
    lam = torch.linspace(0, 2, 33, dtype=torch.float64)
    f, exact = FIXED[name]
    assert relative(f.response(lam).flatten(), exact(lam)) < 1e-14


def test_a_polynomial_on_a_dense_graph_is_a_matrix_polynomial():
    f, shift, z = make("chebyshev-2"), SHIFTS["dense"](), signal()
    s = shift.to_dense()
    expected = z @ f.weight[0] + s @ z @ f.weight[1] + (2 * s @ s @ z - z) @ f.weight[2]
    assert relative(f(z, shift), expected) < 1e-12


def test_high_order_stays_bounded():
    f = Chebyshev(1, 1, order=64).double()
    with torch.no_grad():
        f.weight.fill_(1 / 65)
    z = signal(1)
    y = f(z, relu_dot_shift(features(), "low_rank"))
    assert y.norm() <= z.norm() * (1 + 1e-9)


def test_a_low_rank_filter_touches_the_nodes_twice_whatever_its_order():
    """Two products with the factors in all: one to project the signal, one to come back."""
    calls = {}
    for order in (2, 16):
        f, shift = Chebyshev(IN, OUT, order=order).double(), relu_dot_shift(features(1), "low_rank")
        with ProductsOverNodes() as counter:
            f(signal(batch=1), shift)
        calls[order] = counter.calls
    assert 0 < calls[2] == calls[16]


class ProductsOverNodes(TorchDispatchMode):
    """Counts the matrix products in which an operand has ``NODES`` rows or columns."""

    calls = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        shapes = [a.shape for a in args if isinstance(a, torch.Tensor)]
        if func.overloadpacket.__name__ in {"bmm", "mm", "baddbmm", "addmm"}:
            self.calls += any(NODES in shape for shape in shapes)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Chebyshev(IN, OUT, order=-1), ValueError, "order must be at least 0.*-1"),
        (lambda: Chebyshev(0, OUT), ValueError, "in_channels must be at least 1, got 0"),
        (lambda: Chebyshev(IN, OUT)(signal(3), torch.eye(NODES)), ValueError, "C=4"),
        (lambda: Chebyshev(IN, OUT)(signal(), torch.eye(7)), ValueError, "does not fit"),
        (lambda: Chebyshev(IN, OUT)(signal(), torch.ones(NODES, 3)), ValueError, "square matrix"),
        (lambda: Chebyshev(IN, OUT)(signal().long(), torch.eye(NODES)), TypeError, "int64"),
        (lambda: Chebyshev(IN, OUT)(signal() * 1j, torch.eye(NODES)), TypeError, "complex128"),
        (lambda: Chebyshev(IN, OUT)(signal(), torch.eye(NODES).long()), TypeError, "int64"),
        (lambda: Chebyshev(IN, OUT)(signal(), "graph"), TypeError, "f\\(z, shift\\)"),
        (lambda: Chebyshev(IN, OUT)(signal(batch=3), SHIFTS["dense"]()), ValueError, "batch"),
        (lambda: Chebyshev(IN, OUT) @ Chebyshev(IN, OUT), ValueError, "feeds"),
        (lambda: Chebyshev(IN, OUT) + Identity(IN), ValueError, "parallel"),
        (lambda: Chebyshev(IN, OUT).response(torch.ones(2, 2)), ValueError, "frequencies"),
        (lambda: DiagonalShift(torch.ones(1, 2, 3)), ValueError, "eigenvalues"),
        (lambda: DenseShift(torch.eye(3)) + DenseShift(torch.eye(4)), ValueError, "different graphs"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
