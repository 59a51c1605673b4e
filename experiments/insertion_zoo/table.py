"""The table of the zoo as a file, and its numbers."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from experiments.files import replacing
from experiments.insertion_zoo.trial import Row


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
    """Numbers of verdicts, and every model that was not right."""
    lines = []
    for name, verdicts in counts(rows).items():
        lines.append(f"{name}: " + ", ".join(f"{number} {verdict}" for verdict, number in verdicts.items()))
    lines += [
        f"{row.model} {row.module}: {row.verdict}: {row.with_example}"
        for row in rows
        if row.verdict != "right"
    ]
    return "\n".join(lines)


def counts(rows: Sequence[Row]) -> Mapping[str, Counter[str]]:
    """Verdicts with and without an example."""
    return {
        f"{len(rows)} models, with an example": Counter(row.verdict for row in rows),
        "without one": Counter(row.verdict_without for row in rows),
    }
