"""Laws that hold for every filter on every shift, in float64."""

import pytest
import torch
from torch.autograd import gradcheck
from torch.utils._python_dispatch import TorchDispatchMode

from filters import Chebyshev, DenseShift, Identity
from filters.operators.plain import DiagonalShift
from gsp_nonlocal.affinity import relu_dot_shift
from tests.cases.filters import FILTERS, FIXED
from tests.cases.shifts import CLOSED, SHIFTS
from tests.cases.signals import IN, NODES, OUT, channel_first, features, relative, signal

filters_table = pytest.mark.parametrize("name", FILTERS)


def make(name: str):
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    try:
        return FILTERS[name].make().double()
    finally:
        torch.set_default_dtype(torch.float32)


def dense(shift):
    """The same graph as a matrix, with the same promise."""
    return DenseShift(shift.to_dense(), is_symmetric=shift.is_symmetric)


def accepts(name, graph, symmetric):
    """Whether the filter takes this graph, and exactly: no polynomial comes close to a jump."""
    needs_symmetry = symmetric or FILTERS[name].make().requires_symmetric
    approximated = name == "low-pass" and not graph.startswith(CLOSED)
    return (SHIFTS[graph]().is_symmetric or not needs_symmetry) and not approximated


def pairs(symmetric=False):
    """Every filter on every shift that it accepts."""
    return [(name, graph) for name in FILTERS for graph in SHIFTS if accepts(name, graph, symmetric)]


def tolerance(graph):
    """Where a graph has no closed resolvent, a filter may iterate to 1e-12 of the residual."""
    return 1e-11 if graph.startswith(CLOSED) else 1e-9


@pytest.mark.parametrize(("name", "graph"), pairs())
@pytest.mark.parametrize("layout", [torch.Tensor.contiguous, channel_first])
def test_every_shift_agrees_with_its_dense_form(name, graph, layout):
    f, shift, z = make(name), SHIFTS[graph](), layout(signal())
    assert relative(f(z, shift), f(z, dense(shift))) < tolerance(graph)


@filters_table
def test_a_plain_tensor_is_a_shift(name):
    f, shift, z = make(name), SHIFTS["dense"](), signal()
    assert relative(f(z, shift.to_dense()), f(z, shift)) < 1e-12


@pytest.mark.parametrize(("name", "graph"), pairs(symmetric=True))
def test_the_filter_acts_as_its_response_in_the_eigenbasis(name, graph):
    f, shift, z = make(name), SHIFTS[graph](), signal()
    eigenvalues, basis = torch.linalg.eigh(shift.to_dense())
    spectral = basis.mT @ z
    response = torch.stack([f.response(1 - mu) for mu in eigenvalues])
    expected = basis @ torch.einsum("bnc,bncd->bnd", spectral, response.expand(2, -1, -1, -1))
    assert relative(f(z, shift), expected) < 1e-9


@pytest.mark.parametrize("name", [n for n in FILTERS if FILTERS[n].terms])
def test_the_response_is_the_sum_of_the_terms(name):
    f, lam = make(name), torch.linspace(0, 2, 33, dtype=torch.float64)
    terms = torch.stack(FILTERS[name].terms(lam))
    assert relative(f.response(lam), torch.einsum("kl,kio->lio", terms, f.weight)) < 1e-12


@pytest.mark.parametrize("name", FIXED)
def test_a_fixed_filter_has_its_response(name):
    lam = torch.linspace(0, 2, 33, dtype=torch.float64)
    f, exact = FIXED[name]
    assert relative(f.response(lam).flatten(), exact(lam)) < 1e-14


@pytest.mark.parametrize(("name", "graph"), pairs())
def test_a_filter_is_linear(name, graph):
    f, shift = make(name), SHIFTS[graph]()
    one, other = signal(seed=1), signal(seed=2)
    assert relative(f(2 * one - 3 * other, shift), 2 * f(one, shift) - 3 * f(other, shift)) < tolerance(graph)


@filters_table
def test_a_filter_is_equivariant_to_permutations(name):
    f, z, order = make(name), signal(), torch.randperm(NODES)
    permuted = f(z[:, order], relu_dot_shift(features()[:, order], "low_rank"))
    assert relative(permuted, f(z, relu_dot_shift(features(), "low_rank"))[:, order]) < 1e-12


@filters_table
def test_samples_of_a_batch_do_not_touch_each_other(name):
    f, z = make(name), signal()
    whole = f(z, relu_dot_shift(features(), "low_rank"))
    alone = f(z[:1], relu_dot_shift(features()[:1], "low_rank"))
    assert relative(whole[:1], alone) < 1e-12


@filters_table
@pytest.mark.parametrize("form", ["low_rank", "dense"])
def test_gradients(name, form):
    f = make(name)
    z = signal(nodes=5, batch=1).requires_grad_()
    edges = (features(1, 5, 4) + 0.3).requires_grad_()
    parameters = [p.detach().clone().requires_grad_() for p in f.parameters()]

    def run(z, edges, *values):
        state = dict(zip(dict(f.named_parameters()), values, strict=True))
        return torch.func.functional_call(f, state, (z, relu_dot_shift(edges, form)))

    assert gradcheck(run, (z, edges, *parameters), fast_mode=True)


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
