"""What functions make of scores before a softmax: scale, bias, mask and shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gsp_nonlocal.probe.attention.recorded import Scores

Args = tuple[Any, ...]
Kwargs = Mapping[str, Any]

CASTS = {"to", "float", "double", "half", "bfloat16", "type", "type_as", "contiguous", "clone", "detach"}
VIEWS = {"view", "reshape", "flatten", "unflatten", "unsqueeze", "squeeze", "expand", "view_as", "reshape_as"}

SCALED = {"mul": 1, "__mul__": 1, "__rmul__": 1, "mul_": 1, "__imul__": 1, "multiply": 1}
DIVIDED = {"div", "__truediv__", "div_", "__itruediv__", "true_divide", "divide"}
ADDED = {"add", "__add__", "__radd__", "add_", "__iadd__"}
REMOVED = {"sub", "__sub__", "sub_", "__isub__", "subtract"}


def of_scores(name: str, known: Scores, place: int, args: Args, kwargs: Kwargs, out: Any) -> Scores | None:
    """What the function's result is, if that is scores that are known."""
    if not isinstance(out, Tensor) or kwargs.get("alpha") is not None:
        return None
    if name in CASTS and place == 0:
        return known
    if name in VIEWS and place == 0:
        return _reshaped(known, out.shape)
    if out.shape != known.shape:
        return None
    other = args[1 - place] if place < 2 and len(args) > 1 else None
    if name in SCALED or (name in DIVIDED and place == 0):
        factor = _number(other)
        divided = name in DIVIDED
        return None if not factor else known.scaled(1 / factor if divided else factor)
    if name in ADDED or (name in REMOVED and place == 0):
        return _plus(known, other, -1 if name in REMOVED else 1)
    return _masked(name, known, place, args, kwargs)


def _plus(known: Scores, other: Any, sign: int) -> Scores | None:
    if _number(other) is not None:
        return known  # the same for all keys: a softmax does not see it
    if not isinstance(other, Tensor) or not _fits(other, known):
        return None
    return known.biased(sign * other.detach())


def _masked(name: str, known: Scores, place: int, args: Args, kwargs: Kwargs) -> Scores | None:
    """Under ``masked_fill(scores, mask, value)`` and ``where(mask, scores, value)``."""
    value = kwargs.get("value", args[2] if len(args) > 2 else None)
    number = _number(value)
    if number is None or number > -1e4:
        return None
    if name in ("masked_fill", "masked_fill_") and place == 0:
        mask = kwargs.get("mask", args[1] if len(args) > 1 else None)
    elif name == "where" and place == 1:
        mask = ~args[0]
    else:
        return None
    if not isinstance(mask, Tensor) or not _fits(mask, known):
        return None
    like = torch.zeros_like(mask, dtype=known.query.dtype)
    return known.biased(
        like.masked_fill(mask, max(number, torch.finfo(like.dtype).min) if number > -torch.inf else number)
    )


def _fits(other: Tensor, known: Scores) -> bool:
    """Whether a mask or bias is broadcast to the scores, and does not broadcast them."""
    try:
        return torch.broadcast_shapes(other.shape, known.shape) == known.shape
    except RuntimeError:
        return False


def _number(value: Any) -> float | None:
    if isinstance(value, Tensor):
        return float(value) if value.numel() == 1 and not value.requires_grad else None
    return float(value) if isinstance(value, int | float) else None


def _reshaped(known: Scores, shape: torch.Size) -> Scores | None:
    """The same with other leading dimensions."""
    if shape[-2:] != known.shape[-2:] or shape.numel() != known.shape.numel():
        return None
    lead, own = shape[:-2], known.shape[:-2]
    query, key = (part.expand(*own, *part.shape[-2:]) for part in (known.query, known.key))
    bias = known.bias
    if bias is not None:
        if bias.dim() > 2 and bias.shape[:-2].numel() > 1:
            return None
        bias = bias.reshape(bias.shape[-2:] if bias.dim() > 1 else bias.shape)
    query, key = (part.reshape(*lead, *part.shape[-2:]) for part in (query, key))
    return Scores(query, key, known.scale, bias, known.is_causal)
