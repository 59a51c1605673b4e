"""Products of exponential weights with nodes of other processes: their keys and values come in turn."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from filters.checks import common_batch
from filters.operators.by_hand import HandDifferentiated
from filters.operators.once import differentiable_once
from filters.operators.ranks import Ranks
from gsp_nonlocal.shifts.exponential import exponential_gradients, exponential_product

Sums = tuple[Tensor, Tensor, Tensor]
"""``W z (B, N, C)``, ``W 1 (B, N, 1)`` and the offsets of the rows ``a (B, N, 1)``."""


def product_over(
    ranks: Ranks,
    query: Tensor,
    key: Tensor,
    z: Tensor,
    row: Tensor | None = None,
    column: Tensor | None = None,
    ceiling: float = math.inf,
) -> Sums:
    r"""What :func:`exponential_product` gives, with the keys, values and columns of all ``ranks``.

    Rows are those of this process. Each process has its own nodes and, at a time, those of one other: memory
    ``N / P``. ``N (R + C)`` numbers come in forward, the same again backward, where as many gradients go out.

    Args:
        ranks: the processes that hold the nodes.
        query, key, z, row, column, ceiling: see :func:`exponential_product`.
    """
    if not ranks.is_split:
        return exponential_product(query, key, z, row, column, ceiling)
    batch = common_batch(query, key, z)
    query, key, z = (part.expand(batch, -1, -1) for part in (query, key, z))
    column = torch.zeros_like(key[..., :1]) if column is None else column.expand(batch, -1, -1)
    row = None if row is None else row.expand(batch, -1, -1)
    return _SplitProduct.apply(ranks, query, key, z, row, column, ceiling)


class _SplitProduct(HandDifferentiated):
    """The sums of all turns; backward, each turn's gradients of keys and values go back to where they are."""

    @staticmethod
    def forward(
        ranks: Ranks,
        query: Tensor,
        key: Tensor,
        z: Tensor,
        row: Tensor | None,
        column: Tensor,
        ceiling: float,
    ) -> Sums:
        total: Sums | None = None
        for keys, values, columns in ranks.turns(key, z, column):
            part = exponential_product(query, keys, values, row, columns, ceiling)
            total = part if total is None else _merged(total, part)
        assert total is not None
        return total

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Sums) -> None:
        """Keep what :meth:`backward` reads."""
        ctx.ranks, query, key, z, _, column, ctx.ceiling = inputs
        ctx.save_for_backward(query, key, z, output[2], column)
        ctx.mark_non_differentiable(output[2])

    @staticmethod
    @differentiable_once("use a low-rank affinity for it")
    def backward(ctx: Any, grad: Tensor, grad_sums: Tensor, *ignored: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the queries here, and of keys and values here by the queries everywhere."""
        query, key, z, row, column = ctx.saved_tensors
        grad_query, own = torch.zeros_like(query), None
        for turn, (keys, values, columns) in enumerate(ctx.ranks.turns(key, z, column)):
            to_query, *others = exponential_gradients(
                query, keys, values, row, columns, ctx.ceiling, grad, grad_sums
            )
            grad_query += to_query
            back = ctx.ranks.returned(turn, torch.cat(others, dim=-1))
            own = back if turn == ctx.ranks.place else own
        assert own is not None
        return None, grad_query, *own.split([key.shape[-1], z.shape[-1]], dim=-1), None, None, None


def _merged(one: Sums, other: Sums) -> Sums:
    """Two parts of the same rows, at the greater of their offsets."""
    offset = torch.maximum(one[2], other[2])
    first, second = ((part[2] - offset).exp() for part in (one, other))
    return one[0] * first + other[0] * second, one[1] * first + other[1] * second, offset
