"""Laws of shift operators."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from filters import ShiftOperator, mix
from filters.operators.promises import Promises
from filters.operators.signal import Signal, materialise
from gsp_nonlocal.shifts import DenseShift, DiagonalShift, scaled
from gsp_nonlocal.testing.law import Measured, changed, drawn, obey, relative

_SYSTEMS = ((1.0, 0.5), (2.0, -0.9), (1j, 0.3 + 0.2j), (1.5 - 1j, 0.7))
"""``a`` and ``b`` of ``a I + b S``, where ``|μ| ≤ 1``."""


def check_shift(shift: ShiftOperator) -> None:
    """``S z``, ``Sᵀ z`` and ``(a I + b S)⁻¹ z`` are the matrix's, and the other laws of a shift, in float64.

    Its lazy signals have the arithmetic of tensors; copies, sums, transposes and single graphs of it are what
    they should be, with promises that are true; ``S = U diag(μ) Uᵀ`` where it gives eigenpairs.

    Args:
        shift: of up to some hundred nodes: it is compared with its matrix.

    Raises:
        AssertionError: names the laws that the shift breaks.

    Example:
        >>> check_shift(DenseShift(torch.eye(3), is_symmetric=True, spectral_bound=1.0))
    """
    obey(shift, SHIFT_LAWS, shift.to(torch.float64))


def check_promises(shift: ShiftOperator) -> None:
    """``S = Sᵀ``, ``S 1 ∈ {0, 1}``, ``|μ| ≤ c``: what a shift promises is true of its matrix, as it is.

    Args:
        shift: of up to some hundred nodes: its matrix is formed.

    Raises:
        AssertionError: names what is not true.

    Example:
        >>> check_promises(DenseShift(torch.ones(2, 2), is_symmetric=True, spectral_bound=2.0))
    """
    obey(shift, (promises_kept,), shift)


def promises_kept(shift: ShiftOperator) -> Iterator[Measured]:
    """What a shift promises is true."""
    dense = shift.to_dense().detach().double()
    rounding = 1e3 * torch.finfo(shift.dtype).eps
    if shift.is_symmetric:
        greatest = float(dense.abs().max().clamp_min(1e-30))
        yield Measured("asymmetry", float((dense - dense.mT).abs().max()), rounding * greatest)
    if shift.is_row_stochastic:
        sums = dense.sum(-1)
        yield Measured("number of negative entries", int((dense < 0).sum()))
        off = float((sums - 1).abs().where(sums != 0, 0.0).max())
        yield Measured("distance of a row's sum from 0 and 1", off, max(1e-9, rounding))
    if shift.spectral_bound is not None:
        yield Measured("greatest |μ|", _radius(dense), shift.spectral_bound + max(1e-6, rounding))


def _radius(dense: Tensor) -> float:
    least = 1e-20 * dense.abs().max()
    balanced = dense.where(dense.abs() > least, 0.0)  # LAPACK cannot balance smaller numbers
    # MKL, as PyTorch calls it, does not converge on some matrices of rank 1
    return float(np.abs(np.linalg.eigvals(balanced.detach().cpu().numpy())).max())


def _signal(shift: ShiftOperator, channels: int = 4, seed: int = 7) -> Tensor:
    return drawn(max(2, shift.shape[0]), shift.shape[-1], channels, seed=seed, device=shift.device)


def _applied(shift: ShiftOperator) -> Iterator[Measured]:
    """A shift, its transpose and its prepared form apply its matrix."""
    z, dense = _signal(shift), shift.to_dense()
    pairs = {
        "S z": (shift, dense),
        "Sᵀ z": (shift.T, dense.mT),
        "(Sᵀ)ᵀ z": (shift.T.T, dense),
        "S z, prepared": (shift.prepared(), dense),
    }
    for name, (operator, matrix) in pairs.items():
        yield Measured(f"difference of {name}", relative(operator @ z, matrix @ z), 1e-12)
        yield Measured(f"difference of the matrix of {name}", relative(operator.to_dense(), matrix), 1e-12)


def _solved(shift: ShiftOperator) -> Iterator[Measured]:
    """The resolvent of a shift is the inverse of a I + b S."""
    z, size = _signal(shift), max(1.0, _radius(shift.to_dense()))
    one = torch.tensor(1.2).double(), torch.tensor(0.4j, dtype=torch.complex128)
    for a, b in (*_SYSTEMS, one):
        y = shift.solve(z, a, b / size)
        back = a * y + b / size * (shift @ y)
        yield Measured(f"residual of a = {a}, b = {b}", relative(back, z.to(back.dtype)), 1e-11)


def _lazy(shift: ShiftOperator) -> Iterator[Measured]:
    """The signals of a shift have the arithmetic of tensors."""
    z, weight, size = _signal(shift), drawn(4, 3, device=shift.device), max(1.0, _radius(shift.to_dense()))

    def program(s: Signal) -> tuple[Signal, Signal]:
        y = shift(s)
        resolvent = shift.solve(2 * s - y, 1j, 0.5 / size)
        return y + torch.tensor(0.5, dtype=torch.float64) * shift(y) - s, resolvent

    for found, exact in zip(program(shift.signal(z)), program(z), strict=True):
        plain = materialise(exact)
        yield Measured("difference", relative(materialise(found), plain), 1e-11)
        parts = [(s.real, s.imag) for s in (found, exact)] if plain.is_complex() else [(found,), (exact,)]
        for one, other in zip(*parts, strict=True):
            mixed = materialise(mix(one, weight))
            yield Measured("difference, mixed", relative(mixed, materialise(other) @ weight), 1e-11)


def _graphs(shift: ShiftOperator) -> Iterator[Measured]:
    """Graph i of a batch is that graph, and no other exists."""
    dense = shift.to_dense()
    for index in range(shift.shape[0]):
        one = shift.graph(index)
        yield Measured("number of graphs in it", one.shape[0], 1)
        difference = relative(one.to_dense(), dense[index : index + 1])
        yield Measured(f"difference of graph {index}", difference, 1e-14)
    try:
        shift.graph(shift.shape[0])
    except IndexError as error:
        missing = f"graph {shift.shape[0]} is out of range" not in str(error)
        yield Measured("number of messages that do not say so", int(missing))
    else:
        yield Measured("number of graphs out of range", 1)


_COPIES: dict[str, Callable[[ShiftOperator], ShiftOperator]] = {
    "itself": lambda s: s,
    "float32": lambda s: s.to(torch.float32),
    "detached": lambda s: s.detach(),
    "mapped": lambda s: s.mapped(torch.clone),
    "with its own promises": lambda s: s.promising(s.promises),
    "first graph": lambda s: s.graph(0),
    "prepared": lambda s: s.prepared(),
}


def _copied(shift: ShiftOperator) -> Iterator[Measured]:
    """Copies of a shift are that shift, with its promises."""
    for name, copy in _COPIES.items():
        twin = copy(shift)
        expected, limit = shift.to_dense()[: twin.shape[0]], 1e-14 if twin.dtype == shift.dtype else 1e-5
        yield Measured(f"difference of '{name}'", relative(twin.to_dense().double(), expected), limit)
        yield Measured(f"number of other promises of '{name}'", _others(twin.promises, shift.promises))
        yield from (finding._replace(what=f"{finding.what} of '{name}'") for finding in promises_kept(twin))
    single = _COPIES["float32"](shift)
    types = {single.dtype, single.to_dense().dtype, torch.float32}
    yield Measured("number of data types of a copy in float32", len(types), 1)
    yield Measured("number of copies without need", int(shift.to(torch.float64) is not shift))
    yield Measured("number of gradients of '.detach()'", int(shift.detach().to_dense().requires_grad))


def _others(one: Promises, other: Promises) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))


def _made(s: ShiftOperator) -> dict[str, tuple[ShiftOperator, Tensor]]:
    """What is made of a shift, and its matrix."""
    dense, identity = s.to_dense(), torch.eye(s.shape[-1]).to(s.to_dense())
    ones = torch.ones(1, s.shape[-1], 1).to(dense)
    eye, matrix = (
        DiagonalShift(ones[..., 0], spectral_bound=1.0),
        DenseShift(identity, is_row_stochastic=True),
    )
    return {
        "Sᵀ": (s.T, dense.mT),
        "−S/2": (scaled(s, -0.5 * ones, ones, **s.promises.times(-0.5).keywords()), -0.5 * dense),
        "S + S": (s + s, 2 * dense),
        "S + Sᵀ": (s + s.T, dense + dense.mT),
        "S + I": (s + eye, dense + identity),
        "I + S": (eye + s, dense + identity),
        "S + matrix": (s + matrix, dense + identity),
        "S without promises": (s.promising(Promises()), dense),
    }


def _derived(shift: ShiftOperator) -> Iterator[Measured]:
    """What is made of a shift is what it should be, and promises what is true."""
    for name, (operator, dense) in _made(shift).items():
        yield Measured(f"difference of {name}", relative(operator.to_dense(), dense), 1e-12)
        yield from (finding._replace(what=f"{finding.what} of {name}") for finding in promises_kept(operator))
    yield Measured("number of other promises of Sᵀ", _others(shift.T.promises, shift.promises.transposed))


def _decomposed(shift: ShiftOperator) -> Iterator[Measured]:
    """The eigenpairs of a symmetric shift are its matrix."""
    pairs = shift.eigenpairs() if shift.is_symmetric else None
    if pairs is not None:
        eigenvalues, basis = pairs
        found = basis * eigenvalues.unsqueeze(-2) @ basis.mT
        yield Measured("difference", relative(found, shift.to_dense()), 1e-10)


def _repeatable(shift: ShiftOperator) -> Iterator[Measured]:
    """A shift gives the same twice, and changes neither itself nor the signal."""
    z, before = _signal(shift), [_signal(shift), shift.to_dense().clone()]
    first = shift @ z
    yield Measured("number of values that differ", int((shift @ z != first).sum()))
    yield Measured("number of changed inputs", changed([z, shift.to_dense()], before))


SHIFT_LAWS = (promises_kept, _applied, _solved, _lazy, _graphs, _copied, _derived, _decomposed, _repeatable)
