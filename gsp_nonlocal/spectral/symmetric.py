"""The symmetric part of a shift."""

from __future__ import annotations

import torch
from torch import Tensor

from gsp_nonlocal.shifts import DenseShift, LowRankShift, ScaledShift, ShiftOperator, SumShift, as_shift


def symmetric_part(shift: ShiftOperator | Tensor) -> ShiftOperator:
    r"""``½ (S + Sᵀ)``: the undirected graph of a directed one; ``S`` itself where it is symmetric.

    It has the Dirichlet energies of ``S``, ``zᵀ S z = zᵀ ½(S + Sᵀ) z``, and real frequencies. Of factors of
    rank ``R`` it has factors of rank ``2 R``.

    Args:
        shift: any shift, or a plain tensor ``(B, N, N)`` or ``(N, N)``.

    Returns:
        A shift that is symmetric by construction. ``|μ|`` is not bounded by a bound of ``S``.

    Raises:
        TypeError: if ``shift`` is neither.

    References:
        Horn, Johnson (2013), *Matrix Analysis*, 4.1, on the Hermitian part.

    Example:
        >>> symmetric_part(DenseShift(torch.tensor([[0.0, 1.0], [0.0, 0.0]]))).to_dense()
        tensor([[[0.0000, 0.5000],
                 [0.5000, 0.0000]]])
    """
    shift = as_shift(shift)
    if shift.is_symmetric:
        return shift
    if isinstance(shift, DenseShift):
        return DenseShift(0.5 * (shift.matrix + shift.matrix.mT), is_symmetric=True)
    if isinstance(shift, LowRankShift):
        return _of_factors(shift)
    both = SumShift([shift, shift.T], is_symmetric=True)
    ones = torch.ones(1, shift.shape[-1], 1, dtype=shift.dtype, device=shift.device)
    return ScaledShift(both, 0.5 * ones, ones, is_symmetric=True)


def _of_factors(shift: LowRankShift) -> LowRankShift:
    """``E J Eᵀ`` with ``E = [left core, right]`` and ``J = ½ [[0, I], [I, 0]]``."""
    left = shift.left if shift.core is None else shift.left @ shift.core
    eye = torch.eye(shift.rank, dtype=shift.dtype, device=shift.device)
    zero = torch.zeros_like(eye)
    swap = 0.5 * torch.cat([torch.cat([zero, eye], -1), torch.cat([eye, zero], -1)])
    return LowRankShift(torch.cat([left, shift.right], -1), core=swap, is_symmetric=True)
