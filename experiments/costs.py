"""What a network costs: parameters, counted operations, time and peak memory of a training step."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from experiments.benchmark.measure import GIVES_BACK, Step, measured, time_in_turns
from experiments.comparison import BLOCK_BATCH, Data, Task, block_task

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Cost:
    """Parameters of a whole network; of a training step, operations forward, milliseconds and peak bytes.

    The operations are those of matrix products and convolutions, a multiplication and an addition each.
    """

    parameters: int
    flops: int
    milliseconds: float
    peak: float


@dataclass(frozen=True)
class Recipe:
    """How a network and a batch of its training are made, in any process: ``make(*arguments)``.

    Attributes:
        make: A function at module level; returns a task and a batch, both on the CPU.
        arguments: Picklable.
    """

    make: Callable[..., tuple[Task, Batch]]
    arguments: tuple[Any, ...]

    def build(self) -> tuple[Task, Batch]:
        """Make them, on the GPU where there is one."""
        task, (images, targets) = self.make(*self.arguments)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return task.to(device), (images.to(device), targets.to(device))

    def step(self) -> Step:
        """A training step: what a fresh process is given."""
        return task_step(*self.build())


def block_costs(data: Data, blocks: Sequence[str], rounds: int = 9) -> dict[str, Cost]:
    """Measure the networks of blocks."""
    return network_costs({block: Recipe(block_network, (data, block)) for block in blocks}, rounds)


def network_costs(recipes: Mapping[str, Recipe], rounds: int = 9) -> dict[str, Cost]:
    """Measure networks by name: time in turns within this process, memory each in one of its own."""
    built = {name: recipe.build() for name, recipe in recipes.items()}
    times = step_times(built, rounds)
    return {
        name: Cost(
            parameter_count(task),
            forward_flops(task, batch[0]),
            times[name],
            step_peak(recipes[name]),
        )
        for name, (task, batch) in built.items()
    }


def block_network(data: Data, block: str) -> tuple[Task, Batch]:
    """The network of a block and a batch, from names alone."""
    return block_task(data, block), example_batch(data)


def parameter_count(module: nn.Module) -> int:
    """Number of weights that are trained."""
    return sum(parameter.numel() for parameter in module.parameters())


def forward_flops(module: nn.Module, images: Tensor) -> int:
    """Count the operations of matrix products and convolutions of one forward; all others count as none."""
    with FlopCounterMode(display=False) as counter:
        module(images)
    return counter.get_total_flops()


def step_times(built: Mapping[str, tuple[Task, Batch]], rounds: int) -> dict[str, float]:
    """Milliseconds of one training step of each network, in turns."""
    times = time_in_turns({name: task_step(*parts) for name, parts in built.items()}, rounds)
    return {name: 1e3 * statistics.median(values) for name, values in times.items()}


def task_step(task: Task, batch: Batch) -> Step:
    """Forward, loss and backward on a batch."""
    images, targets = batch

    def step() -> None:
        task.zero_grad(set_to_none=True)
        task.loss(task(images), targets).backward()

    return step


def step_peak(recipe: Recipe) -> float:
    """Peak bytes that a training step adds to a fresh process."""
    return measured(recipe.step, rounds=1, environment=GIVES_BACK).peak


def example_batch(data: Data) -> Batch:
    """Noise of the shapes of a training batch."""
    return scene_batch(BLOCK_BATCH[data]) if data == "scenes" else digit_batch(BLOCK_BATCH[data])


def scene_batch(size: int) -> Batch:
    """Images ``(size, 3, 36, 36)`` and masks."""
    return torch.rand(size, 3, 36, 36), torch.zeros(size, 36, 36)


def digit_batch(size: int) -> Batch:
    """Images ``(size, 1, 32, 32)`` and labels."""
    return torch.rand(size, 1, 32, 32), torch.zeros(size, dtype=torch.long)
