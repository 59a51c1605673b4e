"""Systems ``(I − S) x = b`` of sparse graphs, positive definite, by conjugate gradients."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from filters.operators.solve import ConvergenceError, Implicit, column_dot, column_norm, column_ratio
from gsp_nonlocal.shifts import ShiftOperator

RESIDUAL = 1e-12
"""Relative residual ``‖b − (I − S) x‖ / ‖b‖`` of every column at which the iteration ends."""

_MOST_STEPS = 20_000
_LOOK = 8  # steps between two looks at the residual
_DRIFT = 10.0  # of RESIDUAL, up to which the residual itself may be above that of the recurrence
_ROUNDING = 2.0**-46  # 64 ε in float64: residual of a solution that is right to rounding, over its size
_SINGULAR = 1e-6  # of b: a residual beyond is of a singular system

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
    diagonal = diagonal.detach()
    scale = diagonal.where(diagonal > 1e-12, 1.0).reciprocal()
    held = system.detach()

    def solve(right: Tensor) -> Tensor:
        return converged_solution(lambda x: x - held(x), scale, right)

    with torch.no_grad():
        x = solve(b)
    residual = b - (x - system(x))
    return Implicit.apply(residual, x, solve) if residual.requires_grad else x


def converged_solution(operator: Solve, scale: Tensor, b: Tensor) -> Tensor:
    """As :func:`conjugate_gradients`, for columns of any size; a :class:`ConvergenceError` without
    convergence.

    A solution that is much greater than ``b`` leaves a residual of its own rounding: up to
    :data:`_SINGULAR` of ``b`` that is let through.
    """
    size = b.abs().amax(dim=1, keepdim=True)
    size = size.where(size > 0, 1.0)
    b = b / size
    x = conjugate_gradients(operator, scale, b, _MOST_STEPS)
    length, left = column_norm(b), column_norm(b - operator(x))
    room = _DRIFT * RESIDUAL * length + (_ROUNDING * column_norm(x)).minimum(_SINGULAR * length)
    if not bool((left <= room).all()):
        worst = float((left / length.clamp_min(1e-300)).max())
        raise ConvergenceError(
            f"conjugate gradients came to a relative residual of {worst:.1e}, and {RESIDUAL:.0e} was asked: "
            "the system is nearly singular (too few known nodes, a strength too great), or eigenvalues of S "
            "exceed 1; know more nodes, use other numbers, or pass a dense shift"
        )
    return x * size


@torch.no_grad()
def conjugate_gradients(operator: Solve, scale: Tensor, b: Tensor, steps: int) -> Tensor:
    """``x`` with ``operator(x) = b (B, N, C)`` to :data:`RESIDUAL`, or where so many steps lead to.

    Args:
        operator: linear, symmetric and positive definite on the space that it and ``scale`` keep ``b`` in.
        scale: what residuals are multiplied by ``(1 or B, N, 1)``.
        b: the right sides.
        steps: the most products.
    """
    goal = RESIDUAL * column_norm(b)
    x, r, p = torch.zeros_like(b), b.clone(), scale * b
    rho = column_dot(r, p)
    for step in range(steps):
        if step % _LOOK == 0 and bool((column_norm(r) <= goal).all()):
            break
        product = operator(p)
        length = column_ratio(rho, column_dot(p, product))
        x.addcmul_(length, p)
        r.addcmul_(length, product, value=-1)
        eased = scale * r
        rho, before = column_dot(r, eased), rho
        p.mul_(column_ratio(rho, before)).add_(eased)
    return x
