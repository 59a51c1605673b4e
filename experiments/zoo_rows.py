"""The rows of a zoo of models as a CSV file, which a run goes on from."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from experiments.files import replacing

ZooRow = TypeVar("ZooRow")


def read_rows(kind: type[ZooRow], path: Path) -> dict[str, ZooRow]:
    """Rows of an earlier run by ``library.model``, as the dataclass ``kind``; none without a file."""
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {f"{line['library']}.{line['model']}": kind(**line) for line in csv.DictReader(file)}


def write_rows(kind: type[Any], path: Path, rows: Sequence[Any]) -> None:
    """Write rows of the dataclass ``kind`` beside their place, and then in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside, Path(beside).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(kind)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
