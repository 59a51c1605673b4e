"""Every filter family on cued scenes, by equal budgets, over seeds: quality, size, time, learned responses.

``python -m experiments.families --seeds 3 4 5`` writes ``families.csv``, ``families_responses.json``, a table
``families.md`` and a picture of the learned responses ``families.png``. A cell found in the CSV file is not
run again.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
from matplotlib.figure import Figure

from experiments.cells import Cell, Key
from experiments.command import command
from experiments.comparison import BATCH, CUED_COLUMNS, FAMILIES, STEPS, train_cell
from experiments.costs import parameter_count, scene_batch, step_times
from experiments.data.scenes import Cue
from experiments.files import replacing
from experiments.grid import Facts, Grid, grid_parser, run_command
from experiments.tasks import Segmentation
from gsp_nonlocal import NonlocalBlock
from gsp_nonlocal.spectral import block_response

HEAD = """\
# Filter families on cued scenes

Test metric (mean ± standard deviation over seeds, then each) of the best validation checkpoint. All share
steps, hyperparameters and, by seed, batches; none was tuned. Order 3; aggregation and diffusion of order 1.
Time: a training step of the whole network, in turns within one run."""
_COLUMNS = 4


def train(key: Key, checkpoints: Path, output: Path) -> Cell:
    """Train a family, and keep its response first, so that no cell in the table lacks its own."""
    cue = cast(Cue, key.task)
    cell, task = train_cell(cue, key.network, key.seed, checkpoints, steps=key.steps)
    responses = read_responses(output) | {str(key): learned_gain(task)}
    with replacing(_responses(output)) as temporary:
        temporary.write_text(json.dumps(responses), encoding="utf-8")
    return cell


def learned_gain(task: Segmentation) -> list[float]:
    """Mean gain of the block's learned response at 101 graph frequencies."""
    block = next(module for module in task.modules() if isinstance(module, NonlocalBlock))
    return [round(gain, 5) for gain in block_response(block).mean_gain.tolist()]


def read_responses(folder: Path) -> dict[str, list[float]]:
    """Return the learned responses by cell, none if there is no file.

    Raises:
        ValueError: If the file holds something else.
    """
    path = _responses(folder)
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        raise ValueError(f"'{path}' is no JSON ({error}); move it away") from error
    curves = list(found.values()) if isinstance(found, dict) else [None]
    if not all(isinstance(curve, list) and all(isinstance(g, float) for g in curve) for curve in curves):
        raise ValueError(f"'{path}' holds no responses by name; move it away")
    return found


def _responses(folder: Path) -> Path:
    return folder / "families_responses.json"


def measured(task: str, networks: Sequence[str]) -> Facts:
    """Parameters of the networks, and the time of a training step, measured here and now."""
    tasks = {name: Segmentation(**FAMILIES[name]) for name in networks}
    batch = scene_batch(BATCH[cast(Cue, task)])
    times = step_times({name: (network, batch) for name, network in tasks.items()}, rounds=9)
    return {
        "parameters": {name: f"{parameter_count(network):,}" for name, network in tasks.items()},
        "ms a step": {name: f"{milliseconds:.1f}" for name, milliseconds in times.items()},
    }


def draw(cells: Sequence[Cell], metrics: Mapping[str, str], path: Path) -> None:
    """Draw the responses that these cells learned into a PNG file."""
    responses = read_responses(path.parent)
    own: dict[str, dict[str, list[float]]] = {}
    for cell in cells:
        if str(cell.key) in responses:
            curves = own.setdefault(cell.network, {})
            curves[f"cue {cell.task}, seed {cell.seed}"] = responses[str(cell.key)]
    with replacing(path) as temporary:
        picture(own).savefig(temporary, dpi=110, format="png")


def picture(responses: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """Mean gain of the learned responses over graph frequency: a panel a family, a curve a seed."""
    rows = max(1, -(-len(responses) // _COLUMNS))
    figure = Figure(figsize=(3 * _COLUMNS, 2.3 * rows), layout="constrained")
    panels = figure.subplots(rows, _COLUMNS, squeeze=False, sharex=True).flat
    for (family, curves), axes in zip(responses.items(), panels, strict=False):
        for label, gain in curves.items():
            axes.plot(torch.linspace(0, 2, len(gain)), gain, label=label)
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


GRID = Grid(
    name="families",
    head=HEAD,
    columns=CUED_COLUMNS,
    steps={str(cue): steps for cue, steps in STEPS.items()},
    networks=tuple(FAMILIES),
    metrics=dict.fromkeys(STEPS, "IoU"),
    places={cue: f"Cue: {cue}. {{steps}} steps of {batch}." for cue, batch in BATCH.items()},
    train=train,
    facts=measured,
    picture=draw,
)


@command
def main(args: Sequence[str] | None = None) -> int:
    """Run the comparison from the command line."""
    parser = grid_parser("experiments.families", __doc__, GRID, seeds=(3, 4, 5))
    parser.add_argument("--cue", choices=list(GRID.steps), default="colour")
    parser.add_argument("--families", nargs="+", choices=list(FAMILIES), default=list(FAMILIES))
    chosen = parser.parse_args(args)
    return run_command(GRID, parser, chosen, [chosen.cue], chosen.families, read_responses)


if __name__ == "__main__":
    sys.exit(main())
