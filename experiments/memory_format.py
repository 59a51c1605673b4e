"""Numbers in the other order in memory."""

from typing import TypeVar

import torch
from torch import Tensor, nn

_FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}
T = TypeVar("T", Tensor, nn.Module)


def channels_last_(of: T) -> T:
    """Return maps ``(B, C, H, W)``, clips ``(B, C, T, H, W)`` or a network with the channels last in memory.

    The numbers are the same. A network is changed in place: its weights of four or five axes.
    """
    if isinstance(of, Tensor):
        return of.contiguous(memory_format=_FORMATS[of.dim()]) if of.dim() in _FORMATS else of
    for weight in of.parameters():
        weight.data = channels_last_(weight.data)
    return of
