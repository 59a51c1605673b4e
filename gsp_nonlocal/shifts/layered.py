"""Graphs one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from filters.operators.promises import Promises
from filters.operators.shift import ShiftOperator
from gsp_nonlocal.shifts.head_mean import empty_like
from gsp_nonlocal.shifts.implicit import ImplicitShift


class LayeredShift(ImplicitShift):
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
        >>> LayeredShift([DenseShift(swap), DenseShift(ahead)], 0.0, 1.0).to_dense()
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
    def T(self) -> LayeredShift:  # noqa: N802
        turned = [layer.T for layer in reversed(self.layers)]
        return LayeredShift(turned, self.around, self.share, promises=self.promises.transposed)

    def to_dense(self) -> Tensor:
        eye = torch.eye(self.shape[-1], dtype=self.dtype, device=self.device)
        return self(eye.expand(self.shape[0], -1, -1))

    def graph(self, index: int) -> LayeredShift:
        """Graph number ``index`` of the batch, as a batch of one."""
        layers = [layer.graph(index) if layer.shape[0] > 1 else layer for layer in self.layers]
        return LayeredShift(layers, self.around, self.share, promises=self.promises)

    def mapped(self, function: Callable[[Tensor], Tensor], promises: Promises | None = None) -> LayeredShift:
        layers = [layer.mapped(function) for layer in self.layers]
        return LayeredShift(layers, self.around, self.share, promises=promises or self.promises)
