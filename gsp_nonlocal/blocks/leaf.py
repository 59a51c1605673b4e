"""A block under ``torch.fx``: one node of the graph."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.fx import Proxy


def as_leaf(module: nn.Module, x: Proxy) -> Proxy:
    """The node that calls ``module``, whose code is chosen by the size of its input and cannot be traced."""
    tracer: Any = x.tracer

    def node(*_: Any) -> Proxy:
        return tracer.create_proxy("call_module", tracer.path_of_module(module), (x,), {})

    return tracer.call_module(module, node, (x,), {})
