"""A table of finished cells on disk: what is in it is not run again."""

import csv
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from statistics import mean, stdev
from typing import NamedTuple

from experiments.comparison import Cell
from experiments.files import check_writable, replacing


def read_cells(path: str | Path) -> list[Cell]:
    """Return the cells of a CSV file, none if there is no file.

    Raises:
        ValueError: If the file has other columns.
    """
    if not Path(path).exists():
        return []
    with Path(path).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    kinds = {field.name: field.type for field in fields(Cell)}
    if any(row.keys() != kinds.keys() for row in rows):
        raise ValueError(f"'{path}' has other columns than {', '.join(kinds)}; move it away")
    return [Cell(**{name: _KINDS[str(kinds[name])](value) for name, value in row.items()}) for row in rows]


def check_table(path: Path) -> None:
    """Make sure, before any work, that the table can be written and, if it is there, gone on with.

    Raises:
        ValueError: If the folder cannot be written, or the file is another table.
    """
    check_writable(path.parent)
    read_cells(path)


def is_done(cells: Iterable[Cell], cue: str, model: str, seed: int, steps: int) -> bool:
    """Whether a cell of this cue, model, seed and budget is among ``cells``."""
    return any((c.cue, c.model, c.seed, c.steps) == (cue, model, seed, steps) for c in cells)


def write_cells(cells: Iterable[Cell], path: str | Path) -> None:
    """Write all cells; the file is the old one or the new one at any time."""
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, [field.name for field in fields(Cell)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(cell) for cell in cells)


class Summary(NamedTuple):
    """Test IoU of one model on one cue: mean, standard deviation (0 for one seed), and costs."""

    cue: str
    model: str
    seeds: int
    mean: float
    std: float
    seconds: float


def summarise(cells: Iterable[Cell]) -> list[Summary]:
    """Return one summary for each cue and model, in the order of their first cell."""
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.cue, cell.model), []).append(cell)
    return [_summary(cue, model, group) for (cue, model), group in groups.items()]


def _summary(cue: str, model: str, group: list[Cell]) -> Summary:
    ious = [cell.test_iou for cell in group]
    spread = stdev(ious) if len(ious) > 1 else 0.0
    return Summary(cue, model, len(ious), mean(ious), spread, mean(cell.seconds for cell in group))


_KINDS = {"<class 'str'>": str, "<class 'int'>": int, "<class 'float'>": float}
