"""``Attention`` of timm as a graph a head."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from gsp_nonlocal.probe.foreign_readers.heads import (
    Matrices,
    arguments,
    attention_trace,
    causal_mask,
    forbidden,
    require_forward_of,
)
from gsp_nonlocal.probe.readers import Call, recompute
from gsp_nonlocal.probe.trace import Trace
from gsp_nonlocal.spectral.response import matrix_of

HOMES = {"timm.layers.attention.Attention", "timm.models.vision_transformer.Attention"}


def read_timm(module: Any, call: Call) -> Iterable[Trace]:
    """A graph a head: ``S_h = softmax(s norm(q_h) norm(k_h)ᵀ + m)``, with the values as its signal.

    With a norm or a gate between the heads and the output projection there is no response.

    Args:
        module: the attention.
        call: a call of it.

    Raises:
        NotAGraphError: for timm's other classes of this name, and subclasses with a ``forward`` of their own.
    """
    require_forward_of(module, HOMES)
    named = arguments(module, call)
    packed = recompute(module.qkv, named["x"]).unflatten(-1, (3, module.num_heads, -1))
    query, key, value = packed.permute(2, 0, 3, 1, 4)
    query, key = recompute(module.q_norm, query), recompute(module.k_norm, key)
    mask = _mask(query, named.get("attn_mask"), causal=named.get("is_causal", False))
    matrices = _matrices(module, named["x"].shape[-1]) if _is_plain(module) else None
    yield attention_trace(query, key, value, scale=module.scale, mask=mask, matrices=matrices)


def _mask(query: Tensor, mask: Tensor | None, *, causal: bool) -> Tensor | None:
    """The mask to add; one of truth values names what takes part."""
    if causal:
        return causal_mask(query)
    return forbidden(~mask, query) if mask is not None and mask.dtype == torch.bool else mask


def _is_plain(module: nn.Module) -> bool:
    """Whether nothing stands between the heads and the output projection."""
    children = dict(module.named_children())
    return "gate" not in children and isinstance(children.get("norm", nn.Identity()), nn.Identity)


def _matrices(module: Any, channels: int) -> Matrices:
    def matrices() -> tuple[Tensor, Tensor]:
        value = matrix_of(module.qkv, channels).chunk(3, dim=1)[2]
        return value, matrix_of(module.proj, value.shape[1])

    return matrices
