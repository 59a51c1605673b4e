"""Laws of graph filters."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.func import functional_call

from filters import DenseShift, GraphFilter, ShiftOperator
from gsp_nonlocal.affinity import relu_dot_shift
from gsp_nonlocal.shifts import Form
from gsp_nonlocal.testing.law import (
    Measured,
    changed,
    device_of,
    drawn,
    gradients,
    relative,
    require,
    violation,
)

_NODES = 12
_FORMS: tuple[Form, ...] = ("low_rank", "dense")


def check_filter(filter: GraphFilter, shift: ShiftOperator | None = None, *, seed: int = 0) -> None:
    """``P H(S) z = H(P S Pᵀ) P z`` and the other laws of a filter, in float64, where it or the shift is.

    It is linear in ``z``, the same on a shift and on its matrix, ``U H(Λ) Uᵀ z`` on a symmetric one, the same
    twice, keeps samples apart and inputs as they are, and its gradients are those of its values.

    Args:
        filter: called ``filter(z, shift)``; it is copied, and stays as it is.
        shift: only laws of a filter on a graph, on this one; by default all laws, on a low-rank, a dense
            and, where the filter takes it, a directed one.
        seed: of signals and graphs.

    Raises:
        AssertionError: names the laws that the filter breaks.

    Example:
        >>> from filters import Chebyshev
        >>> check_filter(Chebyshev(3, 2, order=2))
    """
    f = copy.deepcopy(filter).double()
    shifts = _examples(f, seed) if shift is None else [shift.to(torch.float64)]
    alone = [violation(filter, law, f, seed) for law in (FILTER_LAWS if shift is None else ())]
    require(
        [*alone, *(violation(filter, law, f, one, seed) for law in FILTER_LAWS_ON_A_SHIFT for one in shifts)]
    )


def _features(f: GraphFilter, seed: int, batch: int = 2, nodes: int = _NODES, rank: int = 6) -> Tensor:
    return drawn(batch, nodes, rank, seed=seed, device=device_of(f)).relu()


def _examples(f: GraphFilter, seed: int) -> list[ShiftOperator]:
    undirected: list[ShiftOperator] = [relu_dot_shift(_features(f, seed), form) for form in _FORMS]
    weights = drawn(1, _NODES, _NODES, seed=seed, device=device_of(f)).softmax(-1)
    return undirected if f.requires_symmetric else [*undirected, DenseShift(weights, is_row_stochastic=True)]


def _signal(f: GraphFilter, seed: int, batch: int = 2, nodes: int = _NODES) -> Tensor:
    return drawn(batch, nodes, f.in_channels or 3, seed=seed + 7, device=device_of(f))


def _signal_on(shift: ShiftOperator, f: GraphFilter, seed: int) -> Tensor:
    return _signal(f, seed, nodes=shift.shape[-1]).to(shift.device)


def _limit(shift: ShiftOperator) -> float:
    """Where a graph has no closed resolvent, a filter may iterate to 1e-12 of the residual."""
    return 1e-9 if type(shift).resolvent is ShiftOperator.resolvent else 1e-11


def _dense_form(f: GraphFilter, shift: ShiftOperator, seed: int) -> Iterator[Measured]:
    """A filter does the same on a shift and on its matrix."""
    z, matrix = _signal_on(shift, f, seed), shift.to_dense()
    expected = f(z, DenseShift(matrix, is_symmetric=shift.is_symmetric))
    for layout in (z.contiguous(), z.mT.contiguous().mT):
        yield Measured("difference", relative(f(layout, shift), expected), _limit(shift))


def _linear(f: GraphFilter, shift: ShiftOperator, seed: int) -> Iterator[Measured]:
    """A filter is linear in the signal."""
    one, other = (_signal_on(shift, f, seed + i) for i in (1, 2))
    expected = 2 * f(one, shift) - 3 * f(other, shift)
    yield Measured("difference", relative(f(2 * one - 3 * other, shift), expected), _limit(shift))


def _eigenbasis(f: GraphFilter, shift: ShiftOperator, seed: int) -> Iterator[Measured]:
    """A filter is its response in the eigenbasis of a symmetric shift."""
    if shift.is_symmetric:
        z = _signal_on(shift, f, seed)
        eigenvalues, basis = torch.linalg.eigh(shift.to_dense())
        response = torch.stack([f.response(1 - mu) for mu in eigenvalues]).expand(len(z), -1, -1, -1)
        spectral = basis.mT @ z
        matrices = response if f.in_channels else response * torch.eye(z.shape[-1]).to(z)
        filtered = torch.einsum("bnc,bncd->bnd", spectral, matrices)
        yield Measured("difference", relative(f(z, shift), basis @ filtered), 1e-9)


def _repeatable(f: GraphFilter, seed: int) -> Iterator[Measured]:
    """A filter gives the same twice and changes none of its inputs."""
    z, shift = _signal(f, seed), relu_dot_shift(_features(f, seed), "low_rank")
    tensors = [z, shift.to_dense(), *f.state_dict().values()]
    before = [tensor.clone() for tensor in tensors]
    first = f(z, shift)
    yield Measured("number of values that differ", int((f(z, shift) != first).sum()))
    tensors[1] = shift.to_dense()
    yield Measured("number of changed inputs", changed(tensors, before))


def _permuted(f: GraphFilter, seed: int) -> Iterator[Measured]:
    """A filter is equivariant to permutations of the nodes."""
    z, features = _signal(f, seed), _features(f, seed)
    order = torch.randperm(_NODES, generator=torch.Generator().manual_seed(seed))
    expected = f(z, relu_dot_shift(features, "low_rank"))[:, order]
    found = f(z[:, order], relu_dot_shift(features[:, order], "low_rank"))
    yield Measured("difference", relative(found, expected), 1e-12)


def _apart(f: GraphFilter, seed: int) -> Iterator[Measured]:
    """Samples of a batch do not touch each other in a filter."""
    z, features = _signal(f, seed), _features(f, seed)
    whole = f(z, relu_dot_shift(features, "low_rank"))
    alone = f(z[:1], relu_dot_shift(features[:1], "low_rank"))
    yield Measured("difference", relative(whole[:1], alone), 1e-12)


def _plain(f: GraphFilter, seed: int) -> Iterator[Measured]:
    """A filter takes a plain tensor for a shift."""
    z, shift = _signal(f, seed), relu_dot_shift(_features(f, seed), "dense")
    yield Measured("difference", relative(f(z, shift.to_dense()), f(z, shift)), 1e-12)


def _differentiable(f: GraphFilter, seed: int) -> Iterator[Measured]:
    """Gradients of a filter in signal, graph and parameters are those of its values."""
    z, edges = _signal(f, seed, 1, 5), _features(f, seed, 1, 5, 4) + 0.3
    for form in _FORMS:

        def run(state: dict[str, Tensor], z: Tensor, edges: Tensor, form: Form = form) -> Tensor:
            return functional_call(f, state, (z, relu_dot_shift(edges, form)))

        yield gradients(f, run, z, edges)


FILTER_LAWS_ON_A_SHIFT = (_dense_form, _linear, _eigenbasis)
FILTER_LAWS = (_permuted, _apart, _plain, _differentiable, _repeatable)
