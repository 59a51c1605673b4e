"""Backward passes written by hand: what our functions add to PyTorch's."""

from __future__ import annotations

import inspect
from typing import Any

import torch


class HandDifferentiated(torch.autograd.Function):
    """PyTorch's, whose ``apply`` asks for the signature of ``forward`` at each call: here it is found once.

    That took a tenth of the forward pass of a block on a small map.
    """

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        vars(cls.forward)["__signature__"] = inspect.signature(cls.forward)
