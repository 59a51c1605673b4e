"""The report's pictures: images and attention maps as small PNG data."""

from __future__ import annotations

import base64
import io

import matplotlib
import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

LONGEST = 96
"""Longest side, in pixels, of a picture in the page."""


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
    """Bytes ``(H, W)`` as numbers of colours in a palette ``(256, 4)`` of RGBA bytes."""
    picture = Image.fromarray(levels)
    picture.putpalette(palette.tobytes(), "RGBA")
    return _data_uri(picture)


def heat_palette() -> np.ndarray:
    """256 colours with growing opacity, ``(256, 4)`` bytes: transparent at 0, bright at 255."""
    return _translucent("inferno", np.linspace(0, 1, 256))


def signed_palette() -> np.ndarray:
    """Colours of ``k − 128``, ``(256, 4)`` bytes: transparent at 128, bright above, blue below."""
    level = np.clip(np.arange(-128, 128) / 127, -1, 1)
    above, below = _translucent("inferno", level.clip(0)), _translucent("cool_r", (-level).clip(0))
    return np.where(level[:, None] < 0, below, above)


def on_black(palette: np.ndarray, count: int) -> list[str]:
    """``count`` even steps through a palette ``(K, 4)``, as they look on black, such as ``#1a2b3c``."""
    steps = palette[np.linspace(0, len(palette) - 1, count).round().astype(int)].astype(float)
    return [f"#{bytes(row).hex()}" for row in (steps[:, :3] * steps[:, 3:] / 255).round().astype(np.uint8)]


def _translucent(colours: str, level: np.ndarray) -> np.ndarray:
    """RGBA bytes ``(K, 4)`` of a colour map, the more opaque the higher the level in ``[0, 1]``."""
    shades = matplotlib.colormaps[colours](0.25 + 0.75 * level)
    shades[:, 3] = 0.92 * np.minimum(1, 3 * level)
    return (255 * shades).round().astype(np.uint8)


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
    picture.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
