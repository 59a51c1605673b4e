"""The known nonlocal blocks on cued scenes and on digits, by equal budgets, over seeds: quality and cost.

``python -m experiments.compare --data scenes digits --seeds 3 4 5`` writes ``compare.csv``, a table
``compare.md`` and a plot ``compare.png``. A cell found in the CSV file is not run again; rows of other runs
may be added to it.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from experiments.cells import Cell, Key
from experiments.command import command
from experiments.comparison import BLOCK_BATCH, BLOCK_STEPS, BLOCKS, Data, train_block
from experiments.costs import Cost, block_costs
from experiments.grid import Facts, Grid, grid_parser, no_facts, run_command, score_picture

PROTOCOLS = {
    "scenes": "Cue: colour. Small CNN with a block: 1,296 positions, 32 channels; plain residual, cc gated.",
    "digits": "PreResNet-20 with a block in stage 3: 64 positions, 64 channels; a gate that starts at 0.",
}
HEAD = """\
# Nonlocal blocks

Test metric (mean ± standard deviation over seeds, then each) of the best validation checkpoint. All blocks
share steps, hyperparameters and, by seed, batches; none was tuned. Projections have half of the channels,
also those of cc (by default an eighth); gc keeps its bottleneck, 4 channels; cgnl has 4 groups. snl is of
order 1. a2 unnormalised is relu(θ) relu(φ)ᵀ, what Zhu et al. (2021) call A²."""
COSTS = """

Parameters are those of the whole network, and so are the costs of a training step (forward, loss, backward
on a batch). GFLOP: counted in its forward, of matrix products and convolutions only, a multiplication and an
addition each. Time: median, all blocks in turns within one run. Memory: the peak that a first step adds to a
fresh process whose C library returns freed blocks."""


def train(key: Key, checkpoints: Path, output: Path) -> Cell:
    """Train the network of a block."""
    return train_block(cast(Data, key.task), key.network, key.seed, checkpoints, steps=key.steps)


def measured(task: str, networks: Sequence[str]) -> Facts:
    """What the networks cost, measured here and now."""
    return shown(block_costs(cast(Data, task), networks))


def shown(costs: Mapping[str, Cost]) -> Facts:
    """Costs by block as columns of a table."""
    return {
        "parameters": {name: f"{cost.parameters:,}" for name, cost in costs.items()},
        "GFLOP": {name: f"{cost.flops / 1e9:.3f}" for name, cost in costs.items()},
        "ms a step": {name: f"{cost.milliseconds:.1f}" for name, cost in costs.items()},
        "peak MiB": {name: f"{cost.peak / 2**20:.0f}" for name, cost in costs.items()},
    }


GRID = Grid(
    name="compare",
    head=HEAD + COSTS,
    columns=("data", "block", "seed", "steps", "val", "test", "seconds"),
    steps=BLOCK_STEPS,
    networks=tuple(BLOCKS),
    metrics={"scenes": "IoU", "digits": "accuracy"},
    places={data: f"{place} {{steps}} steps of {BLOCK_BATCH[data]}." for data, place in PROTOCOLS.items()},
    train=train,
    facts=measured,
    picture=score_picture,
)
WITHOUT_COSTS = replace(GRID, head=HEAD, facts=no_facts)


@command
def main(args: Sequence[str] | None = None) -> int:
    """Run the comparison from the command line."""
    parser = grid_parser("experiments.compare", __doc__, GRID, seeds=(3, 4, 5))
    parser.add_argument("--data", nargs="+", choices=list(GRID.steps), default=list(GRID.steps))
    parser.add_argument("--blocks", nargs="+", choices=list(BLOCKS), default=list(BLOCKS))
    parser.add_argument("--no-costs", action="store_true", help="Measure no costs: a table without them.")
    chosen = parser.parse_args(args)
    grid = WITHOUT_COSTS if chosen.no_costs else GRID
    return run_command(grid, parser, chosen, chosen.data, chosen.blocks)


if __name__ == "__main__":
    sys.exit(main())
