"""A shift is a value: what was done with it before changes nothing of what it gives."""

import copy
import re
from functools import partial

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from filters import ARMA, Cayley, Chebyshev, DenseShift, Identity, Rational
from gsp_nonlocal import NonlocalBlock
from tests.cases.shifts import SHIFTS
from tests.cases.signals import IN, OUT, relative, signal

FILTERS = {
    "chebyshev": lambda: Chebyshev(IN, OUT, order=2),
    "cayley": lambda: Cayley(IN, OUT, order=2),
    "arma": lambda: ARMA(IN, OUT, order=2),
}
every_use = pytest.mark.parametrize(
    ("graph", "name"), [(g, n) for g in SHIFTS for n in FILTERS if not (n == "arma" and "exponential" in g)]
)


def leaves(graph):
    """The shift made of tensors that want a gradient, and these tensors."""
    held = []

    def leaf(part):
        held.append(part.detach().clone().requires_grad_())
        return held[-1]

    return SHIFTS[graph]().mapped(leaf), held


def make(name):
    torch.manual_seed(0)
    return FILTERS[name]().double()


def gradients(f, z, shift, held):
    total = f(z, shift).square().sum()
    return torch.autograd.grad(total, held, allow_unused=True)


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert (one is None) == (other is None)
        assert one is None or relative(one, other) < 1e-9


def look(f, z, shift):
    with torch.no_grad():
        f(z, shift)


def infer(f, z, shift):
    with torch.inference_mode():
        f(z, shift)


def train(f, z, shift):
    f(z, shift).sum().backward()


def transpose(f, z, shift):
    with torch.inference_mode():
        shift.T @ z


@every_use
def test_an_earlier_use_leaves_gradients_as_they_are(graph, name):
    f, z = make(name), signal()
    fresh, own = leaves(graph)
    expected = gradients(f, z, fresh, own)
    for before in (look, infer, train, transpose):
        shift, held = leaves(graph)
        before(f, z, shift)
        assert_same(gradients(f, z, shift, held), expected)


@every_use
def test_a_filter_can_be_checkpointed_with_a_shift_made_outside(graph, name):
    f, z = make(name), signal()
    (shift, held), (fresh, own) = leaves(graph), leaves(graph)
    look(f, z, shift)
    total = sum(checkpoint(f, z, shift, use_reentrant=False).square().sum() for _ in range(2)) / 2
    assert_same(torch.autograd.grad(total, held, allow_unused=True), gradients(f, z, fresh, own))


@every_use
def test_tensors_changed_in_place_are_read_anew(graph, name):
    f, z = make(name), signal()
    (shift, held), (other, own) = leaves(graph), leaves(graph)
    f(z, shift)
    with torch.no_grad():
        for part in (*held, *own):
            part.mul_(0.9)
    assert_same(gradients(f, z, shift, held), gradients(f, z, other, own))


@every_use
def test_a_used_shift_can_be_copied(graph, name):
    f, z = make(name), signal()
    # what these shifts hold is a view of the leaf, and views of leaves cannot be copied
    views = "sparse" in graph or "heads" in graph
    shift = SHIFTS[graph]().detach() if views else leaves(graph)[0]
    y = f(z, shift)
    twin = copy.deepcopy(shift)
    assert torch.equal(f(z, twin), y)
    assert twin.promises == shift.promises


@every_use
def test_a_second_derivative_is_right_or_refused_by_name(graph, name):
    """Against the same filter on the matrix, which is differentiable any number of times."""
    f, z = make(name), signal()

    def second(shift, held):
        total = f(z, shift).square().sum() + (shift @ z).sum()  # of a sum the incoming gradient is constant
        first = torch.autograd.grad(total, held, create_graph=True, allow_unused=True)
        total = sum(g.square().sum() for g in first if g is not None)
        second = torch.autograd.grad(total, held, allow_unused=True)  # which edges a mask hides is a constant
        return [g for g in second if g is not None]

    (shift, held), (other, own) = leaves(graph), leaves(graph)
    expected = second(DenseShift(other.to_dense()), own) if is_a_matrix_of(graph) else None
    try:
        found = second(shift, held)
    except NotImplementedError as error:
        assert re.search(r"second derivative .*(form=|to_dense)", str(error))
    else:
        assert_same(found, expected)


def is_a_matrix_of(graph):
    """Not of exponents with offsets: constants to the shift, in the matrix they would count."""
    return "exponential" not in graph and "transposed" not in graph


@pytest.mark.parametrize(
    "idle", [partial(Chebyshev, order=0), lambda i, o: 2 * Chebyshev(i, o, order=0) @ Identity()]
)
def test_a_filter_that_uses_no_graph_is_said(idle):
    with pytest.warns(UserWarning, match=r"does not use the graph.*order >= 1"):
        NonlocalBlock(8, filter=idle)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("busy", [Chebyshev, partial(Rational, order=0), partial(ARMA, iterations=1), Cayley])
def test_a_filter_that_uses_the_graph_gives_its_affinity_a_gradient(busy):
    block = NonlocalBlock(8, filter=busy, gate=False)
    block(torch.randn(2, 8, 3, 3)).sum().backward()
    assert all(p.grad is not None for p in block.affinity.parameters())
