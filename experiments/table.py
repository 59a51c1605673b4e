"""A table of finished cells on disk: what is in it is not run again."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from statistics import mean, stdev
from typing import NamedTuple, TypeVar

from experiments.comparison import BlockCell, Cell
from experiments.files import check_writable, replacing

AnyCell = TypeVar("AnyCell", bound=Cell | BlockCell)


def read_cells(path: str | Path) -> list[Cell]:
    """Return the cells of a CSV file, none if there is no file.

    Raises:
        ValueError: If the file has other columns or a row that is no cell.
    """
    return read_table(path, Cell)


def read_table(path: str | Path, kind: type[AnyCell]) -> list[AnyCell]:
    """Return the cells of a CSV file, each a ``kind``, none if there is no file.

    Raises:
        ValueError: If the file has other columns, a row that is no cell, or a cell twice.
    """
    if not Path(path).exists():
        return []
    with Path(path).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = [field.name for field in fields(kind)]
    if any(row.keys() != set(names) for row in rows):
        raise ValueError(f"'{path}' has other columns than {', '.join(names)}; move it away")
    cells = [_cell(row, kind, f"'{path}', row {number}") for number, row in enumerate(rows, start=2)]
    for index, cell in enumerate(cells):
        if is_done(cells[:index], *cell.key):
            raise ValueError(f"'{path}', row {index + 2}: {cell.key} is there before; remove one of them")
    return cells


def _cell(row: dict[str, str], kind: type[AnyCell], place: str) -> AnyCell:
    kinds = {field.name: _KINDS[str(field.type)] for field in fields(kind)}
    try:
        return kind(**{name: kinds[name](value) for name, value in row.items()})
    except (TypeError, ValueError) as error:
        raise ValueError(f"{place} is no cell ({error}); remove it or move the file away") from error


def check_table(path: Path) -> None:
    """Make sure, before any work, that the table can be written and, if it is there, gone on with.

    Raises:
        ValueError: If the folder cannot be written, or the file is another table.
    """
    check_writable(path.parent)
    read_cells(path)


def is_done(cells: Iterable[Cell | BlockCell], data: str, model: str, seed: int, steps: int) -> bool:
    """Whether a cell of this cue or data set, model or block, seed and budget is among ``cells``."""
    return any(cell.key == (data, model, seed, steps) for cell in cells)


def write_cells(cells: Sequence[Cell] | Sequence[BlockCell], path: str | Path) -> None:
    """Write all cells, one at least; the file is the old one or the new one at any time."""
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, [field.name for field in fields(cells[0])], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(cell) for cell in cells)


class Summary(NamedTuple):
    """Test metric of one model on one cue or data set: mean, standard deviation (0 for one seed), and costs.

    ``scores`` are those of the seeds, in the order of the cells.
    """

    data: str
    model: str
    scores: list[float]
    mean: float
    std: float
    seconds: float

    @property
    def spread(self) -> str:
        """``mean ± standard deviation``."""
        return f"{self.mean:.3f} ± {self.std:.3f}"

    def each(self, digits: int = 2) -> str:
        """The seeds' scores."""
        return ", ".join(f"{score:.{digits}f}" for score in self.scores)


def summarise(cells: Iterable[Cell | BlockCell]) -> list[Summary]:
    """Return one summary for each data set and model, in the order of their first cell."""
    groups: dict[tuple[str, str], list[Cell | BlockCell]] = {}
    for cell in cells:
        groups.setdefault(cell.key[:2], []).append(cell)
    return [_summary(data, model, group) for (data, model), group in groups.items()]


def _summary(data: str, model: str, group: list[Cell | BlockCell]) -> Summary:
    scores = [cell.score for cell in group]
    spread = stdev(scores) if len(scores) > 1 else 0.0
    return Summary(data, model, scores, mean(scores), spread, mean(cell.seconds for cell in group))


_KINDS = {"<class 'str'>": str, "<class 'int'>": int, "<class 'float'>": float}
