"""A cell of a grid, what one training gave: its CSV file, and its summary over seeds."""

import csv
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple, Protocol, TypeVar

from experiments.files import replacing

Columns = Sequence[str]
COLUMNS: Columns = ("task", "network", "seed", "steps", "val", "test", "seconds")


class Key(NamedTuple):
    """What no two cells of a grid share."""

    task: str
    network: str
    seed: int
    steps: int

    def __str__(self) -> str:
        return f"{self.task}, {self.steps} steps, {self.network}, seed {self.seed}"


@dataclass(frozen=True)
class Cell:
    """The metric of a training's best validation checkpoint, on validation and test data, and its seconds."""

    task: str
    network: str
    seed: int
    steps: int
    val: float
    test: float
    seconds: float

    @property
    def key(self) -> Key:
        """What no two cells of a grid share."""
        return Key(self.task, self.network, self.seed, self.steps)


class Keyed(Protocol):
    """A row of a table that has a key, no two of them the same."""

    @property
    def key(self) -> tuple[Any, ...]:
        """What no two rows share."""


class Scored(Protocol):
    """A cell with a score; its key begins with a task and a network."""

    @property
    def key(self) -> tuple[Any, ...]:
        """Task, network, and what else tells cells apart."""

    @property
    def test(self) -> float:
        """Metric on the test data."""


Row = TypeVar("Row", bound=Keyed)


def read_cells(path: str | Path, columns: Columns = COLUMNS) -> list[Cell]:
    """Return the cells of a CSV file, none if there is no file.

    Args:
        path: The file.
        columns: Its header, for the fields of ``Cell`` in their order.

    Raises:
        ValueError: If the file has another header, a row that is no cell, or a cell twice.
    """
    return read_rows(path, columns, _cell)


def read_rows(path: str | Path, columns: Columns, parse: Callable[[Sequence[str]], Row]) -> list[Row]:
    """Return the rows of a CSV file, none if there is no file.

    Args:
        path: The file.
        columns: Its header, in the order in which ``parse`` takes the values.
        parse: Makes a row of its values; raises ``ValueError`` if they are none.

    Raises:
        ValueError: If the file has another header, a row that is none, or one twice.
    """
    rows = _rows(Path(path))
    if not rows:
        return []
    if sorted(rows[0]) != sorted(columns):
        raise ValueError(f"'{path}' has other columns than {', '.join(columns)}; move it away")
    order = [rows[0].index(name) for name in columns]
    cells: dict[tuple[Any, ...], Row] = {}
    for number, row in enumerate(rows[1:], start=2):
        cell = _parsed(row, order, f"'{path}', row {number}", parse)
        if cell.key in cells:
            raise ValueError(f"'{path}', row {number}: {tuple(cell.key)} is there before; remove one of them")
        cells[cell.key] = cell
    return list(cells.values())


def _rows(path: Path) -> list[list[str]]:
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [row for row in csv.reader(file) if row]
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"'{path}' is no table ({error}); move it away") from error


def _parsed(
    row: Sequence[str], order: Sequence[int], place: str, parse: Callable[[Sequence[str]], Row]
) -> Row:
    try:
        if len(row) != len(order):
            raise ValueError(f"{len(row)} values instead of {len(order)}")
        return parse([row[index] for index in order])
    except ValueError as error:
        raise ValueError(f"{place} is no cell ({error}); remove it or move the file away") from error


def _cell(values: Sequence[str]) -> Cell:
    task, network, seed, steps, *numbers = values
    val, test, seconds = map(finite, numbers)
    return Cell(task, network, int(seed), int(steps), val, test, seconds)


def finite(text: str) -> float:
    """Return a number.

    Raises:
        ValueError: If it is none, or not finite.
    """
    if not math.isfinite(float(text)):
        raise ValueError(f"{text!r} is not finite")
    return float(text)


def write_cells(cells: Iterable[Any], path: str | Path, columns: Columns = COLUMNS) -> None:
    """Write all cells, which are data classes; the file is the old one or the new one at any time."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *map(astuple, cells)])


class Summary(NamedTuple):
    """Test metric of one network on one task, over seeds: each, mean, standard deviation (0 for one seed)."""

    task: str
    network: str
    scores: list[float]
    mean: float
    std: float

    @property
    def spread(self) -> str:
        """``mean ± standard deviation``."""
        return f"{self.mean:.3f} ± {self.std:.3f}"

    @property
    def each(self) -> str:
        """The seeds' scores."""
        return ", ".join(f"{score:.3f}" for score in self.scores)


def summarise(cells: Iterable[Scored]) -> list[Summary]:
    """Return one summary for each task and network, in the order of their first cell."""
    groups: dict[tuple[str, str], list[float]] = {}
    for cell in cells:
        task, network = cell.key[:2]
        groups.setdefault((task, network), []).append(cell.test)
    return [
        Summary(*names, scores, mean(scores), stdev(scores) if len(scores) > 1 else 0.0)
        for names, scores in groups.items()
    ]
