"""Graphs one after the other, and the mean of an image's heads, as shifts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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


def by_image(function: Function, heads: int) -> Function:
    """A function whose argument begins with images, for one that begins with all heads of all images."""

    def of_heads(part: Tensor) -> Tensor:
        if heads == 1 or part.shape[0] == 1:  # one that all graphs share stays one
            return function(part)
        return function(part.unflatten(0, (-1, heads))).flatten(0, 1)

    return of_heads


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
        z = z.expand(self.shape[0], -1, -1).repeat_interleave(self.heads, dim=0)
        return self.mean(self.inner(z))

    def mean(self, part: Tensor) -> Tensor:
        """``(B·G, …) ↦ (B, …)``."""
        return part.unflatten(0, (-1, self.heads)).mean(dim=1)

    @property
    def T(self) -> HeadMean:  # noqa: N802
        return HeadMean(self.inner.T, self.heads, promises=self.promises.transposed)

    def to_dense(self) -> Tensor:
        return self.mean(self.inner.to_dense())

    def mapped(self, function: Function, promises: Promises | None = None) -> HeadMean:
        inner = self.inner.mapped(by_image(function, self.heads))
        return HeadMean(inner, self.heads, promises=promises or self.promises)


@rows.register
def _(shift: HeadMean, nodes: Tensor) -> Tensor:
    return shift.mean(rows(shift.inner, nodes))


class Cascade(ImplicitShift):
    r"""``R = (k I + a S_L) ⋯ (k I + a S_1)``: graphs one after the other, each beside a path around it.

    A product with it is one product with each graph; a row is one with the transposes, last layer first. No
    ``N × N`` matrix is formed but those that the graphs are kept as.

    Args:
        layers: ``S_1, …, S_L (B, N, N)``, the first one applied first.
        around: ``k``.
        share: ``a``.
        promises: by default none.

    Example:
        >>> from filters import DenseShift
        >>> swap, ahead = torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.tensor([[0.0, 1.0], [0.0, 1.0]])
        >>> Cascade([DenseShift(swap), DenseShift(ahead)], 0.0, 1.0).to_dense()
        tensor([[[1., 0.],
                 [1., 0.]]])
    """

    def __init__(
        self,
        layers: Sequence[ShiftOperator],
        around: float,
        share: float,
        *,
        promises: Promises | None = None,
    ) -> None:
        batch = max(layer.shape[0] for layer in layers)
        super().__init__(empty_like(layers[0], batch), promises or Promises())
        self.layers, self.around, self.share = tuple(layers), around, share

    def apply(self, z: Tensor) -> Tensor:
        for layer in self.layers:
            z = self.around * z + self.share * layer(z)
        return z

    @property
    def T(self) -> Cascade:  # noqa: N802
        turned = [layer.T for layer in reversed(self.layers)]
        return Cascade(turned, self.around, self.share, promises=self.promises.transposed)

    def to_dense(self) -> Tensor:
        eye = torch.eye(self.shape[-1], dtype=self.dtype, device=self.device)
        return self(eye.expand(self.shape[0], -1, -1))

    def mapped(self, function: Function, promises: Promises | None = None) -> Cascade:
        layers = [layer.mapped(function) for layer in self.layers]
        return Cascade(layers, self.around, self.share, promises=promises or self.promises)
