"""Norms at the precision of what they normalise."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from filters.operators.ranks import ALL_HERE
from filters.precision import without_autocast


def normalised(norm: nn.Module, signal: Tensor) -> Tensor:
    """``norm(signal)`` for ``signal (B, C, N)``, in float32 or better, with the norm's parameters cast up.

    What a filter makes of nearly equal rows of a graph is a large mean and a small variation, and the norm
    takes the mean away: a half-precision number between the two would keep the mean alone.

    Raises:
        ValueError: for a norm that would divide by the deviation of a single number.
    """
    if signal.shape[-1] == 1:
        _require_several(norm, signal)
    with without_autocast(signal):
        tensors = {**dict(norm.named_parameters()), **dict(norm.named_buffers())}
        narrow = {k: t for k, t in tensors.items() if t.is_floating_point() and t.dtype != signal.dtype}
        if not narrow:
            return norm(signal)
        cast = {name: tensor.to(signal.dtype) for name, tensor in narrow.items()}
        result = functional_call(norm, cast, (signal,))
        with torch.no_grad():
            for name, buffer in norm.named_buffers():
                if name in cast:
                    buffer.copy_(cast[name])  # running statistics
        return result


_OF_MAPS: dict[type[nn.Module], str] = {
    **dict.fromkeys((nn.BatchNorm2d, nn.BatchNorm3d), "nn.BatchNorm1d"),
    **dict.fromkeys((nn.InstanceNorm2d, nn.InstanceNorm3d), "nn.InstanceNorm1d"),
    nn.LayerNorm: "functools.partial(nn.GroupNorm, 1), or nn.BatchNorm1d",
}


def require_norm(norm: nn.Module) -> nn.Module:
    """``norm``, or a ``ValueError`` for one that does not act on ``(B, C, N)``, naming the one that does."""
    for kind, other in _OF_MAPS.items():
        if any(isinstance(module, kind) for module in norm.modules()):
            raise ValueError(
                f"norm acts on all positions of a map as (B, C, N), which {kind.__name__} does not take; "
                f"use norm={other}"
            )
    return norm


def _require_several(norm: nn.Module, signal: Tensor) -> None:
    """Refuse a map of one position where it leaves one number to a mean and a deviation."""
    for module in norm.modules():
        if isinstance(module, nn.SyncBatchNorm) or getattr(module, "ranks", ALL_HERE).is_split:
            continue  # other processes have more
        if isinstance(module, nn.GroupNorm) and module.num_channels == module.num_groups:
            raise ValueError(
                f"{module} has one number a group on a map of one position, whose deviation is 0; use fewer "
                "groups, or a map of more positions"
            )
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training and signal.shape[0] == 1:
            raise ValueError(
                f"{module} has one number a channel in training on one map of one position, whose deviation "
                "is 0; use a larger batch, a map of more positions, or .eval()"
            )
