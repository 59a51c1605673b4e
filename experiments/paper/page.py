"""The page of the paper's grid: tables of accuracy and cost, a figure, and what they are measured by."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from experiments.cells import Summary, summarise
from experiments.costs import Cost
from experiments.files import replacing
from experiments.grid import markdown_table
from experiments.machine import machine_table
from experiments.paper.cells import PaperCell
from experiments.paper.published import SOURCE, published
from experiments.paper.spectra import IMAGES, Spectrum, spectra_table
from experiments.plots import plot_dots

_HEAD = """\
# {dataset}

Top-1 accuracy on the test data in percent: mean ± standard deviation over seeds, then each seed. Tested is
the best validation checkpoint of each training, once. All networks of a table have the same budget and
hyperparameters, and by seed the same data in the same order."""
_COSTS = """
Parameters are those of the whole network. GFLOP: counted in the forward pass of a training batch, of matrix
products and convolutions, a multiplication and an addition each. Time of a training step: median, all
networks in turns. Memory: what a first step adds to a fresh process."""

_SPECTRA = f"""\
Graphs of the trained blocks, on {IMAGES} test images: mean (least to greatest) over blocks and seeds."""


class Budget(NamedTuple):
    """What the cells of a table share."""

    task: str
    epochs: int
    subset: int
    options: str
    val_from_test: bool

    @property
    def told(self) -> str:
        """The budget and the protocol in sentences."""
        images = f"{self.subset:,} training images" if self.subset else "all training images"
        options = f" Options: `{self.options}`." if self.options else ""
        way = (
            "Validation, which chooses the checkpoint, is on the **test data** (val_from_test), as in the "
            "authors' code: the accuracy is too high by that choice."
            if self.val_from_test
            else "Validation, which chooses the checkpoint, is on data apart from the test data."
        )
        plural = "" if self.epochs == 1 else "s"
        return f"{self.epochs} epoch{plural} of {images}.{options} {way}"


def budget_of(cell: PaperCell) -> Budget:
    """Return the budget of a cell."""
    return Budget(cell.task, cell.epochs, cell.subset, cell.options, cell.val_from_test)


def write_page(
    dataset: str,
    cells: Sequence[PaperCell],
    classes: int,
    costs: Mapping[str, Cost],
    spectra: Sequence[Spectrum],
    output: Path,
) -> Path:
    """Write ``<dataset>.md`` and ``<dataset>.png``.

    Args:
        dataset: Name of the data set.
        cells: All of its cells; a table for each of their budgets.
        classes: Number of classes; top-5 is shown for more than 10.
        costs: Of the networks that were measured, by task and label, ``"cifar10 preresnet20 snl"``.
        spectra: Measures of the blocks of cells.
        output: Folder.
    """
    lines, groups = [_HEAD.format(dataset=dataset)], dict[Budget, list[PaperCell]]()
    for cell in cells:
        groups.setdefault(budget_of(cell), []).append(cell)
    lines += [_COSTS] if costs else []
    for budget, own in groups.items():
        lines += ["", f"## {budget.task}", "", budget.told, "", *_table(own, classes, costs)]
        keys = {cell.key for cell in own}
        measured = [row for row in spectra if row.cell in keys]
        lines += ["", _SPECTRA, "", *spectra_table(measured)] if measured else []
    if any(published(cell.task, cell.network) != "–" for cell in cells):
        lines += ["", f"Published: {SOURCE}."]
    path = output / f"{dataset}.md"
    with replacing(path) as temporary:
        temporary.write_text("\n".join([*lines, *machine_table()]), encoding="utf-8")
    _draw(groups, path.with_suffix(".png"))
    return path


def _table(cells: Sequence[PaperCell], classes: int, costs: Mapping[str, Cost]) -> list[str]:
    """One row a network, the best first."""
    columns = ["network", "top-1", "each seed", *(["top-5"] if classes > 10 else [])]
    measured = [column for column in _FORMATS if costs]
    columns += [*measured, "published top-1"]
    rows = []
    for summary in sorted(summarise(cells), key=lambda summary: -summary.mean):
        own = [cell for cell in cells if cell.network == summary.network]
        cost = costs.get(f"{summary.task} {summary.network}")
        row = [summary.network, _spread(summary), ", ".join(f"{100 * score:.2f}" for score in summary.scores)]
        row += [f"{100 * mean(cell.top5 for cell in own):.2f}"] if classes > 10 else []
        row += ["–" if cost is None else _FORMATS[column](cost) for column in measured]
        rows.append([*row, published(summary.task, summary.network)])
    return markdown_table(columns, rows)


_FORMATS = {
    "parameters": lambda cost: f"{cost.parameters:,}",
    "GFLOP": lambda cost: f"{cost.flops / 1e9:.3f}",
    "ms a step": lambda cost: f"{cost.milliseconds:.1f}",
    "peak MiB": lambda cost: f"{cost.peak / 2**20:.0f}",
}


def _spread(summary: Summary) -> str:
    return f"{100 * summary.mean:.2f} ± {100 * summary.std:.2f}"


def _draw(groups: Mapping[Budget, Sequence[PaperCell]], path: Path) -> None:
    """A panel a budget."""
    summaries, names = list[Summary](), dict[str, str]()
    for budget, cells in groups.items():
        images = f", {budget.subset:,} images" if budget.subset else ""
        title = f"{budget.task}, {budget.epochs} epochs{images}"
        while title in names:  # budgets that differ in options alone
            title += " *"
        names[title] = "top-1"
        summaries += [summary._replace(task=title) for summary in summarise(cells)]
    plot_dots(summaries, names, path)
