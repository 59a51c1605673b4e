"""What functions make of a softmax: its transpose, its parts, other numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from gsp_nonlocal.probe.attention.followed_scores import CASTS, VIEWS, Args, Kwargs
from gsp_nonlocal.probe.attention.recorded import Scores

TURNS = {"transpose", "transpose_", "swapaxes", "swapdims", "permute", "mT"}
PARTS = {"__getitem__", "narrow", "split", "chunk", "unbind", "select", "index_select", "gather"}
REPEATS = {"expand", "expand_as", "repeat", "repeat_interleave"}
LEFT_ALONE = CASTS | {"dropout", "dropout_", "feature_dropout", "alpha_dropout", "nan_to_num", "nan_to_num_"}
"""Functions that leave the softmax what it is; dropout is left out."""


@dataclass(frozen=True, eq=False)
class Weights:
    """A softmax, and what became of it.

    Attributes:
        source: the softmax ``(…, N, M)`` over its last dimension, before dropout.
        scores: what it was taken of, where that is known.
        is_transposed: whether the followed tensor is ``(…, M, N)``.
        is_mixed: whether the followed tensor holds other numbers than the softmax.
        is_part: whether the followed tensor lacks some of its numbers.
    """

    source: Tensor
    scores: Scores | None
    is_transposed: bool = False
    is_mixed: bool = False
    is_part: bool = False


def of_weights(
    name: str, made: Weights, given: Tensor, args: Args, kwargs: Kwargs, out: Any
) -> Weights | None:
    """What the function's result is, if it has as many numbers as the weights given, or is a part of them."""
    if name == "__setitem__":
        return replace(made, is_mixed=True)
    if not isinstance(out, Tensor) or not out.is_floating_point() or out.dim() < 2:
        return None
    if made.is_part:
        return made if name in PARTS | LEFT_ALONE | VIEWS | TURNS else None
    if out.numel() != given.numel():
        return _part(name, made, given, out)
    if made.is_mixed:
        return made
    ends = made.source.shape[-2:][:: -1 if made.is_transposed else 1]
    if name in LEFT_ALONE or (name in VIEWS and out.shape[-2:] == ends):
        return made
    if _swaps(name, args, kwargs, out.dim()):
        return replace(made, is_transposed=not made.is_transposed)
    return replace(made, is_mixed=True)


def _part(name: str, made: Weights, given: Tensor, out: Tensor) -> Weights | None:
    """Weights repeated, some of their graphs, or a part of each: all keys but one are as good as all."""
    if name in REPEATS or (name in PARTS and out.shape[-2:] == given.shape[-2:]):
        return replace(made, is_mixed=True)
    if name not in PARTS:
        return None
    *lead, keys = made.source.shape
    is_sink = not made.is_transposed and out.shape == (*lead, keys - 1)
    return replace(made, is_mixed=True, is_part=not is_sink)


def _swaps(name: str, args: Args, kwargs: Kwargs, dims: int) -> bool:
    """Whether the last two dimensions are exchanged, and no others."""
    if name == "mT":
        return True
    given = [*args[1:], *kwargs.values()]
    places = [p for part in given for p in (part if isinstance(part, tuple | list) else [part])]
    if not all(isinstance(place, int) for place in places):
        return False
    if name in ("transpose", "swapaxes", "swapdims", "transpose_"):
        return {place % dims for place in places} == {dims - 2, dims - 1}
    return name == "permute" and [p % dims for p in places] == [*range(dims - 2), dims - 1, dims - 2]
