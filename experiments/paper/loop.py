"""What the training loop costs beside the network: images a second of both, in turns.

``python -m experiments.paper.loop --dataset fashion_mnist --data DATA`` trains the network of a config as
``python -m experiments fit`` does, data and augmentation included, for some steps, and runs forward and
backward of the same network on one batch for as many. The ratio is 1 where all else costs nothing.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.cli import instantiate_class
from rich.console import Console
from rich.progress import track
from rich.table import Table

from experiments.command import command
from experiments.data import ImageData
from experiments.finite import FiniteTraining
from experiments.generators import Generators
from experiments.messages import hush
from experiments.paper.networks import parse_network
from experiments.paper.plan import Plan, datasets
from experiments.settings import check_whole
from experiments.tasks import Classification
from experiments.throughput import Throughput

_WARM_UP = 3
_DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class _Clock(Callback):
    """Seconds from the end of the warm-up to the end of the last step."""

    seconds = 0.0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Start or read the clock; later steps are not reached."""
        if trainer.global_step == _WARM_UP:
            self._start = _now()
        elif trainer.global_step == trainer.max_steps:
            self.seconds = _now() - self._start


def loop_rate(task: Classification, data: ImageData[Any], steps: int) -> float:
    """Return images a second of the training loop, from the end of three steps on."""
    clock = _Clock()
    trainer = Trainer(
        max_steps=_WARM_UP + steps,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        callbacks=[FiniteTraining(), Generators(), Throughput(), clock],
    )
    trainer.fit(task, data)
    return steps * data.batch_size / clock.seconds


def bare_rate(task: Classification, data: ImageData[Any], steps: int) -> float:
    """Return images a second of forward, loss and backward on one batch, after three such steps."""
    images, labels = (part.to(_DEVICE) for part in next(iter(data.train_dataloader())))
    task.to(_DEVICE).train()
    for step in range(_WARM_UP + steps):
        if step == _WARM_UP:
            start = _now()
        task.zero_grad()
        task.loss(task(images), labels).backward()
    return steps * len(images) / (_now() - start)


def rates(plan: Plan, steps: int, rounds: int) -> list[tuple[float, float]]:
    """Return ``(loop, bare)`` of each round, each with a network and data of its own."""
    settings = plan.settings(plan.networks[0])

    def made() -> tuple[Classification, ImageData[Any]]:
        seed_everything(0, verbose=False)
        return Classification(**settings), instantiate_class((), plan.resolved["data"])

    turns = track(range(rounds), "rounds", disable=not sys.stderr.isatty())
    return [(loop_rate(*made(), steps), bare_rate(*made(), steps)) for _ in turns]


def _now() -> float:
    """Seconds, once the device has done what it was given."""
    if _DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def shown(found: Sequence[tuple[float, float]]) -> Table:
    """A table of the rounds, and the median of their ratios."""
    table = Table(title="images a second")
    for heading in ("round", "training loop", "forward and backward", "ratio"):
        table.add_column(heading, justify="right")
    for number, (loop, bare) in enumerate(found, start=1):
        table.add_row(str(number), f"{loop:.0f}", f"{bare:.0f}", f"{loop / bare:.2f}")
    table.add_section()
    table.add_row("median", "", "", f"{statistics.median(loop / bare for loop, bare in found):.2f}")
    return table


@command
def main(args: Sequence[str] | None = None) -> int:
    """Measure from the command line; 2 for what does not fit."""
    hush()
    parser = argparse.ArgumentParser(prog="python -m experiments.paper.loop", description=__doc__)
    parser.add_argument("--dataset", required=True, choices=datasets(), help="A config of configs/paper.")
    parser.add_argument("--data", required=True, help="Folder of the data.")
    parser.add_argument("--block", default="snl", help="A network's word, as snl:order=3; none for none.")
    parser.add_argument("--steps", type=int, default=15, help="Of each measurement.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("extra", nargs="*", help="After --: further options of python -m experiments fit.")
    chosen = parser.parse_args(args)
    try:
        check_whole("--steps", chosen.steps, 1)
        check_whole("--rounds", chosen.rounds, 1)
        network = parse_network(chosen.block)
        plan = Plan(chosen.dataset, chosen.data, "", [network], [0], Path("runs"), extra=tuple(chosen.extra))
        plan = replace(plan, backbone=plan.config["model"]["init_args"]["backbone"])
        plan.check()
        Console().print(shown(rates(plan, chosen.steps, chosen.rounds)))
    except ValueError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
