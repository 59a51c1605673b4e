"""Many products with one shift, without gradients: what the first ones found out is kept for the others."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from filters.operators.shift import ShiftOperator
from gsp_nonlocal.shifts.attention import AttentionShift
from gsp_nonlocal.shifts.exponential import exponential_product
from gsp_nonlocal.shifts.exponential_shift import ExponentialShift
from gsp_nonlocal.shifts.implicit import SumShift
from gsp_nonlocal.shifts.pooled import Product
from gsp_nonlocal.shifts.scaled import ScaledShift
from gsp_nonlocal.shifts.windows import WindowShift

KEPT = 2**29
"""Bytes of weights that are kept: 512 MiB, all weights of 11,585 nodes in float32."""

TILE = 512
"""Rows and columns of the weights that exist at once beside those kept: 1 MiB in float32."""

SAFE = 60.0
"""Exponents up to this one are far from overflow, in sums of weights and in float32, too."""


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
    if type(shift) is WindowShift:
        inner = repeated(shift.inner, kept)
        return Repeated(
            lambda z: shift.from_windows(inner(shift.to_windows(z))), shift.dtype, inner.is_recomputed
        )
    if _is_plain(shift):
        plain = shift.detach()
        recomputed = 2 * kept < math.prod(shift.shape) * shift.dtype.itemsize
        if isinstance(plain, AttentionShift):
            return Repeated(_Softmax(plain, kept), shift.dtype, recomputed)
        return Repeated(_exponential(cast(ExponentialShift, plain), kept), shift.dtype, recomputed)
    prepared = shift.prepared()
    return Repeated(prepared.__matmul__, prepared.dtype) if prepared is shift else repeated(prepared, kept)


def _is_plain(shift: ShiftOperator) -> bool:
    """Whether the shift is made of nothing that this file does not know, as a mask would be."""
    known = {
        "query",
        "key",
        "scale",
        "row",
        "column",
        "ceiling",
        "promises",
        "_shape",
        "_dtype",
        "_device",
        "ranks",
    }
    others = [value for name, value in vars(shift).items() if name not in known]
    return (
        type(shift) in (AttentionShift, ExponentialShift)
        and all(value is None or value is False for value in others)
        and not shift.ranks.is_split
        and shift.device.type == "cpu"
        and shift.dtype in (torch.float32, torch.float64)
    )


class _Weights:
    """``z ↦ W z`` for ``W = exp(q k)`` with ``q (B, N, R)`` and ``k (B, R, N)``; the first rows are kept."""

    def __init__(self, query: Tensor, key: Tensor, kept: int, ceiling: float = math.inf) -> None:
        self.query, self.key, self.ceiling = query.contiguous(), key.contiguous(), ceiling
        batch, self.nodes, _ = query.shape
        count = min(self.nodes, kept // (batch * self.nodes * query.dtype.itemsize))
        self.known = query.new_empty(batch, count, self.nodes)
        for rows, columns, weights in self._tiles(0, count):
            self.known[:, rows, columns] = weights

    def __call__(self, z: Float[Tensor, "#B N C"]) -> Float[Tensor, "B N C"]:
        batch, count, _ = self.known.shape
        z = z.expand(batch, -1, -1).contiguous()
        found = z.new_zeros(batch, self.nodes, z.shape[-1])
        found[:, :count].baddbmm_(self.known, z)
        for rows, columns, weights in self._tiles(count, self.nodes):
            found[:, rows].baddbmm_(weights, z[:, columns])
        return found

    def _tiles(self, first: int, end: int) -> Iterator[tuple[slice, slice, Tensor]]:
        """Rows, columns and their weights, all in the same room."""
        room = self.query.new_empty(len(self.query) * TILE**2)
        for top, left in product(range(first, end, TILE), range(0, self.nodes, TILE)):
            rows, columns = slice(top, min(top + TILE, end)), slice(left, min(left + TILE, self.nodes))
            query, key = self.query[:, rows], self.key[..., columns]
            shape = (*query.shape[:2], key.shape[-1])
            weights = torch.bmm(query, key, out=room[: math.prod(shape)].view(shape))
            if self.ceiling < math.inf:
                weights.clamp_(max=self.ceiling)
            yield rows, columns, weights.exp_()


def _exponential(shift: ExponentialShift, kept: int) -> _Weights:
    row, column = (part.expand(len(shift.query), -1, -1) for part in (shift.row, shift.column))
    one = torch.ones_like(row)
    query, key = torch.cat([shift.query, -row, one], -1), torch.cat([shift.key, one, -column], -1)
    return _Weights(query, key.mT, kept, shift.ceiling)


class _Softmax:
    """``z ↦ softmax(q kᵀ) z``; the first product finds the sums of the rows.

    ``|q_i| max |k_j|`` bounds a row's exponents. Less :data:`SAFE` it is an offset that needs no look at
    them; only where a row's weights are so small then that some are lost, the greatest is looked for.
    """

    def __init__(self, shift: AttentionShift, kept: int) -> None:
        self.query, self.key, self.kept = shift.scale * shift.query, shift.key, kept
        longest = torch.linalg.vector_norm(self.key, dim=-1).amax(-1)[:, None, None]
        bound = torch.linalg.vector_norm(self.query, dim=-1, keepdim=True) * longest
        self.weights = self._with_offset((bound - SAFE).clamp(min=0))
        self.sums: Tensor | None = None

    def _with_offset(self, offset: Tensor) -> _Weights:
        key = torch.cat([self.key, torch.ones_like(self.key[..., :1])], -1)
        return _Weights(torch.cat([self.query, -offset], -1), key.mT, self.kept)

    def __call__(self, z: Tensor) -> Tensor:
        if self.sums is not None:
            return self.weights(z) / self.sums
        with_ones = torch.cat([z, torch.ones_like(z[..., :1])], -1)
        found = self.weights(with_ones)
        if not (found[..., -1:] > math.exp(-SAFE / 2)).all():
            self.weights = self._with_offset(exponential_product(self.query, self.key, self.key[..., :0])[2])
            found = self.weights(with_ones)
        self.sums = found[..., -1:]
        return found[..., :-1] / self.sums
