"""Every filter family on cued scenes, by equal budgets, over seeds: quality, size, time, learned responses.

``python -m experiments.families --seeds 3 4 5`` writes ``families.csv``, ``families_responses.json``, a table
``families.md`` and a picture of the learned responses ``families.png``. A cell found in the CSV file is not
run again.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import get_args

import torch
from matplotlib.figure import Figure
from rich.console import Console

from experiments.command import command
from experiments.comparison import BATCH, FAMILIES, STEPS, Cell, train_cell
from experiments.costs import parameter_count, scene_batch, step_times
from experiments.data.scenes import Cue
from experiments.files import replacing
from experiments.machine import machine_table
from experiments.messages import hush
from experiments.settings import check_budget
from experiments.table import check_table, is_done, read_cells, summarise, write_cells
from experiments.tasks import Segmentation
from gsp_nonlocal import NonlocalBlock
from gsp_nonlocal.spectral import block_response

RESULTS = Path(__file__).parent / "results"
Responses = dict[str, dict[str, list[float]]]
_COLUMNS = 4


def run_families(
    cue: Cue,
    seeds: Sequence[int],
    output: str | Path = RESULTS,
    steps: int | None = None,
    eval_scenes: int = 400,
    families: Sequence[str] = tuple(FAMILIES),
) -> list[Cell]:
    """Train the cells that ``output`` lacks, keep the learned responses, and write table and picture."""
    folder, console = Path(output), Console()
    cells, responses = read_cells(folder / "families.csv"), _read_responses(folder)
    budget = STEPS[cue] if steps is None else steps
    for seed, family in product(seeds, families):
        if is_done(cells, cue, family, seed, budget):
            console.print(f"seed {seed}, {family}: done before")
            continue
        console.rule(f"cue {cue}, seed {seed}, {family}, {budget} steps")
        with tempfile.TemporaryDirectory() as temporary:
            cell, task = train_cell(cue, family, seed, temporary, steps=budget, eval_scenes=eval_scenes)
        cells.append(cell)
        responses[_key(cell)] = learned_gain(task)
        keep(cells, responses, folder)
        console.print(f"test IoU {cell.test_iou:.3f} in {cell.seconds:.0f} s")
    write_summary(cue, [c for c in cells if (c.cue, c.steps) == (cue, budget)], responses, folder)
    return cells


def keep(cells: Sequence[Cell], responses: dict[str, list[float]], folder: Path) -> None:
    """Write what is finished: the responses first, so that no cell in the table lacks its own."""
    with replacing(folder / "families_responses.json") as temporary:
        temporary.write_text(json.dumps(responses), encoding="utf-8")
    write_cells(cells, folder / "families.csv")


def learned_gain(task: Segmentation) -> list[float]:
    """Mean gain of the block's learned response at 101 graph frequencies."""
    block = next(module for module in task.modules() if isinstance(module, NonlocalBlock))
    return [round(gain, 5) for gain in block_response(block).mean_gain.tolist()]


def write_summary(cue: Cue, cells: Sequence[Cell], responses: dict[str, list[float]], folder: Path) -> None:
    """The table and the picture of these cells, of one cue and budget."""
    tasks = {model: Segmentation(**FAMILIES[model]) for model in dict.fromkeys(c.model for c in cells)}
    times = step_times(tasks, scene_batch(BATCH[cue]), rounds=9)
    with replacing(folder / "families.md") as temporary:
        temporary.write_text(markdown(cells, times), encoding="utf-8")
    own: Responses = {}
    for cell in cells:
        own.setdefault(cell.model, {})[f"seed {cell.seed}"] = responses[_key(cell)]
    with replacing(folder / "families.png") as temporary:
        picture(own).savefig(temporary, dpi=110, format="png")


def _key(cell: Cell) -> str:
    return f"{cell.cue}, {cell.steps} steps, {cell.model}, seed {cell.seed}"


def markdown(cells: Sequence[Cell], times: dict[str, float]) -> str:
    """The summary as a Markdown page, best family first, with the machine's description."""
    rows = [
        f"| {s.model} | {s.spread} | {s.each()} | {parameter_count(Segmentation(**FAMILIES[s.model])):,} "
        f"| {times[s.model]:.1f} |"
        for s in sorted(summarise(cells), key=lambda s: -s.mean)
    ]
    return "\n".join(
        [
            "# Filter families on cued scenes",
            "",
            f"Cue: {cells[0].cue}; {cells[0].steps} steps; order 3; aggregation and diffusion of order 1.",
            "Test IoU (mean ± standard deviation over seeds, then each) of the best validation checkpoint.",
            "All share steps, hyperparameters and, by seed, batches; none was tuned. Time: a training step",
            "of the whole network, in turns within one run.",
            "",
            "| filter | test IoU | each seed | parameters | ms a step |",
            "|---|---|---|---|---|",
            *rows,
            *machine_table(),
        ]
    )


def picture(responses: Responses) -> Figure:
    """Mean gain of the learned responses over graph frequency: a panel a family, a curve a seed."""
    rows = -(-len(responses) // _COLUMNS)
    figure = Figure(figsize=(3 * _COLUMNS, 2.3 * rows), layout="constrained")
    panels = figure.subplots(rows, _COLUMNS, squeeze=False, sharex=True).flat
    for (family, curves), axes in zip(responses.items(), panels, strict=False):
        for seed, gain in curves.items():
            axes.plot(torch.linspace(0, 2, len(gain)), gain, label=seed)
        axes.set_title(family)
        axes.set_ylim(0)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in list(panels):
        axes.set_visible(False)
    for axes in figure.axes[max(0, len(responses) - _COLUMNS) : len(responses)]:
        axes.tick_params(labelbottom=True)
    figure.axes[0].legend(frameon=False, fontsize=8)
    figure.supxlabel("graph frequency λ")
    figure.supylabel("mean gain of the learned filter")
    return figure


def _read_responses(folder: Path) -> dict[str, list[float]]:
    path = folder / "families_responses.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        raise ValueError(f"'{path}' is no JSON ({error}); move it away") from error
    if not isinstance(found, dict):
        raise ValueError(f"'{path}' holds no responses by name; move it away")
    return found


@command
def main(args: Sequence[str] | None = None) -> int:
    """Run the comparison from the command line."""
    parser = argparse.ArgumentParser(prog="python -m experiments.families", description=__doc__)
    parser.add_argument("--cue", choices=get_args(Cue), default="colour")
    parser.add_argument("--seeds", nargs="+", type=int, default=[3, 4, 5])
    parser.add_argument("--steps", type=int, help=f"Steps a training; by default {STEPS}.")
    parser.add_argument("--families", nargs="+", choices=list(FAMILIES), default=list(FAMILIES))
    parser.add_argument("--output", default=str(RESULTS))
    chosen = parser.parse_args(args)
    hush()
    try:
        check_budget(chosen.seeds, chosen.steps)
        check_table(Path(chosen.output) / "families.csv")
        _read_responses(Path(chosen.output))
    except ValueError as error:
        parser.error(str(error))
    run_families(chosen.cue, chosen.seeds, chosen.output, chosen.steps, families=chosen.families)
    Console().print((Path(chosen.output) / "families.md").read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
