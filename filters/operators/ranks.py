"""Where the nodes of a graph are: all of them here, or a part at each of several processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor


class Ranks:
    """The processes that hold the nodes of a graph; here this one alone, which has them all.

    What meets all nodes in a sum, a mean, a softmax or a maximum asks this object for it, and is then right
    for a graph whose nodes are divided as well: there it is a
    :class:`gsp_nonlocal.distributed.ProcessRanks`. A tensor ``(B, N, C)`` holds the nodes of this process.

    Attributes:
        is_split: whether other processes hold nodes too.
    """

    is_split: bool = False

    def sum(self, part: Tensor) -> Tensor:
        """``part``, a sum over the nodes of this process, as a sum over all nodes; differentiable."""
        return part

    def greatest(self, part: Tensor) -> Tensor:
        """The same for the greatest numbers, without gradients."""
        return part

    def count(self, x: Tensor) -> int | Tensor:
        """How many nodes there are, where this process has those of ``x (B, N, C)``; of no dimension."""
        return x.shape[1]

    def mean(self, x: Tensor) -> Tensor:
        """The mean of ``x (B, N, C)`` over all nodes, ``(B, 1, C)``."""
        return x.mean(dim=1, keepdim=True)

    def softmax(self, x: Tensor) -> Tensor:
        """The softmax of ``x (B, N, C)`` over all nodes."""
        return x.softmax(dim=1)

    def gathered(self, part: Tensor) -> list[Tensor]:
        """``part (B, M, C)`` of every process, in their order; ``M`` may differ. Without gradients."""
        return [part]

    def agreed(self, value: Tensor) -> Tensor:
        """``value`` of the first process: what all have computed of the same numbers, to the last bit."""
        return value

    def turns(self, *parts: Tensor) -> Iterator[Sequence[Tensor]]:
        """``parts``, each ``(B, N, C)``, of one process after the other. Without gradients."""
        yield parts

    def returned(self, turn: int, part: Tensor) -> Tensor | None:
        """The sum over all of ``part (B, N, C)``, which belongs to process ``turn``; there alone."""
        return part

    @property
    def place(self) -> int:
        """The number of this process among them, from 0."""
        return 0

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Copies and pickles are :data:`ALL_HERE` itself."""
        return "ALL_HERE"


ALL_HERE = Ranks()
"""This process has all nodes."""


def require_whole(ranks: Ranks, what: str, remedy: str = "use products S @ z, or some rows") -> None:
    """Raise a ``ValueError`` where ``what`` needs all nodes in one process, and they are not."""
    if ranks.is_split:
        raise ValueError(
            f"{what} needs all nodes in one process, and this graph is divided over several; {remedy}"
        )
