"""Shifts between two diagonals."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from filters.checks import common_batch, require_alike, require_tensor
from filters.operators.promises import Promises, promised
from filters.operators.shift import ShiftOperator
from gsp_nonlocal.shifts.implicit import ImplicitShift


class ScaledShift(ImplicitShift):
    r"""``diag(l) · S · diag(r)``: a shift between two diagonals, as degrees normalise it.

    Args:
        inner: ``S``.
        left: ``l (B, N, 1)``.
        right: ``r (B, N, 1)``.
        is_symmetric: promise that the product is symmetric.
        is_row_stochastic: promise that its entries are ``≥ 0`` and its rows sum to 1, or to 0.
        spectral_bound: a bound of ``|μ|``, if one is known.

    Raises:
        TypeError: if ``inner`` is no shift, or the types differ.
        ValueError: if shapes, batches or devices do not fit.

    Example:
        >>> import torch
        >>> from filters import DenseShift
        >>> S = ScaledShift(DenseShift(torch.ones(2, 2)), torch.full((1, 2, 1), 0.5), torch.ones(1, 2, 1))
        >>> S @ torch.ones(1, 2, 1)
        tensor([[[1.],
                 [1.]]])
    """

    def __init__(
        self,
        inner: ShiftOperator,
        left: Tensor,
        right: Tensor,
        *,
        is_symmetric: bool = False,
        is_row_stochastic: bool = False,
        spectral_bound: float | None = None,
    ) -> None:
        require_diagonals(inner, left, right)
        batch = common_batch(inner, left, right)
        like = left.expand(batch, -1, -1)
        super().__init__(like, promised(is_symmetric, is_row_stochastic, spectral_bound))
        self.inner, self.left, self.right, self.ranks = inner, left, right, inner.ranks

    def apply(self, z: Tensor) -> Tensor:
        return self.left * self.inner(self.right * z)

    @property
    def T(self) -> ScaledShift:  # noqa: N802
        return ScaledShift(self.inner.T, self.right, self.left, **self.promises.transposed.keywords())

    def to_dense(self) -> Tensor:
        return self.left * self.inner.to_dense() * self.right.mT

    def prepared(self) -> ScaledShift:
        return ScaledShift(self.inner.prepared(), self.left, self.right, **self.promises.keywords())

    def mapped(self, function: Callable[[Tensor], Tensor], promises: Promises | None = None) -> ScaledShift:
        left, right = function(self.left), function(self.right)
        return ScaledShift(self.inner.mapped(function), left, right, **(promises or self.promises).keywords())


def require_diagonals(inner: ShiftOperator, left: Tensor, right: Tensor) -> None:
    """Raise unless the diagonals fit the nodes, the type, the device and the batch of the shift.

    Raises:
        TypeError: if ``inner`` is no shift, or the types differ.
        ValueError: if shapes, batches or devices do not fit.
    """
    if not isinstance(inner, ShiftOperator):
        raise TypeError(f"what is scaled is a shift, got {type(inner).__name__}")
    nodes = inner.shape[-1]
    for name, scale in {"left": left, "right": right}.items():
        if require_tensor(name, scale).dim() != 3 or scale.shape[-2:] != (nodes, 1):
            raise ValueError(f"{name} has shape (B, {nodes}, 1), got {tuple(scale.shape)}")
    require_alike("a scaled shift", inner=inner, left=left, right=right)
