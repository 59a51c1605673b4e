"""How much is carried along each edge: weights times the features that they weigh."""

from __future__ import annotations

import torch
from torch import Tensor

from filters.operators.promises import Promises
from filters.operators.shift import ShiftOperator
from gsp_nonlocal.shifts.by_rows import ByRows
from gsp_nonlocal.shifts.head_mean import Function, by_image
from gsp_nonlocal.shifts.structure import rows


class CarriedNorms(ByRows):
    r"""``‖Σ_h S^h_ij f^h_j‖₂``, by the products ``f^h_j · f^{h'}_j`` of the heads at each node.

    Args:
        inner: ``S (B·G, N, N)``.
        products: ``(B, N, G, G)``.
        heads: ``G``.
    """

    def __init__(self, inner: ShiftOperator, products: Tensor, heads: int) -> None:
        super().__init__(inner, heads, Promises())
        self.products = products

    def own_rows(self, nodes: Tensor) -> Tensor:
        weights = rows(self.inner, nodes).unflatten(0, (-1, self.heads)).to(self.products.dtype)
        carried = torch.einsum("bgmn,bngh->bhmn", weights, self.products)
        return (carried * weights).sum(dim=1).clamp(min=0).sqrt().to(self.dtype)

    def mapped(self, function: Function, promises: Promises | None = None) -> CarriedNorms:
        inner = self.inner.mapped(by_image(function, self.shape[0]))
        return CarriedNorms(inner, function(self.products), self.heads)
