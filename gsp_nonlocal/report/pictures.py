"""The report's pictures: images and attention maps as small PNG data."""

from __future__ import annotations

import base64
import io
from math import log, log1p

import matplotlib
import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

LONGEST = 96
"""Longest side, in pixels, of a picture in the page."""

COLOURS = 33
"""Colours of a map: few, so that maps take few bytes; neighbours above an even weight differ by 15 %."""

EVEN_COLOUR = 8
"""The number of the colour of an even weight, of those that are not signed."""

ZERO_COLOUR = COLOURS // 2
"""The number of the colour of 0, of those that are signed."""

MOST_TIMES = 32.0
"""How many times an even weight has the last colour; greater ones have it, too."""


def shape_in_page(height: int, width: int, longest: int = LONGEST) -> tuple[int, int]:
    """Height and width of an image when its longest side is at most ``longest`` pixels."""
    scale = min(1.0, longest / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def image_png(image: Float[Tensor, "C H W"], longest: int = LONGEST, colours: int | None = None) -> str:
    """An image ``(C, H, W)``, from its least to its greatest value: RGB for ``C = 3``, else their mean.

    Args:
        image: real numbers; its longest side is brought down to ``longest`` pixels.
        longest: in pixels.
        colours: of an RGB picture, chosen for it, at most 256: a third of the bytes. ``None`` keeps them all.
    """
    shown = image.detach().float().cpu()
    shown = shown if shown.shape[0] == 3 else shown.mean(dim=0, keepdim=True)
    shown = (shown - shown.min()) / (shown.max() - shown.min()).clamp(min=1e-12)
    shown = _resized(shown, shape_in_page(image.shape[1], image.shape[2], longest))
    pixels = (255 * shown).round().byte().permute(1, 2, 0).numpy()
    picture = Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)
    return _data_uri(picture.quantize(colours) if colours and picture.mode == "RGB" else picture)


def paletted_png(levels: np.ndarray, palette: np.ndarray) -> str:
    """Bytes ``(H, W)`` as numbers of colours in a palette ``(K, 4)`` of RGBA bytes, ``K <= 256``."""
    picture = Image.fromarray(levels)
    picture.putpalette(palette.tobytes(), "RGBA")
    return _data_uri(picture)


def ratio_levels(ratio: Tensor, signed: bool) -> Tensor:
    """Numbers of colours for weights over an even weight, on one scale for all maps of a page.

    Unsigned, ``EVEN_COLOUR`` at an even weight: in equal steps of the weight down to 0, in equal steps of its
    logarithm up to ``MOST_TIMES``, which takes all beyond. Signed, ``ZERO_COLOUR`` at 0: in equal steps of
    ``± log(1 + |ratio|)``.

    Args:
        ratio: any shape, finite.
        signed: whether negative weights are shown as such.

    Example:
        >>> ratio_levels(torch.tensor([0.0, 1.0, 1.2, 12.0, 32.0, 500.0]), signed=False).tolist()
        [0, 8, 9, 25, 32, 32]
    """
    if signed:
        part = ratio.sign() * torch.log1p(ratio.abs()) / log1p(MOST_TIMES)
        return (ZERO_COLOUR + (ZERO_COLOUR * part).round()).clamp(0, COLOURS - 1).byte()
    above = (COLOURS - 1 - EVEN_COLOUR) * ratio.clamp(min=1).log() / log(MOST_TIMES)
    return (EVEN_COLOUR * ratio.clamp(0, 1) + above).round().clamp(0, COLOURS - 1).byte()


def even_palette() -> np.ndarray:
    """RGBA bytes ``(COLOURS, 4)``: transparent at ``EVEN_COLOUR``, blue below, orange to yellow above."""
    below = _shades("#4aa3ff", "#1d4fd8", EVEN_COLOUR, 0.55)[::-1]
    above = _shades("#ff7a1a", "#fff27a", COLOURS - 1 - EVEN_COLOUR, 0.92)
    return np.concatenate([below, np.zeros((1, 4), np.uint8), above])


def signed_palette() -> np.ndarray:
    """RGBA bytes ``(COLOURS, 4)``: transparent at ``ZERO_COLOUR``, orange to yellow above, blue below."""
    below, above = (
        _shades(*ends, ZERO_COLOUR, 0.92) for ends in (("#2f6bff", "#8df4ff"), ("#ff7a1a", "#fff27a"))
    )
    return np.concatenate([below[::-1], np.zeros((1, 4), np.uint8), above])


def css_colours(palette: np.ndarray) -> list[str]:
    """Colours ``(K, 4)`` as a style sheet takes them, such as ``#1a2b3c80``."""
    return [f"#{bytes(row).hex()}" for row in palette]


def _shades(near: str, far: str, count: int, most: float) -> np.ndarray:
    """RGBA bytes ``(count, 4)`` from one colour to another, the opacity rising fast, up to ``most``."""
    part = np.linspace(1 / count, 1, count)[:, None]
    start, end = (255 * np.array(matplotlib.colors.to_rgb(colour)) for colour in (near, far))
    opacity = 255 * most * np.minimum(1, part) ** 0.75
    return np.hstack([start + part * (end - start), opacity]).round().astype(np.uint8)


def _resized(picture: Float[Tensor, "C h w"], size: tuple[int, int]) -> Float[Tensor, "C H W"]:
    """``(C, h, w)`` at another size, bilinearly, averaging where it shrinks."""
    if tuple(picture.shape[1:]) == size:
        return picture
    resized = interpolate(
        picture.unsqueeze(0), size=size, mode="bilinear", align_corners=False, antialias=True
    )
    return resized[0].clamp(0, 1)


def _data_uri(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
