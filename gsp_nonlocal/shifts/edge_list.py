"""Sparse graphs as a list of edges, for code that a compiler records."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from filters.operators.linear import on_parts
from filters.operators.promises import Promises
from filters.operators.shift import ShiftOperator
from filters.operators.signal import S
from gsp_nonlocal.shifts.implicit import add


class EdgeListShift(ShiftOperator):
    """``(S z)_i = d_i z_i + Σ_{e: i_e = i} v_e z_{j_e}``, by gathers and sums alone.

    Compilers take no sparse tensors, so a compiled convolution uses this in place of :class:`SparseShift`,
    whose kernels are faster. Nothing is checked, since no number may be looked at.

    Args:
        edge_index: sources ``j_e`` and targets ``i_e``, ``(2, E)``.
        values: ``v_e (E,)``.
        num_nodes: ``N``.
        diagonal: ``d (N,)``; by default 0.
        promises: what is known of ``S``.
    """

    def __init__(
        self,
        edge_index: Tensor,
        values: Tensor,
        num_nodes: int,
        diagonal: Tensor | None = None,
        promises: Promises | None = None,
    ) -> None:
        self.source, self.target = edge_index.long().unbind()
        self.values, self.own, self.num_nodes = values, diagonal, num_nodes
        self.promises = promises or Promises()

    @property
    def shape(self) -> torch.Size:
        return torch.Size((1, self.num_nodes, self.num_nodes))

    @property
    def dtype(self) -> torch.dtype:
        return self.values.dtype

    @property
    def device(self) -> torch.device:
        return self.values.device

    def __call__(self, z: S) -> S:
        return on_parts(self._propagate, z)

    def _propagate(self, z: Tensor) -> Tensor:
        sent = z.index_select(1, self.source) * self.values.unsqueeze(-1)
        y = torch.zeros_like(z).index_add(1, self.target, sent)
        return y if self.own is None else y + self.own.unsqueeze(-1) * z

    def weighed(self, factor: Tensor) -> EdgeListShift:
        """With factors ``(E,)`` of the edges; the diagonal stays."""
        places = torch.stack([self.source, self.target])
        return EdgeListShift(places, self.values * factor, self.num_nodes, self.own)

    @property
    def T(self) -> EdgeListShift:  # noqa: N802
        places = torch.stack([self.target, self.source])
        return EdgeListShift(places, self.values, self.num_nodes, self.own, self.promises.transposed)

    def to_dense(self) -> Tensor:
        eye = torch.eye(self.num_nodes, dtype=self.dtype, device=self.device)
        return self(eye.unsqueeze(0))

    def mapped(self, function: Callable[[Tensor], Tensor], promises: Promises | None = None) -> EdgeListShift:
        values, own = (
            None if part is None else function(part.unsqueeze(0)).squeeze(0)
            for part in (self.values, self.own)
        )
        assert values is not None
        places = torch.stack([self.source, self.target]).to(values.device)
        return EdgeListShift(places, values, self.num_nodes, own, promises or self.promises)

    def __add__(self, other: ShiftOperator) -> ShiftOperator:
        return add(self, other)

    def __repr__(self) -> str:
        return f"EdgeListShift(shape={tuple(self.shape)}, edges={len(self.values)}, dtype={self.dtype})"
