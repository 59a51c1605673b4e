"""How far a graph is from the stable hypothesis: a second step on it does what the first did."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from filters.checks import require_integer
from filters.operators.plain import as_shift
from filters.operators.ranks import require_whole
from filters.precision import widened
from gsp_nonlocal.shifts import LowRankShift, ShiftOperator
from gsp_nonlocal.shifts.structure import factored, stored_matrix

RANDOM_SIGNALS = 8
"""Random signals of an estimate: the square's deviation is ``√(2/8)`` of it at most, half of it."""


def stable_penalty(
    shift: ShiftOperator | Tensor, *, probes: int = RANDOM_SIGNALS, generator: torch.Generator | None = None
) -> Tensor:
    r"""``‖S² − S‖_F``: 0 where the graph is stable, ``S^k = S`` for all ``k ≥ 1``.

    For factors ``S = L C Rᵀ``, ``S² − S = L K Rᵀ`` with ``K = C RᵀL C − C``, and
    ``‖L K Rᵀ‖² = ⟨LᵀL K RᵀR, K⟩``: exact, in ``N R²`` time, without a difference of large numbers. For a
    matrix or a diagonal it is exact too. For other shifts, ``‖S² − S‖²`` is estimated as the mean of
    ``‖S²v − Sv‖²`` over random signs ``v``, by two products each.

    Args:
        shift: any shift, or a plain tensor ``(B, N, N)`` or ``(N, N)``.
        probes: random signals of an estimate.
        generator: draws them; by default PyTorch's own.

    Returns:
        ``(B,)``, differentiable; where it is 0, its gradient is 0.

    Raises:
        TypeError: if ``shift`` is neither, or ``probes`` is no integer.
        ValueError: for ``probes < 1``.

    References:
        Zhu et al. (2021), *Unifying Nonlocal Blocks for Neural Networks*, for the hypothesis; their training
        adds 0.01 times the norm of the dense matrix. Hutchinson (1990) for the estimate.

    Example:
        >>> stable_penalty(torch.full((4, 4), 0.25))
        tensor([0.])
        >>> stable_penalty(2 * torch.eye(4))
        tensor([4.])
    """
    probes = require_integer("probes", probes)
    shift = as_shift(shift)
    return _root(_squared(shift, probes, generator))


def _squared(shift: ShiftOperator, probes: int, generator: torch.Generator | None) -> Tensor:
    """``‖S² − S‖²``, ``(B,)``."""
    factors, matrix = factored(shift), stored_matrix(shift)
    if factors is not None:
        return _of_factors(factors)
    if matrix is not None:
        matrix = widened(matrix)
        return (matrix @ matrix - matrix).square().sum(dim=(-2, -1))
    if shift.diagonal is not None:
        mu = widened(shift.diagonal)
        return (mu.square() - mu).square().sum(dim=-1)
    return _estimated(shift, probes, generator)


def _of_factors(shift: LowRankShift) -> Float[Tensor, " B"]:
    left, right = widened(shift.left), widened(shift.right)
    eye = torch.eye(shift.rank, dtype=left.dtype, device=left.device)
    core = eye.expand(len(left), -1, -1) if shift.core is None else widened(shift.core)
    within, between, beyond = (
        shift.ranks.sum(one.mT @ other) for one, other in ((left, left), (right, left), (right, right))
    )
    difference = core @ between @ core - core
    norms = within @ difference @ beyond
    return (norms * difference).sum(dim=(-2, -1)).clamp(min=0)


def _estimated(shift: ShiftOperator, probes: int, generator: torch.Generator | None) -> Tensor:
    require_whole(shift.ranks, "an estimate by random probes", "use a low-rank affinity")
    batch, nodes, _ = shift.shape
    coins = torch.randint(0, 2, (batch, nodes, probes), generator=generator, device=shift.device)
    once = shift(2 * coins.to(shift.dtype) - 1)
    return widened(shift(once) - once).square().sum(dim=(-2, -1)) / probes


def _root(squared: Tensor) -> Tensor:
    """``√x`` with the gradient 0 at 0, where that of the square root is infinite."""
    positive = squared > 0
    return torch.where(positive, torch.where(positive, squared, 1.0).sqrt(), 0.0)
