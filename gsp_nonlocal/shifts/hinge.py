"""Graphs whose weight is a hinge of a sum, by sorting: exact, and linear in N but for the sort."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from filters.checks import common_batch, require_alike, require_tensor
from filters.export import apply_function
from filters.operators.by_hand import HandDifferentiated
from filters.operators.promises import Promises, promised
from gsp_nonlocal.shifts.implicit import ImplicitShift
from gsp_nonlocal.shifts.pooled import Product


class HingeShift(ImplicitShift):
    r"""``S_ij = relu(u_i + v_j)``. Time ``N (C + log N)``, memory ``N C``: see :func:`hinge_product`.

    Args:
        row: ``u (B, N, 1)``.
        column: ``v (B, N, 1)``.
        is_symmetric: promise that ``S = Sᵀ``.
        is_row_stochastic: promise that entries are ``≥ 0`` and rows sum to 1, or to 0.
        spectral_bound: a bound of ``|μ|``, if one is known.

    Raises:
        TypeError: if the types do not fit.
        ValueError: if the shapes do not fit.

    References:
        Wang, Girshick, Gupta, He (2018), for the concatenation kernel. Deviation: products by sorting in
        place of the matrix.

    Example:
        >>> S = HingeShift(torch.tensor([[[1.0], [-3.0]]]), torch.tensor([[[0.0], [5.0]]]))
        >>> S.to_dense()
        tensor([[[1., 6.],
                 [0., 2.]]])
    """

    def __init__(
        self,
        row: Tensor,
        column: Tensor,
        *,
        is_symmetric: bool = False,
        is_row_stochastic: bool = False,
        spectral_bound: float | None = None,
    ) -> None:
        require_tensor("row", row)
        require_tensor("column", column)
        if row.dim() != 3 or row.shape[-1] != 1 or row.shape != column.shape:
            raise ValueError(
                f"row and column have one common shape (B, N, 1), got {tuple(row.shape)} "
                f"and {tuple(column.shape)}"
            )
        require_alike("a hinge shift", row=row, column=column)
        super().__init__(row, promised(is_symmetric, is_row_stochastic, spectral_bound))
        self.row, self.column = row, column

    def apply(self, z: Tensor) -> Tensor:
        return hinge_product(self.row, self.column, z)

    @property
    def T(self) -> HingeShift:  # noqa: N802
        return HingeShift(self.column, self.row, **self.promises.transposed.keywords())

    def to_dense(self) -> Tensor:
        return (self.row + self.column.mT).relu()

    def mapped(self, function: Callable[[Tensor], Tensor], promises: Promises | None = None) -> HingeShift:
        row, column = function(self.row), function(self.column)
        return HingeShift(row, column, **(promises or self.promises).keywords())


def hinge_product(
    row: Float[Tensor, "#B N 1"], column: Float[Tensor, "#B M 1"], z: Float[Tensor, "#B M C"]
) -> Float[Tensor, "_ N C"]:
    r"""``y_i = Σ_j relu(u_i + v_j) z_j``, exactly.

    With ``v`` in descending order and ``Z_k = Σ_{j≤k} z_j``, the ``n`` first of the ``v_j`` exceed ``−u_i``,
    and ``y_i = Σ_{k<n} (v_k − v_{k+1}) Z_k + (u_i + v_n) Z_n``: two running sums, read at one place for each
    node. Nothing cancels, wherever ``u`` and ``v`` lie, as it would in ``u_i Z_n + Σ_{j≤n} v_j z_j``. The
    result is channel-first in memory.
    """
    batch = common_batch(row, column, z)
    row, column, z = (part.expand(batch, -1, -1) for part in (row, column, z))
    return apply_function(_HingeProduct, row, column, z)


class _HingeProduct(HandDifferentiated):
    r"""``y_i = Σ_j relu(u_i + v_j) z_j``; backward ``z̄_j = Σ_i relu(v_j + u_i) ȳ_i``,
    ``ū_i = ⟨ȳ_i, Σ_{j: u_i + v_j > 0} z_j⟩`` and ``v̄_j`` alike: no differences of the sums of forward."""

    generate_vmap_rule = True

    @staticmethod
    def forward(row: Tensor, column: Tensor, z: Tensor) -> Tensor:
        ordered, order = column.mT.sort(descending=True)
        sums = z.mT.gather(2, order.expand(-1, z.shape[2], -1)).cumsum(dim=2)
        gaps = ordered[..., :-1] - ordered[..., 1:]
        risen = functional.pad((gaps * sums[..., :-1]).cumsum(dim=2), (1, 0))
        last = (_above(row, ordered) - 1).clamp_min(0)  # where there is none, the hinge is 0
        each = last.expand(-1, z.shape[2], -1)
        hinge = (row.mT + ordered.gather(2, last)).relu()
        return (risen.gather(2, each) + hinge * sums.gather(2, each)).mT

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
        """Keep what :meth:`backward` reads."""
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of the class's docstring, themselves differentiable."""
        row, column, z = ctx.saved_tensors
        to_row = to_column = to_z = None
        if ctx.needs_input_grad[0]:
            to_row = (grad * _step_product(row, column, z)).sum(dim=-1, keepdim=True)
        if ctx.needs_input_grad[1]:
            to_column = (z * _step_product(column, row, grad)).sum(dim=-1, keepdim=True)
        if ctx.needs_input_grad[2]:
            to_z = _HingeProduct.apply(column, row, grad)
        return to_row, to_column, to_z


def _step_product(row: Tensor, column: Tensor, z: Tensor) -> Tensor:
    """``y_i = Σ_{j: u_i + v_j > 0} z_j``."""
    ordered, order = column.detach().mT.sort(descending=True)
    sums = functional.pad(z.mT.gather(2, order.expand(-1, z.shape[2], -1)).cumsum(dim=2), (1, 0))
    return sums.gather(2, _above(row.detach(), ordered).expand(-1, z.shape[2], -1)).mT


def _above(row: Tensor, ordered: Tensor) -> Tensor:
    """How many of the ``v (B, 1, M)``, which descend, exceed each ``−u_i``: ``(B, 1, N)``."""
    return torch.searchsorted(-ordered, row.mT.contiguous())


def hinge_products(row: Tensor, column: Tensor) -> tuple[Product, Product]:
    """``z ↦ W z`` and ``y ↦ Wᵀ y`` for ``W_ij = relu(u_i + v_j) / M``, ``(N × M)``."""
    count = column.shape[1]
    return (
        lambda z: hinge_product(row, column, z) / count,
        lambda y: hinge_product(column, row, y) / count,
    )
