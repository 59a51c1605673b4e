"""``torch.nn.MultiheadAttention`` as a graph a head."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from gsp_nonlocal.probe.foreign_readers.heads import (
    arguments,
    attention_trace,
    forbidden,
    require_forward_of,
    split_heads,
)
from gsp_nonlocal.probe.readers import Call, NotAGraphError
from gsp_nonlocal.probe.trace import Trace

HOMES = {"torch.nn.modules.activation.MultiheadAttention"}


def read_multihead(module: nn.MultiheadAttention, call: Call) -> Iterable[Trace]:
    """A graph a head: ``S_h = softmax(q_h k_hᵀ / √d + m)``, with the values of the head as its signal.

    Args:
        module: the attention.
        call: a call of it as self-attention: the keys are the queries. The values may be another signal on
            the same nodes.

    Raises:
        NotAGraphError: for cross-attention, nested tensors, keys that are no node (``add_bias_kv``,
            ``add_zero_attn``), and subclasses with a ``forward`` of their own.
    """
    require_forward_of(module, HOMES)
    named = arguments(module, call)
    signals = [named[name] for name in ("query", "key", "value")]
    _require_one_graph(module, *signals)
    parts = zip(signals, _weights(module), _biases(module), strict=True)
    query, key, value = (
        split_heads(linear(_batched(module, x), weight, bias), module.num_heads) for x, weight, bias in parts
    )
    mask = _mask(query, named["attn_mask"], named["key_padding_mask"])
    yield attention_trace(
        query, key, value, scale=query.shape[-1] ** -0.5, mask=mask, matrices=lambda: _matrices(module)
    )


def _require_one_graph(module: nn.MultiheadAttention, query: Tensor, key: Tensor, value: Tensor) -> None:
    """Raise a :class:`NotAGraphError` unless keys and queries are of the same nodes."""
    if any(part.is_nested for part in (query, key, value)):
        raise NotAGraphError(
            "nested tensors hold graphs of different sizes; build nn.TransformerEncoder with "
            "enable_nested_tensor=False"
        )
    if module.bias_k is not None or module.add_zero_attn:
        raise NotAGraphError("add_bias_kv and add_zero_attn attend to something that is no node of the graph")
    if key is not query and not torch.equal(key, query):
        raise NotAGraphError(
            "cross-attention, with keys that are not the queries, joins two sets of nodes: it is no graph"
        )


def _batched(module: nn.MultiheadAttention, x: Tensor) -> Tensor:
    """``(B, N, C)`` of what the module takes."""
    if x.dim() == 2:
        return x.unsqueeze(0)
    return x if module.batch_first else x.transpose(0, 1)


def _mask(query: Tensor, attention: Tensor | None, padding: Tensor | None) -> Tensor | None:
    """The sum of both masks, for ``query (B, G, N, d)``; both forbid where they are ``True``."""
    batch, heads, nodes, _ = query.shape
    terms = []
    if attention is not None:
        terms.append(attention if attention.dim() == 2 else attention.unflatten(0, (batch, heads)))
    if padding is not None:
        terms.append(padding.view(batch, 1, 1, nodes))
    masks = [forbidden(term, query) if term.dtype == torch.bool else term for term in terms]
    return sum(masks[1:], start=masks[0]) if masks else None


def _weights(module: Any) -> tuple[Tensor, ...]:
    """``W_q``, ``W_k``, ``W_v``, each ``(C, ·)``."""
    if module.in_proj_weight is not None:
        return module.in_proj_weight.chunk(3)
    return module.q_proj_weight, module.k_proj_weight, module.v_proj_weight


def _biases(module: Any) -> tuple[Tensor | None, ...]:
    return (None, None, None) if module.in_proj_bias is None else module.in_proj_bias.chunk(3)


def _matrices(module: Any) -> tuple[Tensor, Tensor]:
    return _weights(module)[2].mT, module.out_proj.weight.mT
