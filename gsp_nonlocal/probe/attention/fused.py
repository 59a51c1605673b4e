"""Attention that is one function: scaled dot products, PyTorch's multi-head attention, flex attention."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from gsp_nonlocal.probe.attention.circuit import Respond, responder
from gsp_nonlocal.probe.attention.recorded import Attention, Scores

SDPA = functional.scaled_dot_product_attention
MULTI_HEAD = functional.multi_head_attention_forward
_SIGNATURE = inspect.signature(MULTI_HEAD)
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


@dataclass(frozen=True, eq=False)
class MultiHead:
    """What ``multi_head_attention_forward`` was given: it says more than the product inside.

    Attributes:
        two_sets: whether keys are of other nodes than queries.
        heads: their number.
        value: ``W_vᵀ (G · d, C)``.
        out: ``W_oᵀ (C, G · d)``.
    """

    two_sets: bool
    heads: int
    value: Tensor
    out: Tensor

    @classmethod
    def of(cls, args: tuple[Any, ...], kwargs: dict[str, Any]) -> MultiHead:
        """From the arguments of a call."""
        named = _SIGNATURE.bind(*args, **kwargs).arguments
        query, key, packed = named["query"], named["key"], named["in_proj_weight"]
        same = key is query or (key.shape == query.shape and torch.equal(key, query))
        value = named["v_proj_weight"] if packed is None else packed.chunk(3)[2]
        return cls(not same, named["num_heads"], value.detach(), named["out_proj_weight"].detach())

    def read(self, found: Attention) -> Attention:
        """The attention inside, with the heads apart."""
        value = found.value
        if value.dim() == 3:  # where weights are asked for, heads are rows of the batch
            found = found.with_heads(self.heads)
        return replace(found, two_sets=self.two_sets)

    def respond(self) -> Respond:
        """The responses of the heads."""
        return responder(lambda: [own.mT for own in self.value.chunk(self.heads)], self.out)


def opened(function: Callable[..., Any]) -> Callable[..., Any]:
    """A copy of a Python function of PyTorch that does not hand itself to a mode: what it calls is seen.

    A mode is given ``multi_head_attention_forward`` as one call, and would be given it again for ever if it
    called it with itself switched on.
    """
    assert isinstance(function, FunctionType)
    names = {**function.__globals__, "has_torch_function": lambda operands: False}
    copy = FunctionType(
        function.__code__, names, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy
