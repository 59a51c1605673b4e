"""Where the edges of a graph are: what does not depend on their weights is checked and found once."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from gsp_nonlocal.shifts.degrees import added
from gsp_nonlocal.shifts.edges import Edges, check_edge_weights, check_places, say_what_is_kept
from gsp_nonlocal.shifts.laplacian import Entries
from gsp_nonlocal.shifts.pattern import Pattern


class Wiring:
    """Checked edges ``source → target`` of ``N`` nodes, without weights.

    Args:
        edge_index: sources and targets ``(2, E)``, as in PyG; not to be written to while the wiring is used.
        num_nodes: ``N``; by default the greatest node plus one.
        batch: graph of each node ``(N,)``, ascending; by default one graph.

    Raises:
        TypeError: if an index is no integer.
        ValueError: if a shape or a node does not fit; if there is no node.

    Warns:
        UserWarning: where self-loops or duplicate edges are kept, with their numbers.
    """

    def __init__(self, edge_index: Tensor, num_nodes: int | None = None, batch: Tensor | None = None) -> None:
        self.source, self.target, self.num_nodes, self.batch = check_places(edge_index, num_nodes, batch)
        say_what_is_kept(self.source, self.target, self.num_nodes)
        self._patterns: dict[int, tuple[Pattern, Tensor]] = {}

    def edges(self, weight: Tensor | None) -> Edges:
        """The edges with these weights ``(E,)``, 1 by default.

        Raises:
            TypeError: if a weight is no real floating-point number.
            ValueError: if the shape does not fit; if a weight is negative, NaN or infinite.
        """
        return Edges(
            self.source, self.target, check_edge_weights(weight, self.source), self.num_nodes, self.batch
        )

    def is_undirected(self, weight: Tensor) -> bool:
        """Whether every edge has its reverse with the same weight, up to the rounding of the two."""
        return self._reverse.holds(weight.detach())

    def symmetrised(self, value: Tensor) -> Tensor:
        """``½ (M + Mᵀ)`` of the matrix with these entries ``(E,)``; each place has its mirror image."""
        return self._reverse.symmetrised(value)

    def pattern(self, entries: Entries) -> tuple[Pattern, Tensor]:
        """Where the entries of ``S`` are, those of the edges first, and the order of their values."""
        count = len(entries.value)
        if count not in self._patterns:
            with torch.inference_mode(False):  # what is kept may be used in training later
                found = Pattern.of(entries.row.clone(), entries.column.clone(), self.num_nodes)
            self._patterns[count] = found
        return self._patterns[count]

    @cached_property
    def _reverse(self) -> Reverse:
        with torch.inference_mode(False):
            return Reverse.of(self.source.clone(), self.target.clone(), self.num_nodes)


class Reverse(NamedTuple):
    """The places of a matrix that have entries, and which are each other's mirror images.

    Attributes:
        place: of every entry, the number of its place.
        mirror: of every place, the number of its mirror image.
        is_there: whether that has an entry.
    """

    place: Tensor
    mirror: Tensor
    is_there: Tensor

    @classmethod
    def of(cls, source: Tensor, target: Tensor, size: int) -> Reverse:
        """Of entries from ``source`` to ``target``."""
        places, place = torch.unique(target * size + source, return_inverse=True)
        mirrored = places % size * size + places // size
        mirror = torch.searchsorted(places, mirrored).clamp_max(len(places) - 1)
        return cls(place, mirror, places[mirror] == mirrored)

    def symmetrised(self, value: Tensor) -> Tensor:
        """``½ (M + Mᵀ)``: what a place gets or loses is divided over its entries."""
        total = added(value, self.place, len(self.mirror))
        count = added(torch.ones_like(value), self.place, len(self.mirror))
        return value + (0.5 * (total[self.mirror] - total) / count)[self.place]

    def holds(self, weight: Tensor) -> bool:
        """Whether the matrix equals its transpose, up to rounding of the two entries themselves.

        Duplicates are added first, in double precision; an entry without a mirror image has one of 0. Others
        play no part: a small component is judged as closely as a large one.
        """
        sums, moduli = (added(part.double(), self.place, len(self.mirror)) for part in (weight, weight.abs()))
        others, scales = (torch.where(self.is_there, part[self.mirror], 0.0) for part in (sums, moduli))
        rounding = 32 * torch.finfo(weight.dtype).eps * torch.maximum(moduli, scales)
        return bool(((sums - others).abs() <= rounding).all())
