"""The study on cued scenes: *no block*, *first order* and *order 3* by equal budgets, over seeds.

``python -m experiments.study --cue colour class --seeds 0 1 2`` writes ``cued_scenes.csv``, a table
``cued_scenes.md`` and a plot ``cued_scenes.png``. A cell found in the CSV file is not run again.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import get_args

from rich.console import Console

from experiments.command import command
from experiments.comparison import MODELS, STEPS, Cell, train_cell
from experiments.data.scenes import Cue
from experiments.files import replacing
from experiments.machine import machine_table
from experiments.messages import hush
from experiments.plots import plot_bars
from experiments.settings import check_budget
from experiments.table import check_table, is_done, read_cells, summarise, write_cells

RESULTS = Path(__file__).parent / "results"


def run_study(
    cues: Sequence[Cue],
    seeds: Sequence[int],
    output: str | Path = RESULTS,
    steps: int | None = None,
    eval_scenes: int = 400,
) -> list[Cell]:
    """Train the cells that ``output`` lacks, write table and plot, and return all cells."""
    path = Path(output) / "cued_scenes.csv"
    cells = read_cells(path)
    console = Console()
    for cue, seed, model in product(cues, seeds, MODELS):
        budget = STEPS[cue] if steps is None else steps
        if is_done(cells, cue, model, seed, budget):
            console.print(f"cue {cue}, seed {seed}, {model}: done before")
            continue
        console.rule(f"cue {cue}, seed {seed}, {model}, {budget} steps")
        with tempfile.TemporaryDirectory() as folder:
            cell, _ = train_cell(cue, model, seed, folder, steps=budget, eval_scenes=eval_scenes)
        cells.append(cell)
        write_cells(cells, path)
        console.print(f"test IoU {cell.test_iou:.3f} in {cell.seconds:.0f} s")
    with replacing(path.with_suffix(".md")) as temporary:
        temporary.write_text(markdown(cells), encoding="utf-8")
    plot_bars(summarise(cells), path.with_suffix(".png"))
    return cells


def markdown(cells: Sequence[Cell]) -> str:
    """Return the summary as a Markdown page with the machine's description."""
    rows = [
        f"| {s.data} | {s.model} | {s.spread} | {len(s.scores)} | {s.seconds:.0f} |" for s in summarise(cells)
    ]
    return "\n".join(
        [
            "# Cued scenes",
            "",
            "Test IoU (mean ± standard deviation over seeds) of the best validation checkpoint. Models of",
            "one cue share steps, hyperparameters and, by seed, batches. Seconds are what the clock said,",
            "whatever else the machine was doing: no measure of speed (that is the benchmark's).",
            "",
            "| cue | model | test IoU | seeds | seconds a training |",
            "|---|---|---|---|---|",
            *rows,
            *machine_table(),
        ]
    )


@command
def main(args: Sequence[str] | None = None) -> int:
    """Run the study from the command line."""
    parser = argparse.ArgumentParser(prog="python -m experiments.study", description=__doc__)
    parser.add_argument("--cue", nargs="+", choices=get_args(Cue), default=list(get_args(Cue)))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help=f"Steps a training; by default {STEPS}.")
    parser.add_argument("--output", default=str(RESULTS))
    chosen = parser.parse_args(args)
    hush()
    try:
        check_budget(chosen.seeds, chosen.steps)
        check_table(Path(chosen.output) / "cued_scenes.csv")
    except ValueError as error:
        parser.error(str(error))
    cells = run_study(chosen.cue, chosen.seeds, chosen.output, chosen.steps)
    Console().print(markdown(cells))
    return 0


if __name__ == "__main__":
    sys.exit(main())
