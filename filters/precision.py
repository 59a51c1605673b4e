"""Precision: what is added up over many nodes is computed in float32 or better, also under autocast."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import reduce
from typing import Protocol

import torch

from filters.export import is_exporting


class _Typed(Protocol):
    @property
    def dtype(self) -> torch.dtype: ...


class _Placed(Protocol):
    @property
    def device(self) -> torch.device: ...


def wide_dtype(*values: _Typed | torch.dtype) -> torch.dtype:
    """The common type of tensors, shifts, signals and types, float32 or better.

    Example:
        >>> wide_dtype(torch.ones(2).half(), torch.bfloat16), wide_dtype(torch.ones(2).double())
        (torch.float32, torch.float64)
    """
    types = (value if isinstance(value, torch.dtype) else value.dtype for value in values)
    return reduce(torch.promote_types, types, torch.float32)


def widened(tensor: torch.Tensor) -> torch.Tensor:
    """``tensor`` in float32 or better."""
    return tensor.to(wide_dtype(tensor))


def is_autocast(value: _Placed) -> bool:
    """Whether autocast is on where ``value`` is; the meta device has none."""
    device = value.device.type
    return device != "meta" and torch.is_autocast_enabled(device)


def without_autocast(value: _Placed) -> AbstractContextManager[object]:
    """The context in which autocast leaves the operations on the device of ``value`` alone."""
    recorded = is_exporting() and value.device.type != "meta"  # what is exported may run under it
    if not is_autocast(value) and not recorded:
        return nullcontext()
    return torch.autocast(device_type=value.device.type, enabled=False)
