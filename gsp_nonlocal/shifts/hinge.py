"""Graphs whose weight is a hinge of a sum, by sorting: exact, and linear in N but for the sort."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from filters.promises import Promises
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
        ValueError: if the shapes do not fit.

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
        if row.dim() != 3 or row.shape[-1] != 1 or row.shape != column.shape:
            raise ValueError(
                f"row and column have one common shape (B, N, 1), got {tuple(row.shape)} "
                f"and {tuple(column.shape)}"
            )
        super().__init__(row, Promises(is_symmetric, is_row_stochastic, spectral_bound))
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

    With ``v`` in descending order, the ``n_i`` first of the ``v_j`` exceed ``−u_i``; so
    ``y_i = u_i Σ_{j<n_i} z_j + Σ_{j<n_i} v_j z_j``: two running sums, read at one place for each node.
    The result is channel-first in memory.
    """
    batch = max(row.shape[0], column.shape[0], z.shape[0])
    row, column, z = (part.expand(batch, -1, -1).mT for part in (row, column, z))
    ordered, order = column.sort(descending=True)
    z = z.gather(2, order.expand(-1, z.shape[1], -1))
    above = torch.searchsorted(-ordered.detach(), row.detach().contiguous())
    count = above.expand(-1, z.shape[1], -1)
    return (row * _running_sum(z).gather(2, count) + _running_sum(ordered * z).gather(2, count)).mT


def _running_sum(z: Float[Tensor, "B C M"]) -> Tensor:
    """``Σ_{j<n} z_j`` for ``n = 0 … M``, shape ``(B, C, M + 1)``."""
    return torch.cat([torch.zeros_like(z[..., :1]), z.cumsum(dim=2)], dim=2)


def hinge_products(row: Tensor, column: Tensor) -> tuple[Product, Product]:
    """``z ↦ W z`` and ``y ↦ Wᵀ y`` for ``W_ij = relu(u_i + v_j) / M``, ``(N × M)``."""
    count = column.shape[1]
    return (
        lambda z: hinge_product(row, column, z) / count,
        lambda y: hinge_product(column, row, y) / count,
    )
