"""The mean of an image's heads."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from filters.operators.promises import Promises
from filters.operators.shift import ShiftOperator
from gsp_nonlocal.shifts.implicit import ImplicitShift
from gsp_nonlocal.shifts.structure import rows

Function = Callable[[Tensor], Tensor]


def empty_like(shift: ShiftOperator, batch: int) -> Tensor:
    """``(batch, N, 0)`` of the data type and device of a shift."""
    return torch.empty(batch, shift.shape[-1], 0, dtype=shift.dtype, device=shift.device)


def by_image(function: Function, images: int) -> Function:
    """A function whose argument begins with images, for one that begins with all graphs of all images."""

    def of_graphs(part: Tensor) -> Tensor:
        if part.shape[0] == 1:  # one that all graphs share stays one
            return function(part)
        return function(part.unflatten(0, (images, -1))).flatten(0, 1)

    return of_graphs


class HeadMean(ImplicitShift):
    r"""``S̄ = (1/G) Σ_g S_g`` over the ``G`` heads of each image.

    Args:
        inner: ``S (B·G, N, N)``, graph ``g`` of image ``b`` being number ``b G + g``.
        heads: ``G``.
        promises: by default those of a mean.

    Example:
        >>> from filters import DenseShift
        >>> S = HeadMean(DenseShift(torch.stack([torch.eye(2), torch.ones(2, 2)])), 2)
        >>> S.shape, S @ torch.ones(1, 2, 1)
        (torch.Size([1, 2, 2]), tensor([[[1.5000],
                 [1.5000]]]))
    """

    def __init__(self, inner: ShiftOperator, heads: int, *, promises: Promises | None = None) -> None:
        known = Promises(inner.is_symmetric, bound=1.0 if inner.is_row_stochastic else None)
        super().__init__(empty_like(inner, inner.shape[0] // heads), promises or known)
        self.inner, self.heads = inner, heads

    def apply(self, z: Tensor) -> Tensor:
        images = self.shape[0]
        if images < len(z):  # many signals on one graph are channels of one
            apart = self.apply(z.transpose(0, 1).flatten(1).unsqueeze(0))
            return apart.unflatten(-1, (len(z), -1)).squeeze(0).transpose(0, 1)
        return self.mean(self.inner(z.expand(images, -1, -1).repeat_interleave(self.heads, dim=0)))

    def mean(self, part: Tensor) -> Tensor:
        """``(B·G, …) ↦ (B, …)``."""
        return part.unflatten(0, (-1, self.heads)).mean(dim=1)

    @property
    def T(self) -> HeadMean:  # noqa: N802
        return HeadMean(self.inner.T, self.heads, promises=self.promises.transposed)

    def to_dense(self) -> Tensor:
        return self.mean(self.inner.to_dense())

    def mapped(self, function: Function, promises: Promises | None = None) -> HeadMean:
        inner = self.inner.mapped(by_image(function, self.shape[0]))
        return HeadMean(inner, self.heads, promises=promises or self.promises)


@rows.register
def _(shift: HeadMean, nodes: Tensor) -> Tensor:
    return shift.mean(rows(shift.inner, nodes))
