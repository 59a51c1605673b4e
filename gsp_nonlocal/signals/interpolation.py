"""Signals of which some nodes are known, filled in."""

from __future__ import annotations

import torch
from torch import Tensor

from gsp_nonlocal.shifts import ShiftOperator, scaled
from gsp_nonlocal.shifts.structure import stored_edges
from gsp_nonlocal.signals.conjugate_gradients import definite_solution
from gsp_nonlocal.signals.known import (
    known_nodes,
    known_values,
    own_weights,
    require_not_negative,
    require_reached,
    solved,
    undirected,
)


def interpolate(values: Tensor, mask: Tensor, shift: ShiftOperator | Tensor, alpha: float = 0.0) -> Tensor:
    r"""``y = argmin_y ‖M (y − z)‖² + α yᵀ L y``: the smooth signal with the values ``z`` where ``M`` is 1.

    ``(M + α L) y = M z``; with ``α = 0`` its limit, the harmonic signal: ``y = z`` where known, ``L y = 0``
    elsewhere. With the diagonal ``W = α / (1 + α)`` where known and 1 elsewhere, both are

    .. math::
        (I − W S)\, y = M z / (1 + α), \qquad
        y = M z / (1 + α) + W^{1/2} (I − W^{1/2} S W^{1/2})^{-1} W^{1/2} S M z / (1 + α).

    ``W^{1/2} S W^{1/2}`` is a shift of the kind of ``S``: of low-rank ones the solution is exact in time
    ``N R²``, of dense ones in ``N³``. Others iterate to a relative residual of 1e-12, sparse ones by
    conjugate gradients, preconditioned by the diagonal. All in float64.

    Args:
        values: ``z (B, N, C)``, real; what stands outside the mask is not read and may be NaN.
        mask: ``(N,)`` or ``(B, N)``, boolean: the nodes that are known.
        shift: a symmetric shift with ``μ ≤ 1``, or a plain tensor.
        alpha: ``α ≥ 0``, weight of the smoothness against the values.

    Returns:
        ``y (B, N, C)`` in the greater precision of ``values`` and ``shift``; differentiable in both.

    Raises:
        TypeError: if values are not real floating-point, the mask is not boolean, ``shift`` is no shift, or
            ``alpha`` no real number.
        ValueError: for a mask of no node or of another size, NaN under it, a negative ``alpha``, a directed
            shift; where a part of the graph has no path to a known node.
        ConvergenceError: if an iteration does not converge.

    References:
        Zhu, Ghahramani, Lafferty (2003), *Semi-Supervised Learning Using Gaussian Fields and Harmonic
        Functions*; Belkin, Matveeva, Niyogi (2004), *Regularization and Semi-supervised Learning on Large
        Graphs*. As PyGSP's ``regression_tikhonov``.

    Example:
        >>> from gsp_nonlocal.shifts import SparseShift
        >>> path = torch.tensor([[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]])
        >>> shift = SparseShift.from_edge_index(path, normalization=None)
        >>> z = torch.tensor([0.0, torch.nan, torch.nan, 3.0]).view(1, 4, 1)
        >>> interpolate(z, ~z.isnan().flatten(), shift).flatten()
        tensor([0., 1., 2., 3.])
    """
    alpha = require_not_negative("alpha", alpha)
    shift = undirected(shift)
    known = known_nodes(mask, shift.shape[-1])
    z = known_values(values, known)
    require_reached(shift, known)
    dtype = torch.promote_types(values.dtype, shift.dtype)
    return _filled(z.double() / (1 + alpha), known, shift.to(torch.float64), alpha).to(dtype)


def _filled(start: Tensor, known: Tensor, shift: ShiftOperator, alpha: float) -> Tensor:
    """The solution from ``M z / (1 + α)``."""
    root = torch.ones_like(start[:, :, :1]).masked_fill(known, alpha / (1 + alpha)).sqrt()
    root = root if len(known) > 1 else root[:1]
    system, right = scaled(shift, root, root, is_symmetric=True), root * (shift @ start)
    edges = stored_edges(shift)
    if edges is None:
        return start + root * solved(system, right)
    loops = root.square() * own_weights(*edges, len(root[0]))
    return start + root * definite_solution(system, 1 - loops, right)
