"""Which rows of a graph are kept for the explorer, and how finely."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

from gsp_nonlocal.analysis.arrangement import Arrangement


@dataclass(frozen=True)
class Sampling:
    """A regular grid of positions that are asked, and the grid of cells that their weights are shown in.

    Attributes:
        queries: rows and columns, in one frame, of the positions whose rows of ``S`` are kept.
        targets: rows and columns of cells in one frame.
    """

    queries: tuple[int, int]
    targets: tuple[int, int]

    @property
    def cells(self) -> int:
        """Of all tiles of a one-frame map."""
        return self.queries[0] * self.queries[1] * self.targets[0] * self.targets[1]


def samplings(height: int, width: int) -> list[Sampling]:
    """From all positions and cells of a map down to one, each with fewer ``cells`` than the last.

    Positions are thinned first: up to three times as coarsely as the cells.
    """
    steps = _ladder(max(height, width))
    found: dict[int, Sampling] = {}
    for pool in steps:
        for index, across in enumerate(steps):
            for down in steps[index : index + 2]:
                if pool <= across <= 3 * pool:
                    kept = Sampling(_grid(height, width, down, across), _grid(height, width, pool, pool))
                    found.setdefault(kept.cells, kept)
    return [found[cells] for cells in sorted(found, reverse=True)]


def query_positions(arrangement: Arrangement, sampling: Sampling) -> Tensor:
    """The kept positions, ``(frames · qh · qw,)``: query ``i`` of ``q`` is at ``⌊(i + ½) size / q⌋``."""
    sides = zip((arrangement.height, arrangement.width), sampling.queries, strict=True)
    down, across = (((torch.arange(count) + 0.5) * size / count).long() for size, count in sides)
    frames = torch.arange(arrangement.frames) * arrangement.height * arrangement.width
    return (frames.view(-1, 1, 1) + down.view(-1, 1) * arrangement.width + across).flatten()


def cell_means(maps: Tensor, targets: tuple[int, int]) -> Tensor:
    """Maps ``(*, h, w)`` as means over the cells of a coarser grid ``(*, th, tw)``, by their exact areas."""
    for dim, count in ((-2, targets[0]), (-1, targets[1])):
        if maps.shape[dim] != count:
            weights = _overlaps(maps.shape[dim], count).to(maps)
            maps = (maps.transpose(dim, -1) @ weights).transpose(dim, -1)
    return maps


def _ladder(greatest: int) -> list[int]:
    """1, 2, 3, 4, 6, 8, 12, ... up to ``greatest``, and that."""
    steps = {1, greatest}
    power = 2
    while power < greatest:
        steps |= {power, min(greatest, power * 3 // 2)}
        power *= 2
    return sorted(steps)


def _grid(height: int, width: int, down: int, across: int) -> tuple[int, int]:
    return ceil(height / down), ceil(width / across)


def _overlaps(size: int, count: int) -> Tensor:
    """``(size, count)``: which share of cell ``j`` is position ``i``; columns sum to 1."""
    edges = torch.arange(count + 1, dtype=torch.float64) * size / count
    start = torch.arange(size, dtype=torch.float64).view(-1, 1)
    covered = torch.minimum(edges[1:], start + 1) - torch.maximum(edges[:-1], start)
    return covered.clamp(min=0) * count / size
