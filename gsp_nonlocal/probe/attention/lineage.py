"""What a tensor of scores or weights is made of, followed from ``q kᵀ`` over casts and masks to ``A v``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gsp_nonlocal.probe.attention.followed import Followed
from gsp_nonlocal.probe.attention.followed_scores import Args, Kwargs, of_scores
from gsp_nonlocal.probe.attention.followed_weights import Weights, of_weights
from gsp_nonlocal.probe.attention.recorded import Attention, Scores

IN_PARTS = (
    "its softmax was taken apart and met the values in pieces, none of which is a graph; tell of the module "
    "with gsp_nonlocal.probe.register_reader"
)
BY_LETTERS = (
    "its softmax met the values in an einsum that is no product with a matrix; tell of the module with "
    "gsp_nonlocal.probe.register_reader"
)


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
            known = known.swapped if turned else known
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
                found = of_scores(name, known, place, args, kwargs, out)
                self._set(self.scores, name, part, out, found)
            if (made := self._made(part, writes)) is not None:
                for result in out if isinstance(out, tuple | list) else [out]:
                    self._set(
                        self.weights, name, part, result, of_weights(name, made, part, args, kwargs, result)
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
