"""A cell of the paper's grid: what one training gave, and its row of the CSV file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from experiments.cells import finite, read_rows, write_cells
from experiments.files import locked

COLUMNS = (
    "task", "network", "seed", "epochs", "subset", "options",
    "val", "test", "top5", "seconds", "val_from_test",
)  # fmt: skip


class PaperKey(NamedTuple):
    """What no two cells share.

    Attributes:
        task: Data set and backbone, ``"cifar10 preresnet20"``.
        network: Its word.
        seed: Of weights and data.
        epochs: Of the training.
        subset: Number of training images; 0 for all.
        options: Further options of the command line.
    """

    task: str
    network: str
    seed: int
    epochs: int
    subset: int
    options: str

    def __str__(self) -> str:
        images = f", {self.subset:,} images" if self.subset else ""
        options = f", {self.options}" if self.options else ""
        return f"{self.task}, {self.network}, seed {self.seed}, {self.epochs} epochs{images}{options}"


@dataclass(frozen=True)
class PaperCell:
    """Accuracies from 0 to 1 of the best validation checkpoint, and the seconds of the training.

    ``val_from_test``: whether the validation, which chose the checkpoint, was on the test data.
    """

    task: str
    network: str
    seed: int
    epochs: int
    subset: int
    options: str
    val: float
    test: float
    top5: float
    seconds: float
    val_from_test: bool

    @property
    def key(self) -> PaperKey:
        """What no two cells share."""
        return PaperKey(self.task, self.network, self.seed, self.epochs, self.subset, self.options)


def read_paper_cells(path: str | Path) -> list[PaperCell]:
    """Return the cells of a CSV file, none if there is no file.

    Raises:
        ValueError: If the file has another header, a row that is no cell, or a cell twice.
    """
    return read_rows(path, COLUMNS, _cell)


def keep_cell(cell: PaperCell, path: Path) -> None:
    """Add a cell to the file, whoever else adds one at the same time; one that is there stays."""
    with locked(path.with_name(f".{path.name}.lock")):
        cells = read_paper_cells(path)
        if cell.key not in {kept.key for kept in cells}:
            write_cells([*cells, cell], path, COLUMNS)


def _cell(values: Sequence[str]) -> PaperCell:
    task, network, seed, epochs, subset, options, *numbers, from_test = values
    val, test, top5, seconds = map(finite, numbers)
    if from_test not in ("True", "False"):
        raise ValueError(f"{from_test!r} is neither True nor False")
    whole = int(seed), int(epochs), int(subset)
    return PaperCell(task, network, *whole, options, val, test, top5, seconds, from_test == "True")
