"""The spectrum of a shift, exact from its factors where it has factors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch

import torch
from jaxtyping import Shaped
from torch import Tensor

from filters.linear import is_symmetric
from gsp_nonlocal.shifts import DiagonalShift, LowRankShift, ShiftOperator, as_shift
from gsp_nonlocal.shifts.implicit import ImplicitShift

Eigenpairs = tuple[Tensor, Tensor | None]
"""Eigenvalues ``(B, K)`` and, where asked for, eigenvectors ``(B, N, K)``."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    r"""Eigenvalues ``μ`` of a shift ``S (B, N, N)``, in float64 and without gradients.

    Attributes:
        eigenvalues: all ``N`` of them, ``(B, N)``. Of a symmetric shift: real, descending. Of another:
            complex128, descending by real part, conjugate pairs side by side.
        paired: ``(B, K)``, in the same order: the eigenvalues that belong to the columns of
            ``eigenvectors``. ``K = N``, except for a low-rank shift: there ``K = min(N, R)``, and the
            ``N − K`` eigenvalues left out are exactly 0.
        eigenvectors: ``(B, N, K)``, columns of length 1 (orthonormal for a symmetric shift); ``None``
            unless asked for.
    """

    eigenvalues: Tensor
    paired: Tensor
    eigenvectors: Tensor | None = None

    @property
    def frequencies(self) -> Tensor:
        """Graph frequencies ``λ = 1 − μ``, ``(B, N)``, ascending; in ``[0, 2]`` for a normalised shift."""
        return 1 - self.eigenvalues

    @property
    def exact_zeros(self) -> int:
        """How many eigenvalues are 0 by the size of the factors alone: ``N − K``."""
        return self.eigenvalues.shape[-1] - self.paired.shape[-1]


@torch.no_grad()
def spectrum(shift: ShiftOperator | Tensor, *, eigenvectors: bool = False) -> Spectrum:
    r"""``S u = μ u``, graph by graph, in float64.

    For ``S = left core rightᵀ`` with a thin ``left = Q T``, every ``u`` with ``μ ≠ 0`` is ``u = Q v``, and

    .. math::
        (T\,core\,right^\top Q)\,v = μ v,

    a problem of size ``K = min(N, R)``; the other ``N − K`` eigenvalues are exactly 0. No ``N × N`` matrix
    appears. Other shifts go through their dense matrix, a diagonal one is sorted.

    Args:
        shift: any shift, or a plain tensor ``(B, N, N)`` or ``(N, N)``. A dense matrix that promises
            nothing is taken as symmetric where it equals its transpose up to rounding.
        eigenvectors: also compute the ``K`` eigenvectors of :attr:`Spectrum.paired`.

    Returns:
        A :class:`Spectrum`; real for symmetric shifts, complex for others.

    Raises:
        TypeError: if ``shift`` is neither a shift nor a real floating-point tensor.
        ValueError: if the shift has NaN or infinite entries; they are counted.

    References:
        Golub, Van Loan (2013), *Matrix Computations*, 8.1 and 10.6 (Rayleigh–Ritz on an invariant subspace).

    Example:
        >>> ring = torch.eye(4).roll(1, 0) + torch.eye(4).roll(-1, 0)
        >>> [round(mu, 6) for mu in spectrum(ring / 2).eigenvalues[0].tolist()]
        [1.0, 0.0, 0.0, -1.0]
        >>> found = spectrum(LowRankShift(torch.ones(1, 1000, 1) / 1000**0.5))
        >>> found.eigenvalues.shape, found.exact_zeros, round(found.eigenvalues.max().item(), 6)
        (torch.Size([1, 1000]), 999, 1.0)
    """
    shift = as_shift(shift)
    _require_finite(shift)
    values, vectors = _eigenpairs(shift, eigenvectors)
    order = values.real.argsort(dim=-1, descending=True, stable=True)
    paired = values.gather(-1, order)
    if vectors is not None:
        vectors = vectors.gather(-1, order.unsqueeze(1).expand_as(vectors))
    return Spectrum(_with_zeros(paired, shift.shape[-1]), paired, vectors)


@singledispatch
def stored_tensors(shift: ShiftOperator) -> tuple[Tensor, ...]:
    """The tensors that hold the shift; of a shift of unknown type, its dense matrix."""
    return (shift.to_dense(),)


@stored_tensors.register
def _(shift: DiagonalShift) -> tuple[Tensor, ...]:
    return (shift.eigenvalues,)


@stored_tensors.register
def _(shift: LowRankShift) -> tuple[Tensor, ...]:
    right = () if shift.right is shift.left else (shift.right,)
    return (shift.left, *right, *(() if shift.core is None else (shift.core,)))


@stored_tensors.register
def _(shift: ImplicitShift) -> tuple[Tensor, ...]:
    """Also of the shifts that it is made of."""
    parts = [
        part for value in vars(shift).values() for part in (value if isinstance(value, tuple) else (value,))
    ]
    inner = [tensor for part in parts if isinstance(part, ShiftOperator) for tensor in stored_tensors(part)]
    return (*(part for part in parts if isinstance(part, Tensor)), *inner)


@singledispatch
def _eigenpairs(shift: ShiftOperator, eigenvectors: bool) -> Eigenpairs:
    matrix = shift.to_dense()
    return _solve(matrix.double(), shift.is_symmetric or is_symmetric(matrix), eigenvectors)


@_eigenpairs.register
def _(shift: DiagonalShift, eigenvectors: bool) -> Eigenpairs:
    values = shift.eigenvalues.double()
    return values, torch.diag_embed(torch.ones_like(values)) if eigenvectors else None


@_eigenpairs.register
def _(shift: LowRankShift, eigenvectors: bool) -> Eigenpairs:
    exact = shift.to(torch.float64)
    basis, small = exact.compressed()
    symmetric = shift.is_symmetric or (shift.right is shift.left and is_symmetric(small))
    values, vectors = _solve(small, symmetric, eigenvectors)
    return values, None if vectors is None else basis.to(vectors.dtype) @ vectors


def _solve(matrix: Tensor, symmetric: bool, eigenvectors: bool) -> Eigenpairs:
    if symmetric:
        matrix = 0.5 * (matrix + matrix.mT)
        return torch.linalg.eigh(matrix) if eigenvectors else (torch.linalg.eigvalsh(matrix), None)
    return torch.linalg.eig(matrix) if eigenvectors else (torch.linalg.eigvals(matrix), None)


def _with_zeros(values: Shaped[Tensor, "B K"], nodes: int) -> Shaped[Tensor, "B N"]:
    """The eigenvalues ``(B, K)`` and ``N − K`` zeros, sorted together: ``(B, N)``."""
    batch, known = values.shape
    merged = torch.cat([values, values.new_zeros(batch, nodes - known)], dim=-1)
    return merged.gather(-1, merged.real.argsort(dim=-1, descending=True, stable=True))


def _require_finite(shift: ShiftOperator) -> None:
    tensors = stored_tensors(shift)
    wrong = sum(int((~tensor.isfinite()).sum()) for tensor in tensors)
    if wrong:
        raise ValueError(
            f"{wrong} of the {sum(tensor.numel() for tensor in tensors)} entries of the shift are NaN or "
            "infinite, and such a graph has no spectrum; look for the first layer whose output fails "
            "torch.isfinite(output).all(), and compute the affinity in float32"
        )
