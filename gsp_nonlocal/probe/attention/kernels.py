"""Attention that is one function: scaled dot products, PyTorch's multi-head attention, flex attention."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from gsp_nonlocal.probe.attention.recorded import Attention, Scores

SDPA = functional.scaled_dot_product_attention
MULTI_HEAD = functional.multi_head_attention_forward
_PLACES = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")


def scaled_dot_product(*args: Any, **kwargs: Any) -> Attention:
    """The attention of a call of ``scaled_dot_product_attention``."""
    named = dict(zip(_PLACES, args, strict=False)) | kwargs
    query, key, value = (named[name].detach() for name in ("query", "key", "value"))
    if named.get("enable_gqa"):
        shared = query.shape[-3] // key.shape[-3]
        key, value = (part.repeat_interleave(shared, dim=-3) for part in (key, value))
    scale = named.get("scale")
    scale = query.shape[-1] ** -0.5 if scale is None else float(scale)
    mask = named.get("attn_mask")
    bias = None if mask is None else additive(mask.detach(), query)
    return Attention(value, Scores(query, key, scale, bias, bool(named.get("is_causal"))))


def additive(mask: Tensor, like: Tensor) -> Tensor:
    """What a mask adds: itself, or of truth values ``−∞`` where it is ``False``."""
    if mask.dtype != torch.bool:
        return mask
    return torch.zeros_like(mask, dtype=like.dtype).masked_fill(~mask, -math.inf)


def opened(function: Callable[..., Any]) -> Callable[..., Any]:
    """A copy of a Python function of PyTorch that does not hand itself to a mode: what it calls is seen.

    A mode is given ``multi_head_attention_forward`` as one call, and would be given it again for ever if it
    called it with itself switched on.
    """
    assert isinstance(function, FunctionType)
    names = {**function.__globals__, "has_torch_function": lambda operands: False}
    copy = FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy
