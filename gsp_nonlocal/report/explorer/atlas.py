"""Many maps in one small picture, all on one scale: how many times an even weight."""

from __future__ import annotations

from math import ceil, sqrt
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gsp_nonlocal.report import pictures

UNSIGNED = 1e-6
"""Negative weights down to this part of the greatest are rounding, not signs."""


class Atlas(NamedTuple):
    """A picture of tiles of one size, ``columns`` side by side, in order, from the top.

    Attributes:
        png: data URI; a pixel's number in the palette is that of
            :func:`~gsp_nonlocal.report.pictures.ratio_levels` for its weight over the even one of its tile.
        columns: tiles side by side.
        signed: whether a weight is negative.
    """

    png: str
    columns: int
    signed: bool


def draw_atlas(tiles: Float[Tensor, "m h w"], even: Float[Tensor, " m"]) -> Atlas:
    """Tiles ``(m, h, w)`` as one picture, about square; ``even (m,)`` is the even weight of each.

    A weight that is not finite is drawn as an even one, and so is a tile whose even weight is 0.
    """
    tiles = tiles.detach().float().cpu().nan_to_num(0.0, 0.0, 0.0)
    even = even.detach().float().cpu().view(-1, 1, 1)
    scale = tiles.abs().amax(dim=(1, 2), keepdim=True)
    signed = bool((tiles < -UNSIGNED * scale).any())
    ratio = (tiles / even).where(even > 0, 0.0 if signed else 1.0)
    levels = pictures.ratio_levels(ratio, signed)
    columns = _columns(*tiles.shape)
    palette = pictures.signed_palette() if signed else pictures.even_palette()
    sheet = _sheet(levels, columns, pictures.ZERO_COLOUR if signed else pictures.EVEN_COLOUR)
    return Atlas(pictures.paletted_png(sheet, palette), columns, signed)


def _columns(count: int, height: int, width: int) -> int:
    return min(count, max(1, round(sqrt(count * height / width))))


def _sheet(levels: Tensor, columns: int, empty: int) -> np.ndarray:
    """``(m, h, w)`` as ``(⌈m / columns⌉ · h, columns · w)``, filled up with ``empty``."""
    count, height, width = levels.shape
    missing = torch.full((ceil(count / columns) * columns - count, height, width), empty, dtype=levels.dtype)
    grid = torch.cat([levels, missing]).unflatten(0, (-1, columns))
    return grid.transpose(1, 2).flatten(2).flatten(0, 1).numpy()
