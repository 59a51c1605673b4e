"""The known nonlocal blocks on cued scenes and on digits, by equal budgets, over seeds: quality and cost.

``python -m experiments.compare --data scenes digits --seeds 3 4 5`` writes ``compare.csv``, a table
``compare.md`` and a plot ``compare.png``. A cell found in the CSV file is not run again; rows of other runs
may be added to it.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import get_args

from rich.console import Console

from experiments.command import command
from experiments.comparison import BLOCK_BATCH, BLOCK_STEPS, BLOCKS, BlockCell, Data, train_block
from experiments.costs import Cost, block_costs
from experiments.files import check_writable, replacing
from experiments.machine import machine_table
from experiments.messages import hush
from experiments.plots import plot_dots
from experiments.settings import check_budget
from experiments.table import Summary, is_done, read_table, summarise, write_cells

RESULTS = Path(__file__).parent / "results"
MEASURES = {"scenes": "IoU", "digits": "accuracy"}
PLACES = {
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
Costs = Mapping[str, Mapping[str, Cost]]


def run_comparison(
    data: Sequence[Data],
    seeds: Sequence[int],
    output: str | Path = RESULTS,
    steps: int | None = None,
    blocks: Sequence[str] = tuple(BLOCKS),
    *,
    costs: bool = True,
    eval_scenes: int = 400,
) -> list[BlockCell]:
    """Train the cells that ``output`` lacks, measure costs, write table and plot, and return all cells."""
    path, console = Path(output) / "compare.csv", Console()
    cells = read_comparison(path)
    for name, seed, block in product(data, seeds, blocks):
        budget = BLOCK_STEPS[name] if steps is None else steps
        if is_done(cells, name, block, seed, budget):
            console.print(f"{name}, seed {seed}, {block}: done before")
            continue
        console.rule(f"{name}, seed {seed}, {block}, {budget} steps")
        with tempfile.TemporaryDirectory() as folder:
            cell = train_block(name, block, seed, folder, steps=budget, eval_scenes=eval_scenes)
        cells.append(cell)
        write_cells(cells, path)
        console.print(f"test {MEASURES[name]} {cell.test:.3f} in {cell.seconds:.0f} s")
    write_summary([c for c in cells if c.steps == (steps or BLOCK_STEPS[c.data])], path, costs)
    return cells


def read_comparison(path: Path) -> list[BlockCell]:
    """Return the cells of the CSV file, none if there is no file.

    Raises:
        ValueError: If the file is another table, or has a data set or a block that is unknown here.
    """
    cells = read_table(path, BlockCell)
    for cell in cells:
        if cell.data not in BLOCK_STEPS or cell.block not in BLOCKS:
            raise ValueError(
                f"'{path}' has a cell of data {cell.data!r} and block {cell.block!r}; remove it: data are "
                f"{', '.join(BLOCK_STEPS)}, blocks {', '.join(BLOCKS)}"
            )
    return cells


def write_summary(cells: Sequence[BlockCell], path: Path, costs: bool) -> None:
    """Write table and plot of these cells, one budget a data set, beside the CSV file ``path``."""
    summaries = sorted(summarise(cells), key=lambda s: list(BLOCKS).index(s.model))
    measured = measure(summaries) if costs else {}
    steps = {cell.data: cell.steps for cell in cells}
    with replacing(path.with_suffix(".md")) as temporary:
        temporary.write_text(markdown(summaries, steps, measured), encoding="utf-8")
    plot_dots(summaries, MEASURES, path.with_suffix(".png"))


def measure(summaries: Sequence[Summary]) -> Costs:
    """Costs of the blocks by data set."""
    return {
        data: block_costs(data, [s.model for s in summaries if s.data == data]) for data in get_args(Data)
    }


def markdown(summaries: Sequence[Summary], steps: Mapping[str, int], costs: Costs) -> str:
    """Return the summaries as a Markdown page, best block first, with the machine's description.

    Args:
        summaries: Of one budget a data set.
        steps: That budget, by data set.
        costs: By data set and block; empty for a table without them.
    """
    head = [HEAD, COSTS] if costs else [HEAD]
    sections = (
        _section(data, [s for s in summaries if s.data == data], steps[data], costs.get(data, {}))
        for data in MEASURES
        if data in steps
    )
    return "\n".join([*head, *(line for section in sections for line in section), *machine_table()])


def _section(data: str, summaries: Sequence[Summary], steps: int, costs: Mapping[str, Cost]) -> list[str]:
    columns = ["block", f"test {MEASURES[data]}", "each seed"]
    columns += ["parameters", "GFLOP", "ms a step", "peak MiB"] if costs else []
    best_first = sorted(summaries, key=lambda s: -s.mean)
    rows = [[s.model, s.spread, s.each(3), *(_shown(costs[s.model]) if costs else ())] for s in best_first]
    lines = [f"| {' | '.join(line)} |" for line in (columns, ["---"] * len(columns), *rows)]
    budget = f"{steps} steps of {BLOCK_BATCH[data]}."
    return ["", f"## {data}", "", f"{PLACES[data]} {budget}", "", *lines]


def _shown(cost: Cost) -> list[str]:
    return [
        f"{cost.parameters:,}",
        f"{cost.flops / 1e9:.3f}",
        f"{cost.milliseconds:.1f}",
        f"{cost.peak / 2**20:.0f}",
    ]


def check(output: Path, seeds: Sequence[int], steps: int | None) -> None:
    """Refuse, before any work, what would end in nothing.

    Raises:
        ValueError: If a number is out of range, the folder cannot be written, or its table is another one.
    """
    check_budget(seeds, steps)
    check_writable(output)
    read_comparison(output / "compare.csv")


@command
def main(args: Sequence[str] | None = None) -> int:
    """Run the comparison from the command line."""
    parser = argparse.ArgumentParser(prog="python -m experiments.compare", description=__doc__)
    parser.add_argument("--data", nargs="+", choices=get_args(Data), default=list(get_args(Data)))
    parser.add_argument("--blocks", nargs="+", choices=list(BLOCKS), default=list(BLOCKS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[3, 4, 5])
    parser.add_argument("--steps", type=int, help=f"Steps a training; by default {BLOCK_STEPS}.")
    parser.add_argument("--output", default=str(RESULTS))
    parser.add_argument("--no-costs", action="store_true", help="Measure no costs: a table without them.")
    chosen = parser.parse_args(args)
    hush()
    try:
        check(Path(chosen.output), chosen.seeds, chosen.steps)
    except ValueError as error:
        parser.error(str(error))
    run_comparison(
        chosen.data, chosen.seeds, chosen.output, chosen.steps, chosen.blocks, costs=not chosen.no_costs
    )
    Console().print((Path(chosen.output) / "compare.md").read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
