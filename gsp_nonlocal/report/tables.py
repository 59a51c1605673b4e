"""The tables of an analysis, as CSV: one row a graph, and one row an eigenvalue."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gsp_nonlocal.analysis.quantities import QUANTITIES
from gsp_nonlocal.analysis.record import GraphRecord, Snapshot

_PLACE = ("snapshot", "block", "image", "graph")


def write_measures(snapshots: Sequence[Snapshot], path: Path) -> None:
    """A row for each graph, a column for each quantity; an empty cell where it is not known."""
    names = [quantity.name for quantity in QUANTITIES]
    rows = (
        [*place, *(_cell(graph.measures.get(name)) for name in names)] for place, graph in _graphs(snapshots)
    )
    _write(path, [*_PLACE, *names], rows)


def write_eigenvalues(snapshots: Sequence[Snapshot], path: Path) -> None:
    """A row for each eigenvalue; the exact zeros of low-rank factors are left out."""
    rows = (
        [*place, number, f"{real:.9g}", f"{imaginary:.9g}"]
        for place, graph in _graphs(snapshots)
        for number, (real, imaginary) in enumerate(graph.eigenvalues)
    )
    _write(path, [*_PLACE, "number", "real", "imaginary"], rows)


def _graphs(snapshots: Sequence[Snapshot]) -> Iterator[tuple[list[Any], GraphRecord]]:
    for snapshot in snapshots:
        for block in snapshot.blocks:
            for graph in block.graphs:
                yield [snapshot.label, block.name, graph.image, graph.graph], graph


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.9g}"


def _write(path: Path, columns: Sequence[str], rows: Iterator[list[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
