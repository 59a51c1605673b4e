"""Which number of a model's output is asked about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

ClassOrScore = int | Sequence[int] | Tensor | Callable[[Any], Tensor] | None
"""A class for all images, one for each, a function from the model's output to a number an image ``(B,)``, or
``None``: the class that the model finds."""


def logits_of(output: Any) -> Tensor:
    """Scores ``(B, K)`` of classes: the output itself, or its ``logits``.

    Raises:
        TypeError: for an output that is neither.
        ValueError: for another shape.

    Example:
        >>> logits_of({"logits": torch.zeros(2, 3)}).shape
        torch.Size([2, 3])
    """
    found = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", output)
    if not isinstance(found, Tensor):
        raise TypeError(
            f"a model of classes returns logits (B, K), alone or as .logits; got {type(output).__name__}; "
            "pass target=function, from the output to a number an image"
        )
    if found.dim() != 2:
        raise ValueError(
            f"logits of classes have shape (B, K), got {tuple(found.shape)}; pass target=function, from the "
            "output to a number an image"
        )
    return found


def classes_of(logits: Tensor, target: int | Sequence[int] | Tensor | None) -> Tensor:
    """The class of each image, ``(B,)``.

    Raises:
        TypeError: for classes that are no whole numbers.
        ValueError: for a class that is not there, or not one for each image.

    Example:
        >>> classes_of(torch.eye(3), None), classes_of(torch.eye(3), 1)
        (tensor([0, 1, 2]), tensor([1, 1, 1]))
    """
    if target is None:
        return logits.argmax(dim=-1)
    chosen = torch.as_tensor(target, device=logits.device)
    if chosen.is_floating_point() or chosen.dtype == torch.bool:
        raise TypeError(f"a class is a whole number, got {target!r}")
    if chosen.dim() and chosen.shape != logits.shape[:1]:
        raise ValueError(f"one class, or one for each of {len(logits)} images; got {tuple(chosen.shape)}")
    if not 0 <= int(chosen.min()) <= int(chosen.max()) < logits.shape[1]:
        raise ValueError(f"classes are numbers from 0 to {logits.shape[1] - 1}, got {chosen.tolist()}")
    return chosen.long().expand(len(logits))


def score_of(output: Any, target: ClassOrScore) -> Tensor:
    """The score of each image, ``(B,)``, with its gradients."""
    if callable(target) and not isinstance(target, Tensor):
        found = target(output)
        if not isinstance(found, Tensor) or found.dim() != 1:
            got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise ValueError(f"target(output) is a number for each image, (B,); got {got}")
        return found
    logits = logits_of(output)
    return logits.gather(1, classes_of(logits, target).unsqueeze(1)).squeeze(1)
