"""Shifts whose rows are known, but no shorter way to a product: a few rows exist at once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor

from filters.operators.promises import Promises
from filters.operators.shift import ShiftOperator
from gsp_nonlocal.shifts.head_mean import empty_like
from gsp_nonlocal.shifts.implicit import ImplicitShift, TransposedShift
from gsp_nonlocal.shifts.structure import rows

WEIGHTS_AT_ONCE = 2**22
"""Weights of heads that exist at once."""


class ByRows(ImplicitShift):
    """A shift made of the rows of all heads of an image, weight by weight.

    Args:
        inner: ``S (B·G, N, N)`` of the heads.
        heads: ``G``.
        promises: what is known of the result.
    """

    def __init__(self, inner: ShiftOperator, heads: int, promises: Promises) -> None:
        super().__init__(empty_like(inner, inner.shape[0] // heads), promises)
        self.inner, self.heads = inner, heads

    @abstractmethod
    def own_rows(self, nodes: Tensor) -> Tensor:
        """``(B, m, N)`` of some nodes ``(m,)``."""

    def apply(self, z: Tensor) -> Tensor:
        return torch.cat([self.own_rows(nodes) @ z for nodes in self._parts()], dim=1)

    def apply_adjoint(self, z: Tensor) -> Tensor:
        parts = (self.own_rows(nodes).mT @ z[:, nodes] for nodes in self._parts())
        return sum(parts, start=torch.zeros((), dtype=z.dtype, device=z.device))

    @property
    def T(self) -> TransposedShift:  # noqa: N802
        return TransposedShift(self)

    def to_dense(self) -> Tensor:
        return torch.cat([self.own_rows(nodes) for nodes in self._parts()], dim=1)

    def _parts(self) -> Iterator[Tensor]:
        nodes = self.shape[-1]
        yield from torch.arange(nodes, device=self.device).split(
            max(1, WEIGHTS_AT_ONCE // (self.inner.shape[0] * nodes))
        )


@rows.register
def _(shift: ByRows, nodes: Tensor) -> Tensor:
    return shift.own_rows(nodes)
