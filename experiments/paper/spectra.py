"""Spectral measures of the graphs in the trained networks of a grid, beside their accuracies."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from rich.progress import track
from torch import Tensor

from experiments.cells import finite, read_rows, write_cells
from experiments.checkpoints import read_checkpoint
from experiments.grid import markdown_table
from experiments.networks import trained_task
from experiments.paper.cells import PaperKey, read_paper_cells
from experiments.paper.plan import Plan
from experiments.run_folder import checkpoint_path
from gsp_nonlocal.analysis import snapshot

MEASURES = {
    "spectral_radius": "greatest \\|μ\\|",
    "smallest": "least Re μ",
    "effective_rank": "effective rank",
    "distance_to_rank_one": "distance to rank one",
    "row_agreement": "row agreement",
    "asymmetry": "asymmetry",
}
"""What is measured of a graph, see :mod:`gsp_nonlocal.spectral.measures`, and its heading in tables."""
COLUMNS = (*PaperKey._fields, "block", *MEASURES)
IMAGES = 8
"""Test images whose graphs are measured."""


@dataclass(frozen=True)
class Spectrum:
    """Measures of one block of a cell's network, means over the graphs of :data:`IMAGES` test images.

    The fields are those of the cell's key, the module path of the block, and :data:`MEASURES`; None where a
    measure is not known.
    """

    task: str
    network: str
    seed: int
    epochs: int
    subset: int
    options: str
    block: str
    spectral_radius: float | None
    smallest: float | None
    effective_rank: float | None
    distance_to_rank_one: float | None
    row_agreement: float | None
    asymmetry: float | None

    @property
    def cell(self) -> PaperKey:
        """The cell that it is of."""
        return PaperKey(self.task, self.network, self.seed, self.epochs, self.subset, self.options)

    @property
    def key(self) -> tuple[Any, ...]:
        """What no two rows share."""
        return (*self.cell, self.block)


def table_of(plan: Plan) -> Path:
    """Return the CSV file of the measures."""
    return plan.table.with_name(f"{plan.dataset}_spectra.csv")


def read_spectra(path: str | Path) -> list[Spectrum]:
    """Return the rows of a CSV file, none if there is no file.

    Raises:
        ValueError: If the file has another header, a row that is none, or one twice.
    """
    return read_rows(path, COLUMNS, _row)


def measure_spectra(plan: Plan) -> list[Spectrum]:
    """Measure the cells of a plan that are done and whose checkpoints are there, and return all rows.

    A network without a block has no row. What is in the table is not measured again.
    """
    path = table_of(plan)
    rows = read_spectra(path)
    known, done = {row.cell for row in rows}, {cell.key for cell in read_paper_cells(plan.table)}
    jobs = [
        job for job in plan.jobs() if job.key in done - known and checkpoint_path(job.folder, "best").exists()
    ]
    images = test_images(plan) if jobs else None
    for job in track(jobs, "spectra", disable=not jobs):
        rows += _spectra(job.key, checkpoint_path(job.folder, "best"), images)
        write_cells(rows, path, COLUMNS)
    return rows


def test_images(plan: Plan) -> Tensor:
    """Return the first test images of a plan, as its networks take them."""
    chosen = plan.resolved["data"]
    module, _, name = chosen["class_path"].rpartition(".")
    data = getattr(import_module(module), name)(**{**chosen["init_args"], "num_workers": 0})
    images: list[Tensor] = []
    for batch, _ in data.test_dataloader():
        images += batch
        if len(images) >= IMAGES:
            break
    return torch.stack(images[:IMAGES])


def _spectra(key: PaperKey, path: Path, images: Tensor | None) -> Iterator[Spectrum]:
    """A row a block."""
    checkpoint = read_checkpoint(path)
    if images is None or not any(".nonlocal_block." in name for name in checkpoint["state_dict"]):
        return
    for record in snapshot(trained_task(path).model, images).blocks:
        yield Spectrum(*key, record.name, *(record.mean(name) for name in MEASURES))


def _row(values: Sequence[str]) -> Spectrum:
    task, network, seed, epochs, subset, options, block, *numbers = values
    whole = int(seed), int(epochs), int(subset)
    return Spectrum(task, network, *whole, options, block, *(finite(n) if n else None for n in numbers))


def spectra_table(rows: Sequence[Spectrum]) -> list[str]:
    """Return the lines of a Markdown table: a row a network, means over its blocks and seeds."""
    names = list(dict.fromkeys(row.network for row in rows))
    lines = [[name, *(_shown(rows, name, measure) for measure in MEASURES)] for name in names]
    return markdown_table(["network", *MEASURES.values()], lines)


def _shown(rows: Sequence[Spectrum], network: str, measure: str) -> str:
    """Mean, and the least and the greatest over blocks and seeds."""
    found = [v for row in rows if row.network == network and (v := getattr(row, measure)) is not None]
    if not found:
        return "–"
    return f"{fmean(found):.3g} ({min(found):.3g} to {max(found):.3g})"
