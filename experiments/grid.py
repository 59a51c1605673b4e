"""A grid of trainings, task × network × seed: run resumably into a CSV file, shown as a table and a picture.

A study is a ``Grid``: which tasks and networks, how one of its cells is trained, and what its table tells.
"""

import argparse
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Protocol, TypeVar

from rich.console import Console

from experiments.cells import Cell, Columns, Key, Summary, read_cells, summarise, write_cells
from experiments.files import check_writable, replacing
from experiments.machine import machine_table
from experiments.messages import hush
from experiments.plots import plot_dots
from experiments.settings import check_budget

RESULTS = Path(__file__).parent / "results"
Facts = Mapping[str, Mapping[str, str]]
"""Further columns of a table by heading: a value for each network."""


class Trained(Protocol):
    """What a training gave."""

    @property
    def test(self) -> float:
        """Metric on the test data."""

    @property
    def seconds(self) -> float:
        """Of the training."""


Result = TypeVar("Result", bound=Trained)


@dataclass(frozen=True)
class Grid:
    """What a study is made of.

    Attributes:
        name: Of its files, ``name.csv``, ``.md`` and ``.png``.
        head: Title and text of its page.
        columns: Header of the CSV file, for the fields of a cell in their order.
        steps: The tasks, each with the steps of a training.
        networks: All that are known.
        metrics: What the test metric of a task is called.
        places: What the page says of a task, before its table.
        train: Trains a cell. Its second argument is a folder for checkpoints, gone afterwards; its third the
            folder of the results.
        facts: Further columns of the table of a task, by the task and the networks in it.
        picture: Draws the summaries into a PNG file.
    """

    name: str
    head: str
    columns: Columns
    steps: Mapping[str, int]
    networks: Sequence[str]
    metrics: Mapping[str, str]
    places: Mapping[str, str]
    train: Callable[[Key, Path, Path], Cell]
    facts: Callable[[str, Sequence[str]], Facts]
    picture: Callable[[Sequence[Cell], Mapping[str, str], Path], object]

    def file(self, output: Path, suffix: str) -> Path:
        """Return the path of the file with this suffix in the folder ``output``."""
        return output / f"{self.name}{suffix}"

    def read(self, output: Path) -> list[Cell]:
        """Return the cells that are finished.

        Raises:
            ValueError: If the file is another table, or has a task or a network that is unknown here.
        """
        path = self.file(output, ".csv")
        cells = read_cells(path, self.columns)
        for cell in cells:
            if cell.task not in self.steps or cell.network not in self.networks:
                raise ValueError(
                    f"'{path}' has a cell of {self.columns[0]} {cell.task!r} and {self.columns[1]} "
                    f"{cell.network!r}; remove it: known are {', '.join(self.steps)}, and "
                    f"{', '.join(self.networks)}"
                )
        return cells

    def keep(self, cell: Cell, output: Path) -> None:
        """Add a cell to the file; one that another run of the grid has added meanwhile stays."""
        cells = self.read(output)
        if cell.key not in {kept.key for kept in cells}:
            write_cells([*cells, cell], self.file(output, ".csv"), self.columns)


def run_cells(
    wanted: Iterable[Key],
    done: Callable[[], Collection[Key]],
    train: Callable[[Key, Path], Result],
    keep: Callable[[Result], None],
) -> None:
    """Train each cell that is not done, and keep it before the next: whenever it ends, none is run twice.

    Args:
        wanted: The cells.
        done: Those that are finished, whoever did them; asked before each training.
        train: Trains one, with a folder for checkpoints that is gone afterwards.
        keep: Writes what came out, whole or not at all.
    """
    console = Console()
    for key in wanted:
        if key in done():
            console.print(f"{key}: done before")
            continue
        console.rule(str(key))
        with tempfile.TemporaryDirectory() as folder:
            result = train(key, Path(folder))
        keep(result)
        console.print(f"test {result.test:.3f} in {result.seconds:.0f} s")


def run_grid(
    grid: Grid,
    tasks: Sequence[str],
    networks: Sequence[str],
    seeds: Sequence[int],
    output: str | Path = RESULTS,
    steps: int | None = None,
) -> list[Cell]:
    """Train what ``output`` lacks, write table and picture of all cells of these budgets, and return those.

    Args:
        grid: What a cell is.
        tasks: Some of its tasks.
        networks: Some of its networks.
        seeds: Seeds of weights and data.
        output: Folder of the results.
        steps: Steps a training; by default those of the task.
    """
    folder = Path(output)
    budget = {task: grid.steps[task] if steps is None else steps for task in grid.steps}
    run_cells(
        [Key(task, network, seed, budget[task]) for task, seed, network in product(tasks, seeds, networks)],
        lambda: {cell.key for cell in grid.read(folder)},
        lambda key, checkpoints: grid.train(key, checkpoints, folder),
        lambda cell: grid.keep(cell, folder),
    )
    cells = [cell for cell in grid.read(folder) if cell.steps == budget[cell.task]]
    cells.sort(key=lambda cell: (list(grid.steps).index(cell.task), list(grid.networks).index(cell.network)))
    shown = list(dict.fromkeys(cell.task for cell in cells))
    facts = {t: grid.facts(t, list(dict.fromkeys(c.network for c in cells if c.task == t))) for t in shown}
    with replacing(grid.file(folder, ".md")) as temporary:
        temporary.write_text(page(grid, cells, facts), encoding="utf-8")
    grid.picture(cells, grid.metrics, grid.file(folder, ".png"))
    return cells


def page(grid: Grid, cells: Sequence[Cell], facts: Mapping[str, Facts]) -> str:
    """Return the table of each task as a Markdown page, with the machine's description.

    Args:
        grid: What the tables tell.
        cells: Of one budget a task.
        facts: Further columns by task.
    """
    lines = [grid.head]
    for task, steps in {cell.task: cell.steps for cell in cells}.items():
        own = [cell for cell in cells if cell.task == task]
        lines += ["", f"## {task}", "", grid.places[task].format(steps=steps), ""]
        lines += score_table(summarise(own), grid.columns[1], grid.metrics[task], facts.get(task, {}))
    return "\n".join([*lines, *machine_table()])


def score_table(summaries: Sequence[Summary], network: str, metric: str, facts: Facts) -> list[str]:
    """Return the lines of the Markdown table of one task, the best network first."""
    best_first = sorted(summaries, key=lambda s: -s.mean)
    rows = [
        [s.network, s.spread, s.each, *(column[s.network] for column in facts.values())] for s in best_first
    ]
    return markdown_table([network, f"test {metric}", "each seed", *facts], rows)


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = (columns, ["---"] * len(columns), *rows)
    return [f"| {' | '.join(map(str, line))} |" for line in lines]


def score_picture(cells: Sequence[Cell], metrics: Mapping[str, str], path: Path) -> None:
    """Draw each seed's test metric with mean and deviation: a panel a task, a row a network."""
    plot_dots(summarise(cells), metrics, path)


def no_facts(task: str, networks: Sequence[str]) -> Facts:
    """No further columns."""
    return {}


def grid_parser(
    module: str, description: str | None, grid: Grid, seeds: Sequence[int]
) -> argparse.ArgumentParser:
    """Return the options that all grids have: ``--seeds``, ``--steps`` and ``--output``."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--seeds", nargs="+", type=int, default=list(seeds))
    parser.add_argument("--steps", type=int, help=f"Steps a training; by default {dict(grid.steps)}.")
    parser.add_argument("--output", default=str(RESULTS))
    return parser


def run_command(
    grid: Grid,
    parser: argparse.ArgumentParser,
    chosen: argparse.Namespace,
    tasks: Sequence[str],
    networks: Sequence[str],
    check: Callable[[Path], object] | None = None,
) -> int:
    """Refuse, before any work, what would end in nothing; else run the grid and print its page.

    Args:
        grid: What is run.
        parser: Its options.
        chosen: What is asked for.
        tasks: Some of the grid's tasks.
        networks: Some of its networks.
        check: Raises ``ValueError`` for what else is wrong in the folder of the results.
    """
    hush()
    output = Path(chosen.output)
    try:
        check_budget(chosen.seeds, chosen.steps)
        check_writable(output)
        grid.read(output)
        if check is not None:
            check(output)
    except ValueError as error:
        parser.error(str(error))
    run_grid(grid, tasks, networks, chosen.seeds, output, chosen.steps)
    Console().print(grid.file(output, ".md").read_text(encoding="utf-8"))
    return 0
