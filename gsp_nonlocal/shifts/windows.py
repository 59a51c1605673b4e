"""Graphs of windows of one map: nodes see those of their own window alone."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from filters.operators.promises import Promises
from filters.operators.shift import ShiftOperator
from gsp_nonlocal.shifts.implicit import ImplicitShift


class WindowShift(ImplicitShift):
    r"""``S``: up to the order of the nodes, the graphs of ``W`` windows side by side as one.

    Its eigenvalues are those of all windows.

    Args:
        inner: the windows' graphs ``(B·W·G, n, n)``: images first, then windows, then the ``G`` heads.
        places: ``(W, n)``, the node of the map that each node of a window is; each of ``N = W n`` once.
        graphs: ``G``.

    Raises:
        ValueError: if places are not a permutation of the nodes, or do not fit the windows.

    References:
        Liu et al. (2021), *Swin Transformer*.

    Example:
        >>> from filters import DenseShift
        >>> mean = DenseShift(torch.full((2, 2, 2), 0.5))  # of two windows of two nodes
        >>> S = WindowShift(mean, torch.tensor([[0, 2], [1, 3]]))
        >>> S @ torch.tensor([[[0.0], [1.0], [2.0], [3.0]]])
        tensor([[[1.],
                 [2.],
                 [1.],
                 [2.]]])
    """

    def __init__(
        self, inner: ShiftOperator, places: Tensor, graphs: int = 1, *, promises: Promises | None = None
    ) -> None:
        windows, nodes = places.shape
        batch = inner.shape[0] // (windows * graphs)
        if inner.shape[-1] != nodes or batch * windows * graphs != inner.shape[0]:
            raise ValueError(
                f"{windows} windows of {nodes} nodes and {graphs} graphs a window do not fit a shift of "
                f"shape {tuple(inner.shape)}"
            )
        if not torch.equal(
            places.flatten().sort().values, torch.arange(places.numel(), device=places.device)
        ):
            raise ValueError(
                f"places must name each of the {places.numel()} nodes once, got {places.tolist()}"
            )
        like = torch.empty(0, dtype=inner.dtype, device=inner.device).expand(
            batch * graphs, places.numel(), 0
        )
        super().__init__(like, promises or inner.promises)
        self.inner, self.places, self.graphs = inner, places, graphs

    def apply(self, z: Tensor) -> Tensor:
        return self.from_windows(self.inner @ self.to_windows(z))

    @property
    def T(self) -> WindowShift:  # noqa: N802
        return WindowShift(self.inner.T, self.places, self.graphs, promises=self.promises.transposed)

    def to_dense(self) -> Tensor:
        blocks = self.inner.to_dense().unflatten(0, (-1, len(self.places), self.graphs)).transpose(1, 2)
        matrix = blocks.new_zeros(*self.shape)
        for own, block in zip(self.places, blocks.flatten(0, 1).unbind(1), strict=True):
            matrix[:, own.unsqueeze(-1), own] = block
        return matrix

    def graph(self, index: int) -> WindowShift:
        """Graph number ``index`` of the batch: its windows."""
        if not 0 <= index < self.shape[0]:
            raise IndexError(f"graph {index} is out of range: the batch has {self.shape[0]}, counted from 0")
        image, head = divmod(index, self.graphs)
        windows = torch.arange(len(self.places)) + image * len(self.places)
        own = windows * self.graphs + head
        inner = self.inner.mapped(lambda part: part[own] if part.shape[0] > 1 else part)
        return WindowShift(inner, self.places, promises=self.promises)

    def prepared(self) -> WindowShift:
        inner = self.inner.prepared()
        return (
            self
            if inner is self.inner
            else WindowShift(inner, self.places, self.graphs, promises=self.promises)
        )

    def mapped(self, function: Callable[[Tensor], Tensor], promises: Promises | None = None) -> WindowShift:
        inner = self.inner.mapped(function)
        return WindowShift(inner, self.places, self.graphs, promises=promises or self.promises)

    def to_windows(self, z: Tensor) -> Tensor:
        """A signal ``(B·G, N, C)`` as those of the windows, ``(B·W·G, n, C)``."""
        apart = z.expand(self.shape[0], -1, -1)[:, self.places].unflatten(0, (-1, self.graphs))
        return apart.transpose(1, 2).flatten(0, 2)

    def from_windows(self, y: Tensor) -> Tensor:
        """Signals of the windows ``(B·W·G, n, C)`` as those of the graphs, ``(B·G, N, C)``."""
        apart = y.unflatten(0, (-1, len(self.places), self.graphs)).transpose(1, 2).flatten(0, 1)
        order = self.places.flatten().argsort()
        return apart.flatten(1, 2)[:, order]
