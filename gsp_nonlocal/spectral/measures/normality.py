"""How far a shift is from normal, from symmetric, and from rank one."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from scipy.linalg import schur
from torch import Tensor

from filters.operators.linear import is_symmetric
from gsp_nonlocal.shifts import ShiftOperator, as_shift
from gsp_nonlocal.spectral.matrices import DENSE_NODES, compression


@torch.no_grad()
def departure_from_normality(shift: ShiftOperator | Tensor, *, max_nodes: int = DENSE_NODES) -> Tensor:
    r"""``sqrt(‖S‖_F² − Σ|μ|²) / ‖S‖_F``: what the eigenvalues leave unsaid of ``S``.

    It is the share of ``S`` above the diagonal in a Schur form, and is computed so: without the
    cancellation of the difference, which would leave eight digits. ``S``, ``c S``, ``Sᵀ`` and ``Qᵀ S Q`` with
    orthogonal ``Q`` have the same.

    Args:
        shift: any shift, or a plain tensor ``(B, N, N)`` or ``(N, N)``.
        max_nodes: greatest ``N`` of which the matrix is formed; low-rank shifts of any size do without.

    Returns:
        ``(B,)`` in float64, in ``[0, 1]``: 0 for a normal ``S`` (one that is symmetric up to rounding, or a
        permutation) and for 0; 1 where all eigenvalues are 0.

    Raises:
        ValueError: beyond ``max_nodes``, and for entries that are not finite.

    References:
        Henrici (1962), *Bounds for Iterates, Inverses, Spectral Variation and Fields of Values of Non-normal
        Matrices*; Trefethen, Embree (2005), *Spectra and Pseudospectra*, 48.

    Example:
        >>> round(departure_from_normality(torch.tensor([[1.0, 1.0], [0.0, 1.0]])).item(), 6)
        0.57735
    """
    matrices = unit_matrices(shift, max_nodes)
    return matrices.new_tensor([departure(matrix) for matrix in matrices])


@torch.no_grad()
def asymmetry(shift: ShiftOperator | Tensor, *, max_nodes: int = DENSE_NODES) -> Tensor:
    r"""``‖S − Sᵀ‖_F / (2 ‖S‖_F)``: the share of ``S`` in its antisymmetric part.

    ``S``, ``c S``, ``Sᵀ`` and ``Qᵀ S Q`` with orthogonal ``Q`` have the same.

    Args:
        shift: any shift, or a plain tensor ``(B, N, N)`` or ``(N, N)``.
        max_nodes: greatest ``N`` of which the matrix is formed; low-rank shifts of any size do without.

    Returns:
        ``(B,)`` in float64, in ``[0, 1]``: 0 for ``S = Sᵀ``, 1 for ``S = −Sᵀ``. Of ``S`` without negative
        entries at most ``1/√2``, which is reached where every edge goes one way.

    Raises:
        ValueError: beyond ``max_nodes``, and for entries that are not finite.

    Example:
        >>> round(asymmetry(torch.tensor([[0.0, 1.0], [0.0, 0.0]])).item(), 6)
        0.707107
    """
    matrices = unit_matrices(shift, max_nodes)
    return 0.5 * torch.linalg.matrix_norm(matrices - matrices.mT)


@torch.no_grad()
def distance_to_rank_one(shift: ShiftOperator | Tensor, *, max_nodes: int = DENSE_NODES) -> Tensor:
    r"""``min ‖S − u vᵀ‖_F / ‖S‖_F = sqrt(Σ_{i>1} σ_i²) / ‖S‖_F``, over all vectors ``u`` and ``v``.

    Near 0, every node collects one and the same mixture: over-smoothing. ``S``, ``c S``, ``Sᵀ`` and ``P S Q``
    with orthogonal ``P`` and ``Q`` have the same.

    Args:
        shift: any shift, or a plain tensor ``(B, N, N)`` or ``(N, N)``.
        max_nodes: greatest ``N`` of which the matrix is formed; low-rank shifts of any size do without.

    Returns:
        ``(B,)`` in float64, in ``[0, sqrt(1 − 1/N)]``; 0 for rank one, and for 0.

    Raises:
        ValueError: beyond ``max_nodes``, and for entries that are not finite.

    References:
        Eckart, Young (1936), for the least distance; Dong, Cordonnier, Loukas (2021), *Attention Is Not All
        You Need*, for what it means in attention.

    Deviations:
        The last reference takes the distance of the features to equal rows, in another norm.

    Example:
        >>> round(distance_to_rank_one(torch.eye(2)).item(), 6)
        0.707107
    """
    sizes = torch.linalg.svdvals(unit_matrices(shift, max_nodes))
    return torch.linalg.vector_norm(sizes[:, 1:], dim=-1)


def unit_matrices(shift: ShiftOperator | Tensor, max_nodes: int) -> Tensor:
    """The matrices ``(B, K, K)`` of :func:`compression`, each divided by its Frobenius norm; 0 stays 0."""
    matrices = compression(as_shift(shift), max_nodes)
    norm = torch.linalg.matrix_norm(matrices, keepdim=True)
    return matrices / norm.masked_fill(norm == 0, 1.0)


def departure(matrix: Float[Tensor, "K K"]) -> float:
    """``sqrt(‖M‖_F² − Σ|μ|²)`` of a matrix of norm 1, to rounding.

    In LAPACK's real Schur form a conjugate pair is a block ``[[a, b], [c, a]]`` with ``b c < 0``, whose own
    departure is ``|b + c|``.
    """
    if is_symmetric(matrix):
        return 0.0
    form = schur(matrix.cpu().numpy())[0]
    return min(1.0, float(np.linalg.norm(np.triu(form, 1) + np.tril(form, -1).T)))
