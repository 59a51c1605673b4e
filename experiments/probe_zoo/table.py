"""The table of the zoo as a file, and its numbers."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from experiments.files import replacing
from experiments.probe_zoo.trial import Row


def read(path: Path) -> dict[str, Row]:
    """Rows of an earlier run, by name of the model."""
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = [Row(**line) for line in csv.DictReader(file)]
    return {f"{row.library}.{row.model}": row for row in rows}


def write(path: Path, rows: Sequence[Row]) -> None:
    """Write the table beside its place, and then in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside, Path(beside).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def summary(rows: Sequence[Row]) -> str:
    """The sums of each library, and every model of which something was not caught."""
    lines = [_sums(library, [row for row in rows if row.library == library]) for library in _libraries(rows)]
    lines.append(_sums("all", rows))
    lines += [
        f"{row.library}.{row.model}: {row.notes}"
        for row in rows
        if row.caught != row.attentions or row.beyond != "0" or row.equal == "NO"
    ]
    return "\n".join(lines)


def total(rows: Sequence[Row], column: str) -> int:
    """The sum of a column."""
    return sum(int(getattr(row, column)) for row in rows)


def _libraries(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.library for row in rows))


def _sums(name: str, rows: Sequence[Row]) -> str:
    with_some = sum(row.attentions != "0" for row in rows)
    numbers = ", ".join(
        f"{total(rows, column)} {column}"
        for column in ("attentions", "caught", "named", "silent", "linear", "beyond", "compared")
    )
    worst = max((float(row.difference) for row in rows if row.difference), default=0.0)
    changed = sum(row.equal == "NO" for row in rows)
    return (
        f"{name}: {len(rows)} models, {with_some} with attention: {numbers}; "
        f"greatest difference {worst:.1e}, {changed} outputs changed"
    )
