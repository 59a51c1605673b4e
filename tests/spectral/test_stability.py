"""The penalty of the stable hypothesis: that of the matrix, for every kind of graph, with its gradient."""

import pytest
import torch
from torch.autograd import gradcheck

from filters import DenseShift, DiagonalShift
from gsp_nonlocal.affinity import relu_dot_shift
from gsp_nonlocal.shifts import AttentionShift, LowRankShift
from gsp_nonlocal.shifts.structure import factored, stored_matrix
from gsp_nonlocal.spectral import stable_penalty
from tests.cases.shifts import SHIFTS
from tests.cases.signals import embeddings, features, relative


def of_matrix(shift):
    matrix = shift.to_dense()
    return torch.linalg.matrix_norm(matrix @ matrix - matrix)


def is_exact(shift):
    return any(part is not None for part in (factored(shift), stored_matrix(shift), shift.diagonal))


EXACT = [name for name, make in SHIFTS.items() if is_exact(make())]


@pytest.mark.parametrize("name", EXACT)
def test_it_is_that_of_the_matrix(name):
    assert relative(stable_penalty(SHIFTS[name]()), of_matrix(SHIFTS[name]())) < 1e-12


@pytest.mark.parametrize("name", [name for name in SHIFTS if name not in EXACT])
def test_an_estimate_comes_close(name):
    """The deviation of ``p`` probes is about ``√(2/p)`` of the square: 6 of them here."""
    shift, generator = SHIFTS[name](), torch.Generator().manual_seed(0)
    found = stable_penalty(shift, probes=4000, generator=generator)
    assert relative(found.square(), of_matrix(shift).square()) < 6 * (2 / 4000) ** 0.5


@pytest.mark.parametrize(
    "make",
    [
        lambda f: relu_dot_shift(f, "low_rank"),
        lambda f: relu_dot_shift(f, "dense"),
        lambda f: LowRankShift(f / 9, f.flip(1) / 9),
        lambda f: DiagonalShift(f[..., 0]),
        lambda f: AttentionShift(f, f.flip(1)),
    ],
)
def test_gradients(make):
    values = (features(2, 6, 4) + 0.3).requires_grad_()
    assert gradcheck(lambda f: stable_penalty(make(f), generator=torch.Generator().manual_seed(1)), values)


@pytest.mark.parametrize("form", ["low_rank", "dense"])
def test_gradients_of_factors_are_those_of_the_matrix(form):
    both = []
    for penalty in (stable_penalty, of_matrix):
        values = features().requires_grad_()
        both.append(torch.autograd.grad(penalty(relu_dot_shift(values, form)).sum(), values)[0])
    assert relative(*both) < 1e-10


@pytest.mark.parametrize("nodes", [1, 7])
def test_a_stable_graph_has_none_and_no_gradient(nodes):
    ones = torch.ones(1, nodes, 1, dtype=torch.float64, requires_grad=True)
    for shift in (LowRankShift(ones / nodes, ones), DenseShift(ones @ ones.mT / nodes)):
        penalty = stable_penalty(shift)
        assert penalty.item() < 1e-15
        assert torch.autograd.grad(penalty.sum(), ones)[0].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_narrow_types_are_close(dtype):
    narrow = relu_dot_shift(features().to(dtype), "low_rank")
    assert stable_penalty(narrow).dtype == torch.float32
    assert relative(stable_penalty(narrow).double(), stable_penalty(narrow.to(torch.float64))) < 1e-5


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (("S",), TypeError, "str"),
        ((torch.ones(2, 3),), ValueError, "square matrix"),
        ((torch.eye(3), 0), ValueError, "probes must be at least 1, got 0"),
        ((torch.eye(3), 1.5), TypeError, "probes"),
    ],
)
def test_bad_input_is_named(arguments, error, said):
    shift, *probes = arguments
    with pytest.raises(error, match=said):
        stable_penalty(shift, **dict(zip(("probes",), probes, strict=False)))


def test_no_square_of_the_nodes_is_formed():
    found = stable_penalty(relu_dot_shift(torch.rand(1, 200_000, 4), "low_rank"))
    assert found.shape == (1,)


def test_other_embeddings_of_attention_have_other_penalties():
    query, key = embeddings()
    generator = torch.Generator().manual_seed(0)
    one = stable_penalty(AttentionShift(query, key), probes=64, generator=generator)
    other = stable_penalty(AttentionShift(5 * query, key), probes=64, generator=generator)
    assert (one != other).all()
