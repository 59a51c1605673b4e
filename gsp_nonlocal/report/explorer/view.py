"""What the explorer's page is told of a graph: plain values, ready for JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Picture:
    """Rows of one image's graph: tile and number ``q`` are of query ``q``; those of the tokens come last.

    Attributes:
        atlas: data URI, see :class:`~gsp_nonlocal.report.explorer.atlas.Atlas`.
        columns: tiles side by side in it.
        signed: whether there are negative weights.
        greatest: greatest weight on a position by magnitude, with its sign; ``None`` where not finite.
        where: the position that has it.
        spread: over how many nodes an even row of the same entropy goes.
        share: part of the weight that lies on tokens; empty where there are none.
        even: what an even weight is: one number for all rows, or one a row.
    """

    atlas: str
    columns: int
    signed: bool
    greatest: tuple[float | None, ...]
    where: tuple[int, ...]
    spread: tuple[float, ...]
    share: tuple[float, ...]
    even: float | tuple[float, ...]


@dataclass(frozen=True)
class View:
    """One graph an image, or one cross-attention, of one block at one time.

    Attributes:
        path: of the block.
        snapshot: when, such as ``"epoch 3"``, or ``""``.
        graph: ``"head 3"``, ``"mean of 12 heads"``, or ``""`` where an image has one graph.
        grid: frames, rows and columns of the positions, which are numbered in this order.
        columns: frames side by side in the montage, which they fill row by row.
        queries: rows and columns of the kept positions in the montage; tiles come frame by frame. None are
            kept of cross-attention, whose queries are no positions of the map.
        targets: rows and columns of a tile.
        tokens: names of the nodes that are no positions, and of the queries of cross-attention.
        nodes: how many weights a row has: one a position and a token.
        overlaid: whether the maps lie over the picture of the input.
        note: what was assumed, averaged and left out, or ``""``.
        pictures: one an image.
    """

    path: str
    snapshot: str
    graph: str
    grid: tuple[int, int, int]
    columns: int
    queries: tuple[int, int]
    targets: tuple[int, int]
    tokens: tuple[str, ...]
    nodes: int
    overlaid: bool
    note: str
    pictures: tuple[Picture, ...]

    def json(self) -> str:
        """As the page reads it."""
        return json.dumps(vars(self), default=vars, allow_nan=False, separators=(",", ":"))
