"""How finely the explorer keeps a block's rows, from all heads and positions down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gsp_nonlocal.analysis.arrangement import Arrangement
from gsp_nonlocal.report.explorer.image_rows import count_cells
from gsp_nonlocal.report.explorer.sampling import Sampling, samplings

MOST_CELLS = 2**20
"""Most pixels of an atlas; a browser holds four bytes for each."""

MOST_SHRINKING = 16
"""An atlas is not tried if it had to take less than one byte for so many pixels."""


@dataclass(frozen=True)
class Plan:
    """What is kept of an image's graphs.

    Attributes:
        sampling: of the rows of each.
        graphs: of an image, ``G``.
        heads: the mean of the graphs and each, or the mean alone.
    """

    sampling: Sampling
    graphs: int
    heads: bool

    @property
    def names(self) -> list[str]:
        """Of the graphs to show."""
        if self.graphs == 1:
            return [""]
        heads = range(1, self.graphs + 1 if self.heads else 1)
        return [f"mean of {self.graphs} heads", *(f"head {head}" for head in heads)]

    def notes(self, grid: tuple[int, int]) -> list[str]:
        """Sentences on what is averaged and left out of maps of ``grid`` positions."""
        queries, targets, said = self.sampling.queries, self.sampling.targets, []
        if self.graphs > 1 and not self.heads:
            said.append(f"The {self.graphs} heads are averaged: the page has no room for each.")
        if queries != grid:
            kept = f"{_times(queries)} of {_times(grid)}"
            said.append(f"Rows of {kept} positions are kept: the nearest one answers a click.")
        if targets != grid:
            said.append(
                f"The map has {_times(targets)} cells, each the mean weight of its positions; "
                "the numbers are of single positions."
            )
        return said


def plans(arrangement: Arrangement, graphs: int, budget: int) -> Iterator[Plan]:
    """What to try, finest first, where an image may take ``budget`` bytes."""
    ladder = samplings(arrangement.height, arrangement.width)
    each = [Plan(ladder[0], graphs, True)] if graphs > 1 else []
    for plan in (*each, *(Plan(sampling, graphs, False) for sampling in ladder)):
        cells = count_cells(arrangement, plan.sampling)
        if cells <= MOST_CELLS and len(plan.names) * cells <= MOST_SHRINKING * budget:
            yield plan


def _times(grid: tuple[int, int]) -> str:
    return f"{grid[0]} × {grid[1]}" if grid[0] > 1 else str(grid[1])
