"""How finely the explorer keeps the rows of a block's heads, or of their mean, from all positions down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gsp_nonlocal.analysis.arrangement import Arrangement
from gsp_nonlocal.report.explorer.image_rows import count_cells
from gsp_nonlocal.report.explorer.sampling import Sampling, samplings

MOST_CELLS = 2**20
"""Most pixels of an atlas; a browser holds four bytes for each."""

MOST_SHRINKING = 32
"""An atlas is not tried if it had to take less than one byte for so many pixels."""


@dataclass(frozen=True)
class Plan:
    """What is kept of an image's graphs.

    Attributes:
        sampling: of the rows of each.
        graphs: of an image, ``G``.
        heads: each of the graphs, or their mean alone.
    """

    sampling: Sampling
    graphs: int
    heads: bool

    @property
    def names(self) -> list[str]:
        """Of the graphs to show."""
        if self.graphs == 1:
            return [""]
        if self.heads:
            return [f"head {head}" for head in range(1, self.graphs + 1)]
        return [f"mean of {self.graphs} heads"]

    def notes(self, grid: tuple[int, int]) -> list[str]:
        """Sentences on what is averaged and left out of maps of ``grid`` positions."""
        queries, targets, said = self.sampling.queries, self.sampling.targets, []
        if queries != grid:
            kept = f"{_times(queries)} of {_times(grid)}"
            said.append(f"The page holds the rows of {kept} positions: a click shows the nearest of them.")
        if targets != grid:
            said.append(
                f"The map has {_times(targets)} cells, each coloured by the mean weight of its positions; "
                "the numbers are of single positions."
            )
        return said


def plans(arrangement: Arrangement, graphs: int, heads: bool, budget: int) -> Iterator[Plan]:
    """What to try, finest first, where an image may take ``budget`` bytes."""
    for sampling in samplings(arrangement.height, arrangement.width):
        plan, cells = Plan(sampling, graphs, heads), count_cells(arrangement, sampling)
        if cells <= MOST_CELLS and len(plan.names) * cells <= MOST_SHRINKING * budget:
            yield plan


def _times(grid: tuple[int, int]) -> str:
    return f"{grid[0]} × {grid[1]}" if grid[0] > 1 else str(grid[1])
