"""Tiles of made whole-slide images: painted one by one, each a function of a few whole numbers."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from experiments.data.scenes import PALETTE

CELL = 32
"""Side in pixels of the square that holds one nucleus."""
PATCH = 16
"""Side in pixels of a position: what a label is of."""
_NUCLEUS = 10  # radius in pixels
_TISSUE, _NUCLEI, _INK, _NOISE = 192, 191, 0, 64  # brightness of 255; noise is added to each


class Tile(NamedTuple):
    """A tile in seven whole numbers, a row of a batch ``(B, T, 7)``: its pixels are a function of them.

    ``(seed, split, slide, number)`` say where it is, ``tint`` is a row of ``PALETTE``, the one of all its
    nuclei, ``marked`` is 1 where ink, not tissue, surrounds them, and ``side`` is its height and width in
    pixels, a multiple of ``CELL``.
    """

    seed: int
    split: int
    slide: int
    number: int
    tint: int
    marked: int
    side: int


def slide_generator(seed: int, split: int, slide: int, stream: int) -> np.random.Generator:
    """Random numbers of a slide (``stream`` 0) and of its tiles (their number + 1)."""
    return np.random.Generator(np.random.Philox(key=(seed, split), counter=[0, 0, stream, slide]))


def paint(tile: Tile) -> Tensor:
    """The pixels of a tile, ``(3, side, side)`` of 0 to 255: noise on tissue, on nuclei and on ink."""
    rng = _generator(tile)
    squares = _squared_distances(_centres(rng, tile), np.arange(tile.side))
    inside = (squares < _NUCLEUS**2).astype(np.int8)
    around = np.full(3, _INK if tile.marked else _TISSUE)
    colours = np.stack([around, _NUCLEI * PALETTE[tile.tint]], axis=1)
    noise = np.frombuffer(rng.bytes(3 * tile.side**2), np.uint8).reshape(3, tile.side, tile.side) % _NOISE
    return torch.from_numpy(colours.astype(np.uint8)[:, inside] + noise)


def nuclei(tile: Tile) -> Tensor:
    """Which positions of a tile are nuclei, ``(side / PATCH, side / PATCH)`` of 0 and 1; paints nothing."""
    middles = np.arange(PATCH // 2, tile.side, PATCH)
    squares = _squared_distances(_centres(_generator(tile), tile), middles)
    return torch.from_numpy((squares < _NUCLEUS**2).astype(np.float32))


def _generator(tile: Tile) -> np.random.Generator:
    return slide_generator(tile.seed, tile.split, tile.slide, tile.number + 1)


def _centres(rng: np.random.Generator, tile: Tile) -> NDArray[np.int64]:
    """Row and column of each cell's nucleus, ``(G, G, 2)``; its ring lies within the cell."""
    cells = tile.side // CELL
    corners = CELL * np.stack(np.meshgrid(np.arange(cells), np.arange(cells), indexing="ij"), axis=-1)
    return corners + rng.integers(_NUCLEUS, CELL - _NUCLEUS + 1, size=(cells, cells, 2))


def _squared_distances(centres: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of the points ``places × places`` from the nucleus of their cell."""
    own = centres[np.ix_(places // CELL, places // CELL)].astype(np.int32)
    points = places.astype(np.int32)
    return (points[:, None] - own[..., 0]) ** 2 + (points[None, :] - own[..., 1]) ** 2
