"""Systems ``(I − S) x = b`` of sparse graphs, positive definite, by conjugate gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from filters.operators.by_hand import HandDifferentiated
from filters.operators.once import differentiable_once
from filters.operators.solve import ConvergenceError
from gsp_nonlocal.shifts import ShiftOperator

RESIDUAL = 1e-12
"""Relative residual ``‖b − (I − S) x‖ / ‖b‖`` of every column at which the iteration ends."""

_MOST_STEPS = 20_000
_LOOK = 8  # steps between two looks at the residual
_DRIFT = 10.0  # of RESIDUAL, up to which the residual itself may be above that of the recurrence

Solve = Callable[[Tensor], Tensor]


def definite_solution(system: ShiftOperator, diagonal: Tensor, b: Tensor) -> Tensor:
    """``(I − S)⁻¹ b`` for a symmetric ``S`` with ``μ < 1``, to :data:`RESIDUAL`, in float64.

    Differentiable once, in ``S`` and ``b``, by one more solve.

    Args:
        system: ``S``, in float64.
        diagonal: ``1 − S_ii (1 or B, N, 1)``, by which residuals are divided (Jacobi's preconditioner).
        b: ``(B, N, C)``.

    Raises:
        ConvergenceError: if the residual does not fall, as where ``I − S`` is not positive definite.

    References:
        Hestenes, Stiefel (1952), *Methods of Conjugate Gradients for Solving Linear Systems*.
    """
    scale = diagonal.detach().clamp_min(1e-12).reciprocal()
    held = system.detach()

    def solve(right: Tensor) -> Tensor:
        return _iterated(lambda x: x - held(x), scale, right)

    with torch.no_grad():
        x = solve(b)
    residual = b - (x - system(x))
    return _Implicit.apply(residual, x, solve) if residual.requires_grad else x


class _Implicit(HandDifferentiated):
    """``x`` forward; backward ``A⁻¹ x̄`` to the residual, whose own graph holds ``b`` and ``S``."""

    @staticmethod
    def forward(ctx: Any, residual: Tensor, x: Tensor, solve: Solve) -> Tensor:
        ctx.solve = solve
        return x.clone()

    @staticmethod
    @differentiable_once("use a dense shift for it")
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return ctx.solve(grad), None, None


def _iterated(operator: Solve, scale: Tensor, b: Tensor) -> Tensor:
    goal = RESIDUAL * torch.linalg.vector_norm(b, dim=1, keepdim=True)
    x, r = torch.zeros_like(b), b
    p, rho = scale * r, _dot(r, scale * r)
    for step in range(_MOST_STEPS):
        if step % _LOOK == 0 and bool((torch.linalg.vector_norm(r, dim=1, keepdim=True) <= goal).all()):
            break
        product = operator(p)
        length = _ratio(rho, _dot(p, product))
        x, r = x + length * p, r - length * product
        eased = scale * r
        rho, before = _dot(r, eased), rho
        p = eased + _ratio(rho, before) * p
    left = torch.linalg.vector_norm(b - operator(x), dim=1, keepdim=True)
    if not bool((left <= _DRIFT * goal).all()):
        worst = float((left / goal.clamp_min(1e-300)).max()) * RESIDUAL
        raise ConvergenceError(
            f"conjugate gradients came to a relative residual of {worst:.1e}, and {RESIDUAL:.0e} was asked: "
            "the system is nearly singular (too few known nodes), or eigenvalues of S exceed 1; know more "
            "nodes, raise alpha, or pass a dense shift"
        )
    return x


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).sum(dim=1, keepdim=True)


def _ratio(above: Tensor, below: Tensor) -> Tensor:
    """``above / below``, and 0 where ``below`` is 0: a column that is done stays as it is."""
    done = below == 0
    return torch.where(done, 0.0, above) / torch.where(done, 1.0, below)
