"""Scores of classes that are probabilities: the least energy with each node's scores on the simplex."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from filters.operators.solve import ConvergenceError, Implicit
from gsp_nonlocal.shifts import ShiftOperator
from gsp_nonlocal.shifts.structure import has_closed_spectrum
from gsp_nonlocal.signals.conjugate_gradients import Solve, conjugate_gradients, converged_solution
from gsp_nonlocal.spectral.spectrum import DENSE, spectrum

GAP = 1e-13
"""Of the energy above the least one, a node, at which the iteration ends: by duality, a proven bound."""

_FIRST, _MOST = 16, 16_384  # steps of the first run, and of the last
_SLACK = 1e-5  # of a greatest eigenvalue in float32


@dataclass(frozen=True)
class SimplexEnergy:
    r"""``min m ‖M (F − T)‖² + l tr(Fᵀ L F)`` where each row of ``F`` is ``≥ 0`` and sums to 1.

    With ``α = 0`` that is ``tr(Fᵀ L F)`` alone, and known rows are those of ``T``. All in float64.

    Args:
        shift: ``S = I − L``, symmetric.
        known: ``M (1 or B, N, 1)``, boolean.
        target: ``T (B, N, K)``, 0 where not known.
        alpha: ``l / m``; ``m + l = 1``.
    """

    shift: ShiftOperator
    known: Tensor
    target: Tensor
    alpha: float

    def curvature(self, f: Tensor) -> Tensor:
        """``A F = m M F + l L F``: half the Hessian."""
        fit, rough = self._weights()
        return torch.where(self.known, fit * f, 0.0) + rough * (f - self.shift @ f)

    def slope(self, f: Tensor) -> Tensor:
        """Half the gradient, ``A F − m M T``."""
        return self.curvature(f) - self._weights()[0] * self.target

    def scale(self) -> Tensor:
        """``D = m M + l (1 or B, N, 1)``, with ``A ≤ (1 + max |μ|) D``: by it steps are divided."""
        fit, rough = self._weights()
        return rough + fit * self.known.double()

    def projected(self, f: Tensor) -> Tensor:
        """The nearest point of the simplex for each row; known rows where ``α = 0``."""
        nearest = _nearest_on_simplex(f)
        return nearest if self.alpha else torch.where(self.known, self.target, nearest)

    def tangent(self, v: Tensor, support: Tensor) -> Tensor:
        """``Π v``: the part along which rows stay on the simplex, and 0 where they are not positive."""
        free = support if self.alpha else support & ~self.known
        inside = torch.where(free, v, 0.0)
        mean = inside.sum(-1, keepdim=True) / free.sum(-1, keepdim=True).clamp_min(1)
        return torch.where(free, inside - mean, 0.0)

    def gap(self, f: Tensor, slope: Tensor) -> Tensor:
        """``2 Σ_i (⟨g_i, F_i⟩ − min_k g_ik) ≥`` energy above the least, ``(B,)``, with ``g`` the slope."""
        above = (slope * f).sum(-1, keepdim=True) - slope.amin(-1, keepdim=True)
        return 2 * (above if self.alpha else above.where(~self.known, 0.0)).sum(dim=(1, 2))

    def _weights(self) -> tuple[float, float]:
        return (1 / (1 + self.alpha), self.alpha / (1 + self.alpha)) if self.alpha else (0.0, 1.0)


def least_on_simplex(task: SimplexEnergy, start: Tensor) -> Tensor:
    """``F (B, N, K)`` of the least energy, to a gap of :data:`GAP` a node.

    Accelerated projected gradients find which scores are 0; conjugate gradients then solve for the others,
    and that solution is taken where its gap is small. Differentiable once in the shift: the zeros are
    locally constant, and the others solve a linear system.

    Raises:
        ValueError: where an eigenvalue of ``S`` exceeds 1, so that ``L`` is no energy.
        ConvergenceError: if the gap does not fall.

    References:
        Beck, Teboulle (2009), *A Fast Iterative Shrinkage-Thresholding Algorithm*; O'Donoghue, Candès (2015),
        *Adaptive Restart for Accelerated Gradient Schemes*.
    """
    with torch.no_grad():
        steep = task.scale() * (1 + _greatest_modulus(task.shift))
        scores = _minimised(task, task.projected(start), steep)
        support = _support(task, scores, steep)
    residual = -task.tangent(task.slope(scores), support)
    if not residual.requires_grad:
        return scores
    held = replace(task, shift=task.shift.detach())
    return Implicit.apply(residual, scores, lambda v: _solved_on(held, support, v, converged_solution))


def _minimised(task: SimplexEnergy, f: Tensor, steep: Tensor) -> Tensor:
    goal, steps = GAP * f.shape[1], _FIRST
    while steps <= _MOST:
        f = _better(task, f, _finished(task, f, steep, steps), goal)
        left = task.gap(f, task.slope(f))
        if bool((left <= goal).all()):
            return f
        f = _descended(task, f, steep, steps)
        steps *= 2
    raise ConvergenceError(
        f"scores on the simplex came to a gap of {float(left.max()):.1e}, and {goal:.0e} was asked: the "
        "system is nearly singular (too few known nodes); know more nodes, or raise alpha"
    )


def _descended(task: SimplexEnergy, f: Tensor, steep: Tensor, steps: int) -> Tensor:
    """So many accelerated steps; ``A`` is linear, so that each costs one product."""
    slope = task.slope(f)
    ahead, slope_ahead, pace = f, slope, torch.ones_like(f[:, :1, :1])
    for _ in range(steps):
        new = task.projected(ahead - slope_ahead / steep)
        slope_new = task.slope(new)
        turned = ((ahead - new) * steep * (new - f)).sum(dim=(1, 2), keepdim=True) > 0
        pace = pace.where(~turned, 1.0)
        next_pace = 0.5 + (0.25 + pace.square()).sqrt()
        by = (pace - 1) / next_pace
        ahead, slope_ahead = new + by * (new - f), slope_new + by * (slope_new - slope)
        f, slope, pace = new, slope_new, next_pace
    return f


def _finished(task: SimplexEnergy, f: Tensor, steep: Tensor, steps: int) -> Tensor:
    """The solution itself, if the scores that are 0 after a step from ``f`` are those of the solution."""
    near = task.projected(f - task.slope(f) / steep)
    support = near > 0
    find = partial(conjugate_gradients, steps=4 * steps)
    found = near - _solved_on(task, support, task.slope(near), find)
    return task.projected(torch.where(support, found, -1.0))  # far below: rounding makes no zero positive


def _solved_on(
    task: SimplexEnergy, support: Tensor, v: Tensor, find: Callable[[Solve, Tensor, Tensor], Tensor]
) -> Tensor:
    """``(Π A Π)⁻¹ Π v``: one system of all nodes and classes, since ``Π`` joins these.

    That of ``Π A Π + (I − Π) D``, which is definite, so that what rounding leaves beside ``Π`` stays small.
    """
    scale = task.scale()

    def operator(p: Tensor) -> Tensor:
        along = task.tangent(p.view_as(v), support)
        product = task.tangent(task.curvature(along), support) + scale * (p.view_as(v) - along)
        return product.flatten(1).unsqueeze(-1)

    right = task.tangent(v, support).flatten(1).unsqueeze(-1)
    found = find(operator, scale.reciprocal().expand_as(v).flatten(1).unsqueeze(-1), right)
    return task.tangent(found.view_as(v), support)


def _better(task: SimplexEnergy, f: Tensor, other: Tensor, goal: float) -> Tensor:
    """Graph by graph ``other``, whose zeros are exact, unless its gap is greater and not small."""
    better = task.gap(other, task.slope(other)) <= task.gap(f, task.slope(f)).clamp_min(goal)
    return torch.where(better[:, None, None], other, f)


def _support(task: SimplexEnergy, f: Tensor, steep: Tensor) -> Tensor:
    return task.projected(f - task.slope(f) / steep) > 0


def _nearest_on_simplex(f: Tensor) -> Tensor:
    """``max(F_ik − θ_i, 0)`` with the ``θ_i`` for which a row sums to 1 (Held, Wolfe, Crowder 1974)."""
    descending = f.sort(dim=-1, descending=True).values
    ranks = torch.arange(1, f.shape[-1] + 1, dtype=f.dtype, device=f.device)
    means = (descending.cumsum(-1) - 1) / ranks
    last = (descending > means).sum(-1, keepdim=True) - 1
    return (f - means.gather(-1, last)).clamp_min(0)


def _greatest_modulus(shift: ShiftOperator) -> float:
    """A bound of ``|μ|``; a ``ValueError`` where some ``μ > 1``."""
    bound = shift.spectral_bound
    if bound is not None and bound <= 1:
        return bound
    whole = has_closed_spectrum(shift) or shift.shape[-1] <= DENSE
    found = spectrum(shift, None if whole else 1).eigenvalues
    if float(found.max()) > 1 + _SLACK:
        raise ValueError(
            f"S has the eigenvalue {float(found.max()):.6g} > 1, and yᵀ (I − S) y is no energy; normalise "
            "the graph: S / max |μ|, or SparseShift.from_edge_index"
        )
    return float(found.abs().max()) * (1 + _SLACK)
