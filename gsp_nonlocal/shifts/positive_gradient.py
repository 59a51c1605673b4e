"""Attention weighted by its gradient."""

from __future__ import annotations

from torch import Tensor

from filters.operators.promises import Promises
from filters.operators.shift import ShiftOperator
from gsp_nonlocal.shifts.by_rows import ByRows
from gsp_nonlocal.shifts.head_mean import Function, by_image
from gsp_nonlocal.shifts.structure import rows


class PositiveGradient(ByRows):
    r"""``Ā = (1/G) Σ_h (g_h v_hᵀ ∘ S_h)⁺``, with ``g = ∂L/∂o`` the gradient of the outputs ``o = S v``.

    Args:
        inner: ``S (B·G, N, N)``.
        gradient: ``g (B·G, N, d)``.
        value: ``v (B·G, N, d)``.
        heads: ``G``.
    """

    def __init__(self, inner: ShiftOperator, gradient: Tensor, value: Tensor, heads: int) -> None:
        super().__init__(inner, heads, Promises())
        self.gradient, self.value = gradient, value

    def own_rows(self, nodes: Tensor) -> Tensor:
        weights = rows(self.inner, nodes) * (self.gradient[:, nodes] @ self.value.mT)
        return weights.clamp(min=0).unflatten(0, (-1, self.heads)).mean(dim=1)

    def mapped(self, function: Function, promises: Promises | None = None) -> PositiveGradient:
        own = by_image(function, self.shape[0])
        return PositiveGradient(self.inner.mapped(own), own(self.gradient), own(self.value), self.heads)
