"""The demonstration: train, compare, look.

``python -m experiments.demo [--short] [--output runs/demo]`` trains PreResNet-20 + SNL on handwritten
digits, compares *no block*, *first order* and *order 3* on colour-cued scenes, and writes checkpoint,
tables, comparison plot and the spectral report of the block of order 3: only by its graph does the network
find the object that the cue asks for.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning import seed_everything
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from experiments.cells import Cell, summarise, write_cells
from experiments.command import command
from experiments.comparison import CUED_COLUMNS, MODELS, STEPS, train_best, train_cell
from experiments.data import CuedScenes, Digits
from experiments.files import check_writable
from experiments.messages import hush
from experiments.plots import plot_comparison
from experiments.tasks import Classification, Segmentation
from gsp_nonlocal.report import analyze

console = Console()


@dataclass(frozen=True)
class Budget:
    """How much the demonstration trains."""

    epochs: int
    steps: int
    eval_scenes: int


FULL = Budget(epochs=14, steps=STEPS["colour"], eval_scenes=400)
SHORT = Budget(epochs=1, steps=24, eval_scenes=64)
SEED = 0
WARMUP = 0.3  # without one, some seeds never tell the tints apart, and which ones depends on the processor


@dataclass(frozen=True)
class DigitsResult:
    """Test accuracy of the network on digits, seconds of training, and its checkpoint."""

    accuracy: float
    seconds: float
    checkpoint: Path


@dataclass(frozen=True)
class ScenesResult:
    """The networks on colour-cued scenes, and the spectral report of the last of them."""

    cells: list[Cell]
    report: Path


def digits_task() -> Classification:
    """Return the network of ``configs/digits_snl.yaml``."""
    return Classification(dropout=0.2)


def classify_digits(output: Path, budget: Budget) -> DigitsResult:
    """Train PreResNet-20 + SNL, choose by validation accuracy, and test."""
    console.rule("[bold]1  PreResNet-20 + SNL on handwritten digits")
    seed_everything(SEED, verbose=False)
    task, digits = digits_task(), Digits(seed=SEED)
    outcome = train_best(task, digits, output, "digits_snl", max_epochs=budget.epochs)
    return DigitsResult(outcome.test, outcome.seconds, outcome.checkpoint)


def compare_scenes(output: Path, budget: Budget) -> ScenesResult:
    """Train the three networks on colour-cued scenes; write table, comparison plot and spectral report."""
    cells: list[Cell] = []
    networks: dict[str, Segmentation] = {}
    for model in MODELS:
        console.rule(f"[bold]2  Colour-cued scenes: {model}")
        cell, networks[model] = train_cell(
            "colour",
            model,
            SEED,
            output / "scenes" / model.replace(" ", "_"),
            steps=budget.steps,
            eval_scenes=budget.eval_scenes,
            warmup=WARMUP,
        )
        cells.append(cell)
        write_cells(cells, output / "cued_scenes.csv", CUED_COLUMNS)
    shown = [CuedScenes("colour", eval_scenes=4).scenes["test"][index] for index in range(4)]
    images, masks = (torch.stack(tensors) for tensors in zip(*shown, strict=True))
    plot_comparison(summarise(cells), networks, images, masks, output / "cued_scenes.png")
    page = analyze(networks["order 3"].network, images).write(output / "spectrum", overwrite=True)
    return ScenesResult(cells, page)


def show(result: DigitsResult, scenes: ScenesResult, output: Path) -> None:
    """Print the table of results and where to look next."""
    table = Table(title="Results", title_style="bold")
    for heading in ("task", "network", "measure", "value", "seconds"):
        table.add_column(heading, justify="right" if heading in ("value", "seconds") else "left")
    table.add_row(
        "digits",
        "PreResNet-20 + SNL",
        "test accuracy",
        f"{result.accuracy:.3f}",
        f"{result.seconds:.0f}",
    )
    for cell in scenes.cells:
        value, seconds = f"{cell.test:.3f}", f"{cell.seconds:.0f}"
        table.add_row("colour-cued scenes", cell.network, "test IoU", value, seconds)
    console.print(table)
    lines = [
        f"where the block of order 3 looks {scenes.report}",
        f"comparison, with scenes          {output / 'cued_scenes.png'}",
        f"figures                          {output / 'cued_scenes.csv'}",
        f"checkpoint of the classifier     {result.checkpoint}",
    ]
    console.print(Panel("\n".join(lines), title="Where to look next", expand=False))
    commands = [
        "source .venv/bin/activate",
        "python -m experiments test --config experiments/configs/digits_snl.yaml"
        f" --ckpt_path {result.checkpoint}",
        "python -m experiments fit --config experiments/configs/scenes_class.yaml",
        f"python -m experiments.analyze --checkpoint {output}/scenes/first_order/best.ckpt"
        f" {output}/scenes/order_3/best.ckpt",
        "python -m experiments.study --cue colour --seeds 0 1 2 --output runs/study",
    ]
    console.print("Next:", *commands, sep="\n  ", highlight=False, soft_wrap=True)


@command
def main(args: Sequence[str] | None = None) -> int:
    """Run the demonstration from the command line."""
    parser = argparse.ArgumentParser(prog="python -m experiments.demo", description=__doc__)
    parser.add_argument("--short", action="store_true", help="Tiny budgets: a test that all parts run.")
    parser.add_argument("--output", default="runs/demo")
    chosen = parser.parse_args(args)
    hush()
    try:
        check_writable(chosen.output)
    except ValueError as error:
        parser.error(str(error))
    output, budget = Path(chosen.output), SHORT if chosen.short else FULL
    if chosen.short:
        console.print("[yellow]--short: tiny budgets, the figures below mean nothing")
    begin = time.perf_counter()
    result = classify_digits(output, budget)
    show(result, compare_scenes(output, budget), output)
    console.print(f"{time.perf_counter() - begin:.0f} s in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
