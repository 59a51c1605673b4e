"""PyTorch's flex attention, whose scores and masks are functions of the places of a query and a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from filters.precision import widened
from gsp_nonlocal.probe.attention.fused import additive
from gsp_nonlocal.probe.attention.recorded import Attention, Scores

NAME = "flex_attention"
IDENTITY = ("_identity", "noop_mask")
"""What PyTorch calls the functions that change nothing."""


def flex(query: Tensor, key: Tensor, value: Tensor, change: Any, blocks: Any, scale: float) -> Attention:
    """The attention of a call of the operator.

    Args:
        query: ``(B, G, N, d)``.
        key: ``(B, G', M, d)``, where every ``G / G'`` heads share one.
        value: ``(B, G', M, C)``.
        change: ``(score, b, h, i, j) ↦ score``.
        blocks: the block mask, whose last entry is ``(b, h, i, j) ↦ bool``.
        scale: of the products.
    """
    query, key, value = (part.detach() for part in (query, key, value))
    shared = query.shape[1] // key.shape[1]
    key, value = (part.repeat_interleave(shared, dim=1) for part in (key, value))
    scores = Scores(query, key, scale)
    places = [torch.arange(size, device=query.device) for size in scores.shape]
    if blocks[-1].__name__ not in IDENTITY:
        scores = scores.biased(additive(_everywhere(blocks[-1])(*places), query))
    if change.__name__ in IDENTITY:
        return Attention(value, scores)
    given = scale * widened(query) @ widened(key).mT
    exponents = _everywhere(change, (0,))(given, *places)
    if scores.bias is not None:
        exponents = exponents + scores.bias
    return Attention(value, matrix=torch.softmax(exponents, dim=-1).nan_to_num(0.0).to(query.dtype))


def _everywhere(function: Callable[..., Tensor], before: tuple[int, ...] = ()) -> Callable[..., Tensor]:
    """A function of places as one of all places ``(B,), (G,), (N,), (M,)``, after arguments ``before``."""
    for place in (3, 2, 1, 0):
        over = tuple(0 if own == place else None for own in range(4))
        function = torch.vmap(function, in_dims=(*before, *over))
    return function
