"""The study on cued scenes: *no block*, *first order* and *order 3* by equal budgets, over seeds.

``python -m experiments.study --cue colour class --seeds 0 1 2`` writes ``cued_scenes.csv``, a table
``cued_scenes.md`` and a plot ``cued_scenes.png``. A cell found in the CSV file is not run again.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from experiments.cells import Cell, Key
from experiments.command import command
from experiments.comparison import BATCH, CUED_COLUMNS, MODELS, STEPS, train_cell
from experiments.data.scenes import Cue
from experiments.grid import Grid, grid_parser, no_facts, run_command, score_picture

HEAD = """\
# Cued scenes

Test metric (mean ± standard deviation over seeds, then each) of the best validation checkpoint. Models of one
cue share steps, hyperparameters and, by seed, batches; none was tuned. First order and order 3 are SNL's with
Chebyshev filters."""


def train(key: Key, checkpoints: Path, output: Path) -> Cell:
    """Train a model on a cue."""
    return train_cell(cast(Cue, key.task), key.network, key.seed, checkpoints, steps=key.steps)[0]


GRID = Grid(
    name="cued_scenes",
    head=HEAD,
    columns=CUED_COLUMNS,
    steps={str(cue): steps for cue, steps in STEPS.items()},
    networks=tuple(MODELS),
    metrics=dict.fromkeys(STEPS, "IoU"),
    places={cue: f"Cue: {cue}. {{steps}} steps of {batch}." for cue, batch in BATCH.items()},
    train=train,
    facts=no_facts,
    picture=score_picture,
)


@command
def main(args: Sequence[str] | None = None) -> int:
    """Run the study from the command line."""
    parser = grid_parser("experiments.study", __doc__, GRID, seeds=(0, 1, 2))
    parser.add_argument("--cue", nargs="+", choices=list(GRID.steps), default=list(GRID.steps))
    chosen = parser.parse_args(args)
    return run_command(GRID, parser, chosen, chosen.cue, GRID.networks)


if __name__ == "__main__":
    sys.exit(main())
