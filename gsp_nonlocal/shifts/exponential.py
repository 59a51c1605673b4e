"""Products of exponential weights, by chunks of rows: never N² numbers at once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from filters.checks import common_batch, require_alike, require_tensor
from filters.export import apply_function, is_exporting, is_transformed
from filters.operators.by_hand import HandDifferentiated
from filters.operators.mixing import is_channel_first
from filters.operators.once import differentiable_once

CHUNK = 2**20
"""Weights that exist at once: 4 MiB in float32, which a processor's cache holds."""

KEPT_WEIGHTS = 2**23
"""So many weights in all are kept for the backward pass, 32 MiB in float32; more are computed anew there."""


def require_matching(query: Tensor, key: Tensor) -> None:
    """Raise unless ``query`` and ``key`` have one common shape ``(B, N, R)``, type and device."""
    require_tensor("query", query)
    require_tensor("key", key)
    if query.dim() != 3 or query.shape != key.shape:
        raise ValueError(
            "queries and keys have one common shape (B, N, R), "
            f"got {tuple(query.shape)} and {tuple(key.shape)}"
        )
    require_alike("exponential weights", query=query, key=key)


def exponential_product(
    query: Float[Tensor, "#B N R"],
    key: Float[Tensor, "#B M R"],
    z: Float[Tensor, "#B M C"],
    row: Tensor | None = None,
    column: Tensor | None = None,
    ceiling: float = math.inf,
) -> tuple[Tensor, Tensor, Tensor]:
    r"""``W z`` and ``W 1`` for ``W_ij = exp(q_iᵀ k_j − a_i − b_j)``, by chunks of rows.

    The backward pass computes the weights anew, chunk by chunk, but where all are few (:data:`KEPT_WEIGHTS`).
    Differentiable once.

    Args:
        query: ``q (B, N, R)``.
        key: ``k (B, M, R)``.
        z: signal ``(B, M, C)``.
        row: constants ``a (B, N, 1)``; by default the greatest exponent of each row.
        column: constants ``b (B, M, 1)``; by default 0.
        ceiling: see :class:`ExponentialShift`.

    Returns:
        ``W z (B, N, C)``, ``W 1 (B, N, 1)``, ``a (B, N, 1)``.
    """
    batch = common_batch(query, key, z)
    q, k, z = (part.expand(batch, -1, -1) for part in (query, key, z))
    row = None if row is None else row.expand(batch, -1, -1)
    column = None if column is None else column.expand(batch, -1, -1)
    keep = batch * q.shape[1] * k.shape[1] <= KEPT_WEIGHTS and _is_differentiated(q, k, z)
    return apply_function(_ExponentialProduct, q, k, z, row, column, ceiling, keep)[:3]


def _is_differentiated(*tensors: Tensor) -> bool:
    """Whether a backward pass will follow, as far as can be told here."""
    if is_exporting() or is_transformed():
        return False
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


class _ExponentialProduct(HandDifferentiated):
    r"""``y = W z``, ``t = W 1``; backward, with ``D = W ∘ (ȳ zᵀ + t̄ 1ᵀ)``: ``z̄ = Wᵀ ȳ``, ``q̄ = D k``,
    ``k̄ = Dᵀ q``."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        query: Tensor,
        key: Tensor,
        z: Tensor,
        row: Tensor | None,
        column: Tensor | None,
        ceiling: float,
        keep: bool,
    ) -> tuple[Tensor, ...]:
        """``y (B, N, C)``, ``t (B, N, 1)``, ``a (B, N, 1)``, and the weights of each chunk that are kept."""
        kept: list[Tensor] = []
        nodes = query.shape[1]
        product, sums = _empty(z, nodes), query.new_empty(*query.shape[:2], 1)
        offsets = torch.empty_like(sums)
        for rows in _chunks(query, key):
            chosen = None if row is None else row[:, rows]
            weights, offset = _weights(query[:, rows], key, chosen, column, ceiling)
            product[:, rows] = product_like(z, weights, z)
            sums[:, rows] = weights.sum(dim=-1, keepdim=True)
            offsets[:, rows] = offset
            if keep:
                kept.append(weights)
        return product, sums, offsets, *kept

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Keep what :meth:`backward` reads."""
        query, key, z, _, column, ctx.ceiling, _ = inputs
        ctx.save_for_backward(query, key, z, column, *output[2:])
        ctx.mark_non_differentiable(*output[2:])

    @staticmethod
    @differentiable_once("use shift.to_dense() for it")
    def backward(ctx: Any, grad: Tensor, grad_sums: Tensor, *ignored: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of the class's docstring."""
        query, key, z, column, row, *kept = ctx.saved_tensors
        gradients = exponential_gradients(query, key, z, row, column, ctx.ceiling, grad, grad_sums, kept)
        return *gradients, None, None, None, None


def exponential_gradients(
    query: Tensor,
    key: Tensor,
    z: Tensor,
    row: Tensor,
    column: Tensor | None,
    ceiling: float,
    grad: Tensor,
    grad_sums: Tensor,
    kept: Sequence[Tensor] = (),
) -> tuple[Tensor, Tensor, Tensor]:
    """``q̄``, ``k̄`` and ``z̄`` of the gradients of ``W z`` and ``W 1``, with ``kept`` weights, if any."""
    grad_query, grad_key, grad_z = _empty(query, query.shape[1]), _zeros(key), _zeros(z)
    for index, rows in enumerate(_chunks(query, key)):
        q, g = query[:, rows], grad[:, rows]
        weights = kept[index] if kept else _weights(q, key, row[:, rows], column, ceiling)[0]
        _add_product(grad_z, weights.mT, g)
        inner = torch.bmm(g, z.mT).add_(grad_sums[:, rows]).mul_(weights)
        grad_query[:, rows] = product_like(query, inner, key)
        _add_product(grad_key, inner.mT, q)
    return grad_query, grad_key, grad_z


def _chunks(query: Tensor, key: Tensor) -> Iterator[slice]:
    nodes = query.shape[1]
    if is_exporting():
        yield slice(None)
        return
    step = max(CHUNK // max(query.shape[0] * key.shape[1], 1), min(nodes, 32))
    for start in range(0, nodes, step):
        yield slice(start, start + step)


def _weights(
    query: Tensor, key: Tensor, row: Tensor | None, column: Tensor | None, ceiling: float
) -> tuple[Float[Tensor, "B n M"], Float[Tensor, "B n 1"]]:
    """The weights of some rows, and the offsets of these rows."""
    exponents = torch.bmm(query, key.mT)
    if column is not None:
        exponents.sub_(column.mT)
    offset = exponents.amax(dim=-1, keepdim=True) if row is None else row
    exponents.sub_(offset)
    if ceiling < math.inf:
        exponents.clamp_(max=ceiling)
    return exponents.exp_(), offset


def product_like(like: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """``one @ other`` in the memory layout of ``like``."""
    if not is_channel_first(like):
        return torch.bmm(one, other)
    return torch.bmm(other.mT, one.mT).mT


def _add_product(total: Tensor, one: Tensor, other: Tensor) -> None:
    """``total += one @ other``, in place and in the memory layout of ``total``."""
    if is_channel_first(total):
        total.mT.baddbmm_(other.mT, one.mT)
    else:
        total.baddbmm_(one, other)


def _empty(like: Tensor, nodes: int) -> Tensor:
    """Room for a signal ``(B, nodes, C)`` in the memory layout of ``like (B, N, C)``.

    Results are written into it, chunk by chunk: small ones that are kept would split the memory that the
    weights of one chunk leave to those of the next.
    """
    batch, _, channels = like.shape
    if is_channel_first(like):
        return like.new_empty(batch, channels, nodes).mT
    return like.new_empty(batch, nodes, channels)


def _zeros(like: Tensor) -> Tensor:
    """A signal of zeros in the memory layout of ``like``."""
    return _empty(like, like.shape[1]).zero_()
