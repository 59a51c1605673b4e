"""Where the nodes of a graph lie in a picture: frames, rows, columns, and what is none of these."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

from torch import Tensor

from gsp_nonlocal.spectral.layout import Layout

MOST_TOKENS = 8
"""Most nodes of a sequence that may be tokens beside the patches of an image."""


@dataclass(frozen=True)
class Arrangement:
    """``N = extra + channels · frames · height · width`` nodes, in this order.

    Attributes:
        extra: nodes that are no positions, such as class tokens.
        channels: nodes a position.
        frames: maps one after the other, 1 but for videos and volumes.
        height: rows of a map; 1 for a strip.
        width: columns of a map.
        overlaid: whether the maps have the axes of the input, so that one can lie over the other.
        assumed: a sentence on what the layout did not say, or ``""``.
    """

    extra: int
    channels: int
    frames: int
    height: int
    width: int
    overlaid: bool
    assumed: str = ""

    @property
    def positions(self) -> int:
        """``frames · height · width``."""
        return self.frames * self.height * self.width

    @property
    def columns(self) -> int:
        """Frames side by side in the montage."""
        return montage_columns(self.frames)

    @property
    def notes(self) -> list[str]:
        """Sentences on what one has to know of the nodes."""
        folded = (
            f"Each position has {self.channels} nodes: shown are the mean of their rows and the sum of their "
            "weights."
        )
        return [self.assumed] * bool(self.assumed) + [folded] * (self.channels > 1)


def arrange(layout: Layout, image_size: tuple[int, ...]) -> Arrangement:
    """The arrangement of a graph's nodes over an input of the spatial size ``image_size``.

    A map lies over an input of as many dimensions. A sequence over an image is taken as patches in the aspect
    ratio of the image after at most ``MOST_TOKENS`` tokens. Where that fails, and in four dimensions, it is a
    strip.
    """
    spatial, over = layout.spatial, len(layout.spatial) == len(image_size)
    if len(spatial) in (2, 3):
        frames, height, width = (1, *spatial)[-3:]
        return Arrangement(layout.extra, layout.channels, frames, height, width, over)
    patches = patch_grid(layout.positions, image_size) if _may_be_patches(layout, image_size) else None
    if patches is not None:
        tokens, height, width = patches
        return Arrangement(layout.extra + tokens, 1, 1, height, width, True, _assumed(*patches))
    over = over and len(spatial) == 1
    assumed = "" if over else f"It is not known where the {layout.positions} positions lie on the input."
    return Arrangement(layout.extra, layout.channels, 1, 1, layout.positions, over, assumed)


def arranged(layout: Layout, image_size: tuple[int, ...]) -> Layout:
    """The layout with what :func:`arrange` finds of a sequence: patches, and tokens before them.

    Example:
        >>> arranged(Layout((197,)), (224, 224))
        Layout(spatial=(14, 14), extra=1, channels=1)
    """
    found = arrange(layout, image_size)
    if len(layout.spatial) > 1 or found.height == 1:
        return layout
    return Layout((found.height, found.width), found.extra)


def patch_grid(nodes: int, image_size: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Fewest tokens, and the rows and columns of patches, with ``nodes = tokens + rows · columns``.

    The patches have the aspect ratio of the image, or are what whole squares leave of it.

    Returns:
        ``(tokens, rows, columns)``, or ``None`` where no number of tokens up to ``MOST_TOKENS`` fits.

    Example:
        >>> patch_grid(197, (224, 224))
        (1, 14, 14)
    """
    height, width = image_size
    for tokens in range(min(MOST_TOKENS, nodes - 1) + 1):
        patches = nodes - tokens
        for rows in range(1, patches + 1):
            columns = patches // rows
            if rows * columns == patches and _fits(rows, columns, height, width):
                return tokens, rows, columns
    return None


def montage_columns(frames: int) -> int:
    """The greatest divisor of ``frames`` that is at most its root: they fill the montage, row by row."""
    return max(divisor for divisor in range(1, isqrt(frames) + 1) if frames % divisor == 0)


def montage(frames: Tensor) -> Tensor:
    """Frames ``(*, T, h, w)`` as one picture ``(*, T / c · h, c · w)``, ``c`` of them side by side."""
    columns = montage_columns(frames.shape[-3])
    return frames.unflatten(-3, (-1, columns)).transpose(-3, -2).flatten(-4, -3).flatten(-2)


def _may_be_patches(layout: Layout, image_size: tuple[int, ...]) -> bool:
    return len(layout.spatial) == 1 and len(image_size) == 2 and layout.channels == 1


def _fits(rows: int, columns: int, height: int, width: int) -> bool:
    if rows * width == columns * height:
        return True
    sides = range(max(1, height // (rows + 1)), height // rows + 1)
    return any((height // side, width // side) == (rows, columns) for side in sides)


def _assumed(tokens: int, height: int, width: int) -> str:
    named = {0: "", 1: "a class token and "}.get(tokens, f"{tokens} tokens and ")
    return f"The sequence is taken as {named}{height} × {width} patches of the image."
