"""How finely the explorer keeps the rows of a block's heads, or of their mean, from all positions down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import torch

from gsp_nonlocal.analysis.arrangement import Arrangement
from gsp_nonlocal.probe.trace import CrossTrace
from gsp_nonlocal.report.explorer.image_rows import count_cells
from gsp_nonlocal.report.explorer.sampling import Sampling, samplings

MOST_CELLS = 2**20
"""Most pixels of an atlas; a browser holds four bytes for each."""

KEPT_QUERIES = (100, 32, 12, 4, 1)
"""How many queries of cross-attention are tried where not all fit."""

MOST_SHRINKING = 32
"""An atlas is not tried if it had to take less than one byte for so many pixels."""


@dataclass(frozen=True)
class Plan:
    """What is kept of an image's graphs.

    Attributes:
        sampling: of the rows of each.
        graphs: of an image, ``G``.
        heads: each of the graphs, or their mean alone.
        asked: the queries of cross-attention whose rows are kept; of graphs there are none.
        of: how many queries there are.
    """

    sampling: Sampling
    graphs: int
    heads: bool
    asked: tuple[int, ...] = ()
    of: int = 0

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
        if len(self.asked) < self.of:
            said.append(f"The page holds the rows of {len(self.asked)} of {self.of} queries.")
        if queries != grid and not self.asked:
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


def join_plans(arrangement: Arrangement, trace: CrossTrace, heads: bool, budget: int) -> Iterator[Plan]:
    """As :func:`plans`, of cross-attention: fewer queries, then coarser maps."""
    queries = trace.weights.shape[1]
    counts = [queries, *(most for most in KEPT_QUERIES if most < queries)]
    for targets, count in product(_targets(arrangement), counts):
        asked = torch.linspace(0, queries - 1, count).round().long().tolist()
        plan = Plan(Sampling((0, 0), targets), trace.graphs, heads, tuple(asked), queries)
        cells = count * arrangement.frames * targets[0] * targets[1]
        if cells <= MOST_CELLS and len(plan.names) * cells <= MOST_SHRINKING * budget:
            yield plan


def _targets(arrangement: Arrangement) -> list[tuple[int, int]]:
    """Grids of cells, from all positions down to one."""
    return list(dict.fromkeys(s.targets for s in samplings(arrangement.height, arrangement.width)))


def _times(grid: tuple[int, int]) -> str:
    return f"{grid[0]} × {grid[1]}" if grid[0] > 1 else str(grid[1])
