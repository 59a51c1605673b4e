"""Where the windows of an attention lie on the map that they were cut out of, as their tokens tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

CHANNELS = 4
"""Channels of tokens that are compared."""


class Windows(NamedTuple):
    """``places (W, n)`` of the windows' nodes on a map of the size ``spatial``."""

    places: Tensor
    spatial: tuple[int, int]


def find_windows(tokens: Tensor, images: int, recent: Iterable[Tensor]) -> Windows | None:
    """How windows were cut out of one of several maps, shifted or not, in blocks or as a grid.

    A cut is taken only if every token is found where it says, so that it is known and not guessed.

    Args:
        tokens: ``(B·W, …, C)``, what the windows' values were computed from.
        images: ``B``.
        recent: tensors: maps ``(B, H, W, C)`` and sequences ``(B, H·W, C)`` are tried.
    """
    tokens = tokens.flatten(1, -2) if tokens.dim() > 3 else tokens
    if tokens.dim() != 3 or images < 1 or len(tokens) % images or len(tokens) == images:
        return None
    wanted = tokens.detach()[..., :CHANNELS].unflatten(0, (images, -1))
    for given in recent:
        if given.shape[0] != images or given.shape[-1] != tokens.shape[-1] or given.numel() != tokens.numel():
            continue
        found = given.detach()[..., :CHANNELS].reshape(images, -1, wanted.shape[-1])
        for spatial in _sizes(given):
            for places in _cuts(spatial, *wanted.shape[1:3]):
                if torch.equal(found[:, places.to(found.device)], wanted):
                    return Windows(places, spatial)
    return None


def _sizes(given: Tensor) -> Iterator[tuple[int, int]]:
    """The sizes that a map has, or that a sequence may have: as square as can be first."""
    if given.dim() == 4:
        yield given.shape[1], given.shape[2]
    elif given.dim() == 3:
        yield from _factors(given.shape[1])


def _factors(number: int) -> list[tuple[int, int]]:
    found = [(a, number // a) for a in range(1, number + 1) if number % a == 0]
    return sorted(found, key=lambda pair: abs(pair[0] - pair[1]))


def _cuts(spatial: tuple[int, int], windows: int, nodes: int) -> Iterator[Tensor]:
    """Places ``(W, n)`` of the ways to cut a map into so many windows."""
    height, width = spatial
    for down, across in _factors(nodes):
        if height % down or width % across or (height // down) * (width // across) != windows:
            continue
        for shift in ((0, 0), (down // 2, across // 2)):
            numbers = torch.arange(height * width).view(height, width).roll((-shift[0], -shift[1]), (0, 1))
            yield _blocks(numbers, down, across)
        yield _grid(torch.arange(height * width).view(height, width), down, across)


def _blocks(numbers: Tensor, down: int, across: int) -> Tensor:
    """Windows of neighbours."""
    return (
        numbers.unflatten(1, (-1, across)).unflatten(0, (-1, down)).transpose(1, 2).flatten(2).flatten(0, 1)
    )


def _grid(numbers: Tensor, down: int, across: int) -> Tensor:
    """Windows of positions that lie evenly over the map, as MaxViT's."""
    cells = numbers.unflatten(1, (across, -1)).unflatten(0, (down, -1))  # (down, H/down, across, W/across)
    return cells.permute(1, 3, 0, 2).flatten(2).flatten(0, 1)
