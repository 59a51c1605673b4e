"""The spectrum of a shift, at any size: from factors, from the matrix, or from products alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Shaped
from torch import Tensor

from filters.linear import is_symmetric
from filters.plain import recognised
from gsp_nonlocal.shifts import DenseShift, DiagonalShift, LowRankShift, ShiftOperator, as_shift
from gsp_nonlocal.spectral.compact import MAX_NODES, dense_matrix, require_finite
from gsp_nonlocal.spectral.krylov import extreme_eigenpairs

Method = Literal["auto", "factors", "dense", "krylov"]

Eigenpairs = tuple[Tensor, Tensor | None]
"""Eigenvalues ``(B, K)`` and, where asked for, eigenvectors ``(B, N, K)``."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    r"""Eigenvalues ``μ`` of a shift ``S (B, N, N)``, in float64 and without gradients.

    Attributes:
        eigenvalues: all ``N`` of them, ``(B, N)``, or the ``k`` that were asked for. Of a symmetric shift:
            real, descending. Of another: complex128, descending by real part, conjugate pairs side by side.
        paired: ``(B, K)``, in the same order: the eigenvalues that belong to the columns of
            ``eigenvectors``. ``K = N``, except for a low-rank shift: there ``K = min(N, R)``, and the
            ``N − K`` eigenvalues left out are exactly 0; and except for the ``k`` that were asked for.
        eigenvectors: ``(B, N, K)``, columns of length 1 (orthonormal for a symmetric shift); ``None``
            unless asked for.
        is_complete: whether these are all eigenvalues.
    """

    eigenvalues: Tensor
    paired: Tensor
    eigenvectors: Tensor | None = None
    is_complete: bool = True

    @property
    def frequencies(self) -> Tensor:
        """Graph frequencies ``λ = 1 − μ``, ``(B, N)``, ascending; in ``[0, 2]`` for a normalised shift."""
        return 1 - self.eigenvalues

    @property
    def exact_zeros(self) -> int:
        """How many eigenvalues are 0 by the size of the factors alone: ``N − K``."""
        return self.eigenvalues.shape[-1] - self.paired.shape[-1]

    @property
    def is_real(self) -> bool:
        """Whether no eigenvalue has an imaginary part beyond rounding, ``10⁻⁷`` of the greatest ``|μ|``."""
        values = self.eigenvalues
        if not values.is_complex() or not values.numel():
            return True
        return bool((values.imag.abs() <= 1e-7 * values.abs().amax(-1, keepdim=True)).all())


@torch.no_grad()
def spectrum(
    shift: ShiftOperator | Tensor,
    k: int | None = None,
    method: Method = "auto",
    *,
    eigenvectors: bool = False,
    max_nodes: int = MAX_NODES,
) -> Spectrum:
    r"""``S u = μ u``, graph by graph, in float64.

    ===========  ==============================================================  =======================
    method       how                                                             cost of a graph
    ===========  ==============================================================  =======================
    ``factors``  ``(T core rightᵀ Q) v = μ v`` with ``left = Q T``: size         ``N R²``
                 ``K = min(N, R)``; the other ``N − K`` eigenvalues are 0
    ``dense``    LAPACK on the ``N × N`` matrix                                  ``N³``, memory ``N²``
    ``krylov``   the ``k`` eigenvalues of greatest ``|μ|``, by Lanczos           some 2 to 10 ``k``
                 (symmetric) or Arnoldi (others) on products ``S @ z``           products ``S @ z``
    ===========  ==============================================================  =======================

    ``auto`` takes the factors of a low-rank shift (a diagonal one is only sorted); of others the matrix where
    all eigenvalues are wanted, and ``krylov`` where ``k`` of them are and ``N`` is beyond ``max_nodes`` or 4
    k.

    Args:
        shift: any shift, or a plain tensor ``(B, N, N)`` or ``(N, N)``. A dense matrix that promises
            nothing is taken as symmetric where it equals its transpose up to rounding.
        k: how many eigenvalues, those of greatest ``|μ|``; by default all.
        method: ``"auto"``, ``"factors"``, ``"dense"`` or ``"krylov"``.
        eigenvectors: also compute the eigenvectors of :attr:`Spectrum.paired`.
        max_nodes: greatest ``N`` of which the matrix is formed.

    Returns:
        A :class:`Spectrum`; real for symmetric shifts, complex for others. With ``krylov``, products are
        taken in the shift's own precision, and eigenvalues are good to about ten units of its rounding; a bar
        is shown after some seconds.

    Raises:
        TypeError: if ``shift`` is neither a shift nor a real floating-point tensor.
        ValueError: if the shift has NaN or infinite entries (they are counted); if it is beyond ``max_nodes``
            and has no factors, and all eigenvalues are wanted; for a ``k`` below 1 or above ``N``; for a
            method that is unknown or does not fit.
        ConvergenceError: if the Krylov iteration does not converge.

    References:
        Golub, Van Loan (2013), *Matrix Computations*, 8.1, 10.1 and 10.6; Lehoucq, Sorensen, Yang (1998),
        *ARPACK Users' Guide*.

    Example:
        >>> ring = torch.eye(4).roll(1, 0) + torch.eye(4).roll(-1, 0)
        >>> [round(mu, 6) for mu in spectrum(ring / 2).eigenvalues[0].tolist()]
        [1.0, 0.0, 0.0, -1.0]
        >>> found = spectrum(LowRankShift(torch.ones(1, 1000, 1) / 1000**0.5))
        >>> found.eigenvalues.shape, found.exact_zeros, round(found.eigenvalues.max().item(), 6)
        (torch.Size([1, 1000]), 999, 1.0)
        >>> from gsp_nonlocal.shifts import AttentionShift
        >>> query = torch.randn(1, 500, 4)
        >>> round(spectrum(AttentionShift(query, query), k=3).eigenvalues[0, 0].real.item(), 4)
        1.0
    """
    shift = as_shift(shift)
    if isinstance(shift, DenseShift) and not shift.is_symmetric:
        shift = recognised(shift.matrix)
    require_finite(shift)
    chosen = _choose(shift, k, method, max_nodes)
    if chosen == "krylov":
        assert k is not None
        values, vectors = extreme_eigenpairs(shift, k, eigenvectors)
        return _sorted(values, vectors, shift.shape[-1], is_complete=k == shift.shape[-1])
    values, vectors = _exact(shift, chosen, eigenvectors, max_nodes)
    whole = _sorted(values, vectors, shift.shape[-1])
    return whole if k is None else _greatest(whole, k)


def _choose(shift: ShiftOperator, k: int | None, method: str, max_nodes: int) -> str:
    """The method that is meant, or a ``ValueError``."""
    nodes = shift.shape[-1]
    if method not in get_args(Method):
        raise ValueError(f"unknown method {method!r}; choose one of: {', '.join(get_args(Method))}")
    if k is not None and not 1 <= k <= nodes:
        raise ValueError(f"k must be 1 to {nodes}, the number of nodes, got {k}")
    factored = isinstance(shift, LowRankShift | DiagonalShift)
    if method == "factors" and not factored:
        raise ValueError(f'{type(shift).__name__} has no factors; use method="auto", "dense" or "krylov"')
    if method == "krylov" and k is None:
        raise ValueError('method="krylov" finds some eigenvalues: say how many with k, for example k=20')
    if method != "auto":
        return method
    if factored:
        return "factors"
    return "krylov" if k is not None and nodes > min(max_nodes, 4 * k) else "dense"


def _exact(shift: ShiftOperator, method: str, eigenvectors: bool, max_nodes: int) -> Eigenpairs:
    if method == "factors" and isinstance(shift, DiagonalShift):
        values = shift.eigenvalues.double()
        return values, torch.diag_embed(torch.ones_like(values)) if eigenvectors else None
    if method == "factors" and isinstance(shift, LowRankShift):
        return _from_factors(shift, eigenvectors)
    matrix = dense_matrix(shift, max_nodes)
    return _solve(matrix.double(), shift.is_symmetric or is_symmetric(matrix), eigenvectors)


def _from_factors(shift: LowRankShift, eigenvectors: bool) -> Eigenpairs:
    basis, small = shift.mapped(Tensor.double).compressed()
    symmetric = shift.is_symmetric or (shift.right is shift.left and is_symmetric(small))
    values, vectors = _solve(small, symmetric, eigenvectors)
    return values, None if vectors is None else basis.to(vectors.dtype) @ vectors


def _solve(matrix: Tensor, symmetric: bool, eigenvectors: bool) -> Eigenpairs:
    if symmetric:
        matrix = 0.5 * (matrix + matrix.mT)
        return torch.linalg.eigh(matrix) if eigenvectors else (torch.linalg.eigvalsh(matrix), None)
    return torch.linalg.eig(matrix) if eigenvectors else (torch.linalg.eigvals(matrix), None)


def _sorted(values: Tensor, vectors: Tensor | None, nodes: int, *, is_complete: bool = True) -> Spectrum:
    order = values.real.argsort(dim=-1, descending=True, stable=True)
    paired = values.gather(-1, order)
    if vectors is not None:
        vectors = vectors.gather(-1, order.unsqueeze(1).expand_as(vectors))
    return Spectrum(_with_zeros(paired, nodes) if is_complete else paired, paired, vectors, is_complete)


def _with_zeros(values: Shaped[Tensor, "B K"], nodes: int) -> Shaped[Tensor, "B N"]:
    """The eigenvalues ``(B, K)`` and ``N − K`` zeros, sorted together: ``(B, N)``."""
    batch, known = values.shape
    merged = torch.cat([values, values.new_zeros(batch, nodes - known)], dim=-1)
    return merged.gather(-1, merged.real.argsort(dim=-1, descending=True, stable=True))


def _greatest(whole: Spectrum, k: int) -> Spectrum:
    """The ``k`` eigenvalues of greatest ``|μ|`` of a whole spectrum, and its pairs that are among them."""
    if k == whole.eigenvalues.shape[-1]:
        return whole
    kept, paired = (_places_of_greatest(values, k) for values in (whole.eigenvalues, whole.paired))
    vectors = whole.eigenvectors
    if vectors is not None:
        vectors = vectors.gather(-1, paired.unsqueeze(1).expand(-1, vectors.shape[1], -1))
    values, pairs = whole.eigenvalues.gather(-1, kept), whole.paired.gather(-1, paired)
    return Spectrum(values, pairs, vectors, is_complete=False)


def _places_of_greatest(values: Tensor, k: int) -> Tensor:
    return values.abs().argsort(dim=-1, descending=True, stable=True)[:, :k].sort(dim=-1).values
