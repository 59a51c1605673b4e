"""A network to look at, and what it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor, nn

from gsp_nonlocal.cli.pictures import Format

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Means and standard deviations of the channels, by which torchvision's weights were trained."""


class Texts(NamedTuple):
    """Texts as a model takes them, tensors by keyword, the ids first; and their tokens in letters."""

    inputs: dict[str, Tensor]
    words: list[list[str]]


class Network(NamedTuple):
    """A network, and what it takes.

    Attributes:
        model: the network.
        form: of its images.
        trained: whether its weights are not random.
        keyword: the name that it takes images by; empty for the first argument.
        encode: texts to what it takes; ``None`` for a network that takes none.
        notes: sentences on what was assumed or passed over.
        own_images: so many of its own test images, if it has some.
    """

    model: nn.Module
    form: Format
    trained: bool = False
    keyword: str = ""
    encode: Callable[[list[str]], Texts] | None = None
    notes: tuple[str, ...] = ()
    own_images: Callable[[int], Tensor] | None = None


def pair(size: Any) -> tuple[int, int]:
    """Return the height and width that an option says: a number, or two."""
    height, width = size if isinstance(size, list | tuple) else (size, size)
    return height, width
