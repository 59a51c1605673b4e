"""The case table of what a probe reads: modules, with the output of a call as its trace gives it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from timm.layers import NonLocalAttn
from timm.layers.attention import Attention
from torch import Tensor, nn

from gsp_nonlocal.probe import Trace

NODES, CHANNELS, HEADS = 7, 12, 3


class ReaderCase(NamedTuple):
    """``make()`` a module, ``inputs()`` of a call, and ``output(module, trace)``, the output of that call."""

    make: Callable[[], nn.Module]
    inputs: Callable[[], tuple[Any, ...]]
    output: Callable[[Any, Trace], Tensor]


def tokens() -> Tensor:
    return torch.randn(2, NODES, CHANNELS)


def joined(trace: Trace) -> Tensor:
    """What the heads give, side by side: ``(B, N, G·d)``."""
    return trace.filtered.unflatten(0, (-1, trace.graphs)).transpose(1, 2).flatten(2)


MAP = torch.randn(2, CHANNELS, 3, 4, generator=torch.Generator().manual_seed(0))


READERS: dict[str, ReaderCase] = {
    "timm.NonLocalAttn": ReaderCase(
        lambda: NonLocalAttn(CHANNELS, rd_ratio=0.5),
        lambda: (MAP,),
        lambda module, trace: (
            module.norm(trace.filtered.mT.unflatten(-1, (3, 4)) + module.z.bias.view(-1, 1, 1)) + MAP.double()
        ),
    ),
}
"""By the kind's name. Those of mmcv and transformers, which may be missing, stand in ``test_readers.py``."""


BY_FUNCTION: dict[str, ReaderCase] = {
    "torch.MultiheadAttention": ReaderCase(
        lambda: nn.MultiheadAttention(CHANNELS, HEADS, batch_first=True),
        lambda: (tokens(),) * 3,
        lambda module, trace: module.out_proj(joined(trace)),
    ),
    "timm.Attention": ReaderCase(
        lambda: Attention(CHANNELS, HEADS),
        lambda: (tokens(),),
        lambda module, trace: module.proj(joined(trace)),
    ),
}
"""Modules that are read by the functions that they call."""
