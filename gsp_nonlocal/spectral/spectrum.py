"""The spectrum of a shift, at any size: from factors, from the matrix, or from products alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from jaxtyping import Shaped
from torch import Tensor

from filters.checks import require_integer
from filters.operators.linear import is_symmetric, symmetrised
from filters.operators.ranks import ALL_HERE, Ranks, require_whole
from filters.operators.solve import ConvergenceError
from gsp_nonlocal.shifts import LowRankShift, ShiftOperator, as_shift
from gsp_nonlocal.shifts.structure import (
    factored,
    has_closed_spectrum,
    is_triangular,
    triangular_eigenvalues,
    windows,
)
from gsp_nonlocal.spectral.directed import eig, eigvals
from gsp_nonlocal.spectral.krylov import ExtremePairs, extreme_eigenpairs
from gsp_nonlocal.spectral.matrices import DENSE_NODES, dense_matrix, require_finite

SpectrumMethod = Literal["auto", "factors", "dense", "krylov"]

DENSE, DENSE_DIRECTED = 2048, 1024
"""Up to so many nodes LAPACK finds all eigenvalues of a matrix in about a second: symmetric, and not."""

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
        residuals: ``‖S u − μ u‖ (B, K)``, where eigenvalues were found by products alone: of a symmetric
            shift one lies within it of each ``μ``. ``None`` where LAPACK found them, to its rounding.
        is_certified: whether the ``k`` are sure to be the greatest, with their multiplicities: all were
            computed, or random vectors beside what was found led to nothing greater.
        rounding: of the shift's entries: the machine epsilon of its data type.
        ranks: the processes that hold the nodes; rows of ``eigenvectors`` are those of the nodes here.

    Example:
        >>> from gsp_nonlocal.shifts import LowRankShift
        >>> found = spectrum(LowRankShift(torch.rand(2, 100, 3)))
        >>> found.eigenvalues.shape, found.exact_zeros, found.is_real
        (torch.Size([2, 100]), 97, True)
    """

    eigenvalues: Tensor
    paired: Tensor
    eigenvectors: Tensor | None = None
    is_complete: bool = True
    residuals: Tensor | None = None
    is_certified: bool = True
    rounding: float = torch.finfo(torch.float64).eps
    ranks: Ranks = ALL_HERE

    @property
    def frequencies(self) -> Tensor:
        """Graph frequencies ``λ = 1 − μ``, ``(B, N)``, ascending; in ``[0, 2]`` for a normalised shift."""
        return 1 - self.eigenvalues

    @property
    def exact_zeros(self) -> int:
        """``N − K``, the number of eigenvalues that are 0 by the size of the factors alone."""
        return self.eigenvalues.shape[-1] - self.paired.shape[-1]

    @property
    def is_real(self) -> bool:
        r"""Whether no eigenvalue has an imaginary part beyond rounding.

        That is ``10⁻⁷ |μ|`` of its own modulus, or what rounding makes of a 0: ``N ε`` of the greatest
        ``|μ|`` of its graph in float64, ``ε`` in less.
        """
        values = self.eigenvalues
        if not values.is_complex() or not values.numel():
            return True
        double = torch.finfo(torch.float64).eps
        noise = max(self.rounding if self.rounding > double else 0.0, 4 * values.shape[-1] * double)
        size = values.abs()
        allowed = torch.maximum(1e-7 * size, noise * size.amax(-1, keepdim=True))
        return bool((values.imag.abs() <= allowed).all())


@torch.no_grad()
def spectrum(
    shift: ShiftOperator | Tensor,
    k: int | None = None,
    method: SpectrumMethod = "auto",
    *,
    eigenvectors: bool = False,
    max_nodes: int = DENSE_NODES,
) -> Spectrum:
    r"""``S u = μ u``, graph by graph, in float64.

    ===========  ==============================================================  =======================
    method       how                                                             cost of a graph
    ===========  ==============================================================  =======================
    ``factors``  ``(T core rightᵀ Q) v = μ v`` with ``left = Q T``: size         ``N R²``
                 ``K = min(N, R)``; the other ``N − K`` eigenvalues are 0
    ``dense``    LAPACK on the ``N × N`` matrix                                  ``N³``, memory ``N²``
    ``krylov``   the ``k`` eigenvalues of greatest ``|μ|``, by block             some 10 to 1000
                 Krylov–Schur searches on products ``S @ z``                     products ``S @ z``
    ===========  ==============================================================  =======================

    ``auto`` takes the factors of a low-rank shift (a diagonal one is only sorted); of others the matrix
    where all eigenvalues are wanted, and ``krylov`` where ``k`` of them are and ``N`` is beyond
    ``max_nodes``, or beyond 2048 (1024 for directed graphs); up to ``max_nodes`` the matrix again, where that
    does not converge.

    The ``k`` have their multiplicities: of four connected graphs side by side four eigenvalues are 1. Whether
    that is sure says :attr:`Spectrum.is_certified`. Each graph of a batch is judged by itself: one that
    equals its transpose has real eigenvalues, whatever the others are.

    Args:
        shift: any shift, or a plain tensor ``(B, N, N)`` or ``(N, N)``. A dense matrix that promises
            nothing is taken as symmetric where it equals its transpose up to rounding.
        k: how many eigenvalues, those of greatest ``|μ|``; by default all.
        method: ``"auto"``, ``"factors"``, ``"dense"`` or ``"krylov"``.
        eigenvectors: also compute the eigenvectors of :attr:`Spectrum.paired`.
        max_nodes: greatest ``N`` of which the matrix is formed.

    Returns:
        A :class:`Spectrum`; real for symmetric shifts, complex for others. With ``krylov``, products are
        taken in the shift's own precision, and residuals go down to 32 units of its rounding; a bar is shown
        after some seconds.

    Raises:
        TypeError: if ``shift`` is neither a shift nor a real floating-point tensor.
        ValueError: if the shift has NaN or infinite entries (they are counted); if it is beyond ``max_nodes``
            and has no factors, and all eigenvalues are wanted; for a ``k`` below 1 or above ``N``; for a
            method that is unknown or does not fit.
        ConvergenceError: if the Krylov iteration does not converge.

    References:
        Golub, Van Loan (2013), *Matrix Computations*, 8.1, 10.1 and 10.5; Stewart (2001), *A Krylov–Schur
        algorithm for large eigenproblems*.

    Example:
        >>> complete = torch.ones(4, 4) - torch.eye(4)
        >>> [round(mu, 2) for mu in spectrum(complete / 4).eigenvalues[0].tolist()]
        [0.75, -0.25, -0.25, -0.25]
        >>> found = spectrum(LowRankShift(torch.ones(1, 1000, 1) / 1000**0.5))
        >>> found.eigenvalues.shape, found.exact_zeros, round(found.eigenvalues.max().item(), 6)
        (torch.Size([1, 1000]), 999, 1.0)
        >>> from gsp_nonlocal.shifts import AttentionShift
        >>> query = torch.randn(1, 500, 4)
        >>> round(spectrum(AttentionShift(query, query), k=3).eigenvalues[0, 0].real.item(), 4)
        1.0
    """
    shift = as_shift(shift)
    require_finite(shift)
    rounding = torch.finfo(shift.dtype).eps
    chosen = _choose(shift, k, method, eigenvectors, max_nodes)
    if chosen == "krylov":
        assert k is not None
        require_whole(shift.ranks, "a search by products", "use a low-rank affinity, whose spectrum is exact")
        try:
            return replace(_by_products(extreme_eigenpairs(shift, k), shift, eigenvectors), rounding=rounding)
        except ConvergenceError:
            if method != "auto" or shift.shape[-1] > max_nodes:
                raise
            chosen = "dense"
    values, vectors = _exact(shift, chosen, eigenvectors, max_nodes)
    whole = replace(_sorted(values, vectors, _nodes(shift)), rounding=rounding, ranks=shift.ranks)
    return whole if k is None else _greatest(whole, k)


def _by_products(graphs: list[ExtremePairs], shift: ShiftOperator, eigenvectors: bool) -> Spectrum:
    """The graphs' eigenpairs as one spectrum."""
    values, vectors = _stacked([(graph.values, graph.vectors) for graph in graphs])
    nodes = shift.shape[-1]
    found = _sorted(values, vectors if eigenvectors else None, nodes, is_complete=values.shape[-1] == nodes)
    residuals = torch.stack([graph.residuals for graph in graphs])
    order = values.real.argsort(dim=-1, descending=True, stable=True)
    certified = all(graph.is_certified for graph in graphs)
    return replace(found, residuals=residuals.gather(-1, order), is_certified=certified)


def _choose(shift: ShiftOperator, k: int | None, method: str, eigenvectors: bool, max_nodes: int) -> str:
    """The method that is meant, or a ``ValueError``."""
    nodes = _nodes(shift)
    if method not in get_args(SpectrumMethod):
        raise ValueError(f"unknown method {method!r}; choose one of: {', '.join(get_args(SpectrumMethod))}")
    if k is not None and not 1 <= require_integer("k", k) <= nodes:
        raise ValueError(f"k must be 1 to {nodes}, the number of nodes, got {k}")
    by_parts = is_triangular(shift) or windows(shift) is not None  # without eigenvectors
    closed = has_closed_spectrum(shift) and not (eigenvectors and by_parts)
    if method == "factors" and not closed:
        raise ValueError(f'{type(shift).__name__} has no factors; use method="auto", "dense" or "krylov"')
    if method == "krylov" and k is None:
        raise ValueError('method="krylov" finds some eigenvalues: say how many with k, for example k=20')
    if method != "auto":
        return method
    if closed:
        return "factors"
    most = min(max_nodes, DENSE if shift.is_symmetric else DENSE_DIRECTED)
    return "krylov" if k is not None and nodes > most else "dense"


def _nodes(shift: ShiftOperator) -> int:
    """``N``: of a graph that is divided over processes, all of them."""
    here = torch.empty(1, shift.shape[-1], 0, dtype=torch.float64, device=shift.device)
    return int(shift.ranks.count(here))


def _exact(shift: ShiftOperator, method: str, eigenvectors: bool, max_nodes: int) -> Eigenpairs:
    if method == "factors" and shift.diagonal is not None:
        values = shift.diagonal.double()
        return values, torch.diag_embed(torch.ones_like(values)) if eigenvectors else None
    if method == "factors" and (factors := factored(shift)) is not None:
        return _from_factors(factors, eigenvectors)
    if method == "factors" and (cut := windows(shift)) is not None:
        found = spectrum(cut.inner, max_nodes=max_nodes).eigenvalues
        return cut.from_windows(found.unsqueeze(-1)).squeeze(-1), None
    if method == "factors":
        return triangular_eigenvalues(shift), None
    matrix = dense_matrix(shift, max_nodes)
    return _stacked(
        [_solve(one.double(), shift.is_symmetric or is_symmetric(one), eigenvectors) for one in matrix]
    )


def _from_factors(shift: LowRankShift, eigenvectors: bool) -> Eigenpairs:
    basis, small = shift.mapped(Tensor.double).compressed()
    same = shift.right is shift.left
    values, vectors = _stacked(
        [_solve(one, shift.is_symmetric or (same and is_symmetric(one)), eigenvectors) for one in small]
    )
    values = shift.ranks.agreed(values)
    return values, None if vectors is None else basis.to(vectors.dtype) @ shift.ranks.agreed(vectors)


def _solve(matrix: Shaped[Tensor, "K K"], symmetric: bool, eigenvectors: bool) -> Eigenpairs:
    if symmetric:
        matrix = symmetrised(matrix)
        return torch.linalg.eigh(matrix) if eigenvectors else (torch.linalg.eigvalsh(matrix), None)
    return eig(matrix) if eigenvectors else (eigvals(matrix), None)


def _stacked(graphs: Sequence[Eigenpairs]) -> Eigenpairs:
    """One batch: complex where one of the graphs is."""
    directed = any(values.is_complex() for values, _ in graphs)
    dtype = torch.complex128 if directed else torch.float64
    values = torch.stack([one.to(dtype) for one, _ in graphs])
    known = [vectors.to(dtype) for _, vectors in graphs if vectors is not None]
    return values, torch.stack(known) if known else None


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
    return replace(whole, eigenvalues=values, paired=pairs, eigenvectors=vectors, is_complete=False)


def _places_of_greatest(values: Tensor, k: int) -> Tensor:
    return values.abs().argsort(dim=-1, descending=True, stable=True)[:, :k].sort(dim=-1).values
