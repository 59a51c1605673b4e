"""Many products with one shift, without gradients: what the first ones found out is kept for the others."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeGuard

import torch
from jaxtyping import Float
from torch import Tensor

from filters.operators.shift import ShiftOperator
from gsp_nonlocal.shifts.attention import AttentionShift
from gsp_nonlocal.shifts.exponential import CHUNK, ExponentialShift, exponential_product
from gsp_nonlocal.shifts.implicit import SumShift
from gsp_nonlocal.shifts.pooled import Product
from gsp_nonlocal.shifts.scaled import ScaledShift

KEPT = 2**29
"""Bytes of weights that are kept: 512 MiB, all weights of 11,585 nodes in float32."""

TILE = 1024
"""Rows and columns of the weights that exist at once beside those kept: 4 MiB in float32."""


@dataclass(frozen=True, eq=False)
class Repeated:
    """``S`` as a function ``z (B, N, C) ↦ S z`` that is called many times.

    Attributes:
        product: the function.
        dtype: data type of ``z`` and of ``S z``.
        is_recomputed: whether most weights are computed anew by each product, whatever ``C`` is, so that many
            columns cost little more than a few.
    """

    product: Product
    dtype: torch.dtype
    is_recomputed: bool = False

    def __call__(self, z: Tensor) -> Tensor:
        return self.product(z)


def repeated(shift: ShiftOperator, kept: int = KEPT) -> Repeated:
    """``z ↦ S z``, to be called many times, without gradients.

    Of softmax and exponential weights on a processor, alone, between diagonals or in sums, as many rows as
    fit into ``kept`` bytes are computed once; the others anew, with known offsets, by tiles that the cache
    holds. Any other shift is prepared.

    Example:
        >>> shift = AttentionShift(torch.randn(1, 50, 4), torch.randn(1, 50, 4))
        >>> product, z = repeated(shift), torch.randn(1, 50, 3)
        >>> all(torch.allclose(product(z), shift @ z, atol=1e-5) for _ in range(3))
        True
    """
    if type(shift) is ScaledShift:
        inner, left, right = repeated(shift.inner, kept), shift.left.detach(), shift.right.detach()
        return Repeated(lambda z: left * inner(right * z), shift.dtype, inner.is_recomputed)
    if type(shift) is SumShift:
        terms = [repeated(term, kept // len(shift.terms)) for term in shift.terms]
        recomputed = any(term.is_recomputed for term in terms)
        return Repeated(lambda z: torch.stack([term(z) for term in terms]).sum(0), shift.dtype, recomputed)
    if _is_plain(shift):
        recomputed = 2 * kept < math.prod(shift.shape) * shift.dtype.itemsize
        product = _Softmax(shift, kept) if isinstance(shift, AttentionShift) else _exponential(shift, kept)
        return Repeated(product, shift.dtype, recomputed)
    prepared = shift.prepared()
    return Repeated(prepared.__matmul__, prepared.dtype) if prepared is shift else repeated(prepared, kept)


def _is_plain(shift: ShiftOperator) -> TypeGuard[AttentionShift | ExponentialShift]:
    """Whether the shift is made of nothing that this file does not know, as a mask would be."""
    known = {"query", "key", "scale", "row", "column", "ceiling", "promises", "_shape", "_dtype", "_device"}
    others = [value for name, value in vars(shift).items() if name not in known]
    return (
        type(shift) in (AttentionShift, ExponentialShift)
        and all(value is None or value is False for value in others)
        and shift.device.type == "cpu"
        and shift.dtype in (torch.float32, torch.float64)
    )


class _Softmax:
    """The first product finds each row's offset."""

    def __init__(self, shift: AttentionShift, kept: int) -> None:
        self.query, self.key, self.kept = (shift.scale * shift.query).detach(), shift.key.detach(), kept
        self.weights: _Weights | None = None

    def __call__(self, z: Tensor) -> Tensor:
        if self.weights is None:
            product, sums, row = exponential_product(self.query, self.key, z.detach())
            zeros = torch.zeros_like(row)
            self.weights = _Weights(self.query, self.key, row, zeros, math.inf, self.kept)
            return product / sums
        with_ones = torch.cat([z, torch.ones_like(z[..., :1])], -1)
        product = self.weights(with_ones)
        return product[..., :-1] / product[..., -1:]


def _exponential(shift: ExponentialShift, kept: int) -> Product:
    return _Weights(shift.query, shift.key, shift.row, shift.column, shift.ceiling, kept)


class _Weights:
    """``z ↦ W z``, ``W_ij = exp(q_iᵀ k_j − a_i − b_j)``: one matrix product gives all of the exponent."""

    def __init__(
        self, query: Tensor, key: Tensor, row: Tensor, column: Tensor, ceiling: float, kept: int
    ) -> None:
        row, column = row.expand(len(query), -1, -1), column.expand(len(query), -1, -1)
        one, self.ceiling = torch.ones_like(row), ceiling
        self.query = torch.cat([query, -row, one], -1).detach()
        self.key = torch.cat([key, one, -column], -1).detach().mT.contiguous()
        batch, nodes, _ = query.shape
        count = min(nodes, kept // (batch * nodes * query.dtype.itemsize))
        self.known = query.new_empty(batch, count, nodes)
        step = max(1, CHUNK // nodes)
        for graph, known in enumerate(self.known):
            for start in range(0, count, step):
                rows = slice(start, min(start + step, count))
                self._computed(graph, rows, slice(None), known[rows])

    def __call__(self, z: Float[Tensor, "#B N C"]) -> Float[Tensor, "B N C"]:
        batch, count, nodes = self.known.shape
        z = z.detach().expand(batch, -1, -1).contiguous()
        product = z.new_zeros(batch, nodes, z.shape[-1])
        for graph, known in enumerate(self.known):
            torch.mm(known, z[graph], out=product[graph, :count])
            self._add_others(graph, z[graph], product[graph])
        return product

    def _add_others(self, graph: int, z: Tensor, product: Tensor) -> None:
        """The rows that are not kept, by tiles."""
        nodes = len(z)
        room = z.new_empty(min(TILE, nodes) ** 2)
        for start in range(self.known.shape[1], nodes, TILE):
            rows = slice(start, min(start + TILE, nodes))
            for first in range(0, nodes, TILE):
                columns = slice(first, min(first + TILE, nodes))
                shape = (rows.stop - rows.start, columns.stop - columns.start)
                weights = self._computed(graph, rows, columns, room[: math.prod(shape)].view(shape))
                product[rows].addmm_(weights, z[columns])

    def _computed(self, graph: int, rows: slice, columns: slice, out: Tensor) -> Tensor:
        torch.mm(self.query[graph, rows], self.key[graph, :, columns], out=out)
        if self.ceiling < math.inf:
            out.clamp_(max=self.ceiling)
        return out.exp_()
