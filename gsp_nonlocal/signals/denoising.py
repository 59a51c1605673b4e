"""Signals made smoother on a graph."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor

from filters import Heat
from filters.checks import require_positive
from gsp_nonlocal.shifts import ShiftOperator, as_shift
from gsp_nonlocal.shifts.structure import stored_edges
from gsp_nonlocal.signals.conjugate_gradients import definite_solution
from gsp_nonlocal.signals.differences import SparseGraph, differences
from gsp_nonlocal.signals.known import own_weights, undirected
from gsp_nonlocal.signals.variation import TOLERANCE, least_variation
from gsp_nonlocal.spectral.density import require_real_signal

DenoisingMethod = Literal["tikhonov", "heat", "tv"]


def denoise(
    z: Tensor,
    shift: SparseGraph | Tensor,
    method: DenoisingMethod = "tikhonov",
    strength: float = 1.0,
    tolerance: float = TOLERANCE,
) -> Tensor:
    r"""A smoother signal close to ``z``, by one of three measures of smoothness.

    ============  ================================================  ====================================
    method        equation                                          how
    ============  ================================================  ====================================
    ``tikhonov``  ``argmin ‖y − z‖² + α yᵀLy = (I + αL)⁻¹ z``       a resolvent: exact on low-rank and
                                                                    dense shifts, else to 1e-12
    ``heat``      ``exp(−τ L) z``                                   :class:`filters.Heat`: exact there too,
                                                                    else a polynomial off by at most 1e-12
    ``tv``        ``argmin ½ ‖y − z‖² + γ ‖∇y‖₁``                   a primal-dual iteration to a duality
                                                                    gap of ``tolerance · ½ ‖z‖²``, then
                                                                    the exact solution on its pieces
    ============  ================================================  ====================================

    Total variation keeps jumps; it needs edges, ``∇`` of :func:`gsp_nonlocal.signals.grad`.

    Args:
        z: signal ``(B, N, C)``, real.
        shift: a symmetric shift, or a plain tensor. For ``tv`` a sparse shift of a combinatorial Laplacian,
            whose ``∇ᵀ∇`` is ``L = I − S``, or PyG's ``Data``, whose is ``D − A``.
        method: ``"tikhonov"``, ``"heat"`` or ``"tv"``.
        strength: ``α``, ``τ`` or ``γ``, positive.
        tolerance: of ``tv``; the distance to the solution is at most ``√tolerance · ‖z‖``.

    Returns:
        ``y (B, N, C)`` in the greater precision of both, differentiable in ``z`` and the graph. (The
        derivative of ``tv`` is that of its pieces, which is right where the solution is exact.)

    Raises:
        TypeError: if ``z`` is not real floating-point, ``shift`` is none of these, ``strength`` or
            ``tolerance`` no real number; if ``tv`` is asked of a shift without edges.
        ValueError: for an unknown method, a strength or tolerance that is not positive, a directed graph (for
            ``tv`` a normalised one too), a signal that does not fit or has NaN.
        ConvergenceError: if an iteration does not converge.

    References:
        Shuman et al. (2013), *The Emerging Field of Signal Processing on Graphs*, for the first two;
        Chambolle, Pock (2011), *A First-Order Primal-Dual Algorithm for Convex Problems*, for the third.

    Example:
        >>> pair = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        >>> denoise(torch.tensor([[[1.0], [-1.0]]]), pair, strength=0.5).flatten()
        tensor([ 0.5000, -0.5000])
    """
    if method not in get_args(DenoisingMethod):
        raise ValueError(f"unknown method {method!r}; choose one of {', '.join(get_args(DenoisingMethod))}")
    strength = require_positive("strength", strength)
    if method == "tv":
        return _less_variation(z, shift, strength, require_positive("tolerance", tolerance))
    if not isinstance(shift, ShiftOperator | Tensor):
        raise TypeError(
            f"method {method!r} takes a shift, got {type(shift).__name__}; use "
            "SparseShift.from_edge_index(data.edge_index, data.edge_weight)"
        )
    smooth = undirected(shift)
    require_real_signal(z, smooth)
    _require_numbers(z)
    if method == "heat":
        wide = torch.promote_types(z.dtype, smooth.dtype)
        return Heat(strength, order=heat_order(strength))(z.to(wide), smooth.to(wide))
    if stored_edges(smooth) is None:
        return smooth.solve(z, 1 + strength, -strength)
    return _solved_on_edges(z, smooth, strength)


def _solved_on_edges(z: Tensor, shift: ShiftOperator, alpha: float) -> Tensor:
    """``(I − S α/(1 + α))⁻¹ z / (1 + α)`` by conjugate gradients: a product a step, a resolvent takes two."""
    dtype = torch.promote_types(z.dtype, shift.dtype)
    weight = alpha / (1 + alpha)
    system = shift.to(torch.float64).mapped(lambda part: weight * part, shift.promises.times(weight))
    edges = stored_edges(system)
    assert edges is not None
    loops = own_weights(*edges, z.shape[1])
    return definite_solution(system, 1 - loops, z.double() / (1 + alpha)).to(dtype)


def heat_order(tau: float) -> int:
    """A degree at which the Chebyshev interpolant of ``exp(−τ λ)`` on ``[0, 2]`` is off by less than 1e-12.

    Its coefficients fall as ``exp(−k² / 2τ)`` where ``k < τ``, and faster beyond.
    """
    return 24 + math.ceil((64 * tau) ** 0.5)


def _less_variation(z: Tensor, graph: SparseGraph | Tensor, strength: float, tolerance: float) -> Tensor:
    gradient = differences(as_shift(graph) if isinstance(graph, Tensor) else graph)
    nodes = len(gradient.scale)
    if not z.is_floating_point():
        raise TypeError(f"a signal is real floating-point, got {z.dtype}; convert it with .float()")
    if z.dim() != 3 or z.shape[1] != nodes:
        raise ValueError(f"a signal has shape (B, {nodes}, C), got {tuple(z.shape)}")
    _require_numbers(z)
    dtype = torch.promote_types(z.dtype, gradient.root.dtype)
    return least_variation(z.double(), gradient.double(), strength, tolerance).to(dtype)


def _require_numbers(z: Tensor) -> None:
    wrong = ~z.isfinite()
    if wrong.any():
        raise ValueError(
            f"{int(wrong.sum())} of {z.numel()} values of the signal are NaN or infinite, first at "
            f"{wrong.nonzero()[0].tolist()}; fill them in: interpolate(z, mask, shift)"
        )
