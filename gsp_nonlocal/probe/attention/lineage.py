"""What a tensor of scores or weights is made of, followed from ``q kᵀ`` over casts and masks to ``A v``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from gsp_nonlocal.probe.attention.recorded import Attention, Scores

Value = TypeVar("Value")
Args = tuple[Any, ...]
Kwargs = Mapping[str, Any]


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


class Followed(Generic[Value]):
    """Values by tensor, as long as it lives and is not written to, by a view of it neither."""

    def __init__(self) -> None:
        self._known: Any = WeakTensorKeyDictionary()

    def __bool__(self) -> bool:
        return bool(self._known.data)

    def __contains__(self, tensor: Tensor) -> bool:
        return self.get(tensor) is not None

    def __setitem__(self, tensor: Tensor, value: Value) -> None:
        self._known[tensor] = value, _version(tensor)

    def get(self, tensor: Tensor, writes: int = 0) -> Value | None:
        """The value, if the tensor was written to at most so many times since."""
        value, is_whole = self.last(tensor, writes)
        return value if is_whole else None

    def last(self, tensor: Tensor, writes: int = 0) -> tuple[Value | None, bool]:
        """The value, and whether the tensor was written to at most so many times since."""
        value, version = self._known.get(tensor, (None, 0))
        return value, _version(tensor) <= version + writes

    def pop(self, tensor: Tensor) -> None:
        """Forget a tensor."""
        self._known.pop(tensor, None)


def _version(tensor: Tensor) -> int:
    """How often a tensor or a view of it was written to; of inference mode that is not known."""
    return 0 if tensor.is_inference() else tensor._version


class Lineage:
    """Scores and weights of a forward pass by tensor, as long as these live.

    Args:
        unread: takes the reason why weights that met values were no graph.
    """

    def __init__(self, unread: Callable[[str], None]) -> None:
        self.unread = unread
        self.scores: Followed[Scores] = Followed()
        self.weights: Followed[Weights] = Followed()

    @property
    def is_alive(self) -> bool:
        """Whether there is anything to follow."""
        return bool(self.scores) or bool(self.weights)

    def softmax(self, given: Tensor, out: Tensor, dim: int) -> None:
        """Note that ``out`` is a softmax of ``given`` over ``dim``."""
        places = (dim - out.dim()) if dim >= 0 else dim
        if out.shape[dim] < 2 or out.dim() < 2 or (out.dim() == 2 and given not in self.scores):
            return
        if places not in (-1, -2):
            self.weights[out] = Weights(out, None, is_mixed=True)
            return
        turned = places == -2
        known = self.scores.get(given)
        if known is not None:
            known = _swapped(known) if turned else known
        source = (out.mT if turned else out).detach()
        if known is not None and not known.agree(source):
            known = None
        self.weights[out] = Weights(source, known, is_transposed=turned)

    def follow(self, func: Callable[..., Any], args: Args, kwargs: Kwargs, out: Any) -> None:
        """Note what a function made of scores or weights; what is not known ends a lineage of scores."""
        name = _name(func)
        for place, part in enumerate(args[:3]):
            if not isinstance(part, Tensor):
                continue
            writes = int(not part.is_inference() and (out is part or name == "__setitem__"))
            if (known := self.scores.get(part, writes)) is not None:
                found = _of_scores(name, known, place, args, kwargs, out)
                self._set(self.scores, name, part, out, found)
            if (made := self._made(part, writes)) is not None:
                for result in out if isinstance(out, tuple | list) else [out]:
                    self._set(
                        self.weights, name, part, result, _of_weights(name, made, part, args, kwargs, result)
                    )

    def of(self, *operands: Tensor) -> list[Weights | None]:
        """The weights among the operands of a product, but for those that are not whole: they are told of."""
        found = [self._made(part) for part in operands]
        if any(made is not None and made.is_part for made in found):
            self.unread(IN_PARTS)
            return [None] * len(found)
        return found

    def _made(self, part: Tensor, writes: int = 0) -> Weights | None:
        """The weights that a tensor is; other numbers than the softmax where it was written to."""
        made, is_whole = self.weights.last(part, writes)
        return made if made is None or is_whole else replace(made, is_mixed=True)

    def _set(self, known: Any, name: str, part: Tensor, out: Any, found: Any) -> None:
        if out is part or name == "__setitem__":
            known.pop(part)
        if found is not None:
            known[part if name == "__setitem__" else out] = found


def weighted_sum(made: Weights, operand: Tensor, value: Tensor, *, from_right: bool) -> Attention:
    """``A z`` for weights that stand left of the values, ``A z``, or right of them, ``zᵀ Aᵀ``.

    Args:
        made: the lineage of ``operand``.
        operand: the weights as they went into the product.
        value: ``z (…, M, C)``.
        from_right: whether ``operand`` is ``Aᵀ``.
    """
    if made.is_mixed:
        return Attention(value, matrix=(operand.mT if from_right else operand).detach(), is_stochastic=False)
    flipped = made.is_transposed != from_right
    lead = operand.shape[:-2]
    source = made.source.reshape(*lead, *made.source.shape[-2:])
    if flipped:
        return Attention(value, matrix=source.mT, is_stochastic=False)
    if made.scores is not None:
        return Attention(value, scores=made.scores)
    return Attention(value, matrix=source)


def _name(func: Callable[..., Any]) -> str:
    if func in (torch.Tensor.mT.__get__, torch.Tensor.mH.__get__):  # type: ignore[attr-defined]
        return "mT"
    return getattr(func, "__name__", "")


IN_PARTS = (
    "its softmax was taken apart and met the values in pieces, none of which is a graph; tell of the module "
    "with gsp_nonlocal.probe.register_reader"
)
BY_LETTERS = (
    "its softmax met the values in an einsum that is no product with a matrix; tell of the module with "
    "gsp_nonlocal.probe.register_reader"
)
CASTS = {"to", "float", "double", "half", "bfloat16", "type", "type_as", "contiguous", "clone", "detach"}
VIEWS = {"view", "reshape", "flatten", "unflatten", "unsqueeze", "squeeze", "expand", "view_as", "reshape_as"}
TURNS = {"transpose", "transpose_", "swapaxes", "swapdims", "permute", "mT"}
PARTS = {"__getitem__", "narrow", "split", "chunk", "unbind", "select", "index_select", "gather"}
REPEATS = {"expand", "expand_as", "repeat", "repeat_interleave"}
LEFT_ALONE = CASTS | {"dropout", "dropout_", "feature_dropout", "alpha_dropout", "nan_to_num", "nan_to_num_"}
"""Functions that leave the softmax what it is; dropout is left out."""

SCALED = {"mul": 1, "__mul__": 1, "__rmul__": 1, "mul_": 1, "__imul__": 1, "multiply": 1}
DIVIDED = {"div", "__truediv__", "div_", "__itruediv__", "true_divide", "divide"}
ADDED = {"add", "__add__", "__radd__", "add_", "__iadd__"}
REMOVED = {"sub", "__sub__", "sub_", "__isub__", "subtract"}


def _of_scores(name: str, known: Scores, place: int, args: Args, kwargs: Kwargs, out: Any) -> Scores | None:
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


def _swapped(known: Scores) -> Scores:
    """The scores of keys in queries."""
    bias = known.bias
    if bias is not None:
        bias = bias.expand(known.shape).mT
    return Scores(known.key, known.query, known.scale, bias)


def _of_weights(
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
