"""One training of the spectral study, with what its block's graphs are before, during and after it."""

import copy
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning import seed_everything
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from experiments.comparison import BLOCK_BATCH, BLOCKS, Task, block_task, train_best
from experiments.data import CuedScenes
from experiments.spectral_study.runs import Powers, Run
from experiments.tasks import Segmentation
from gsp_nonlocal import NonlocalBlock
from gsp_nonlocal.analysis import Limits, Snapshot, snapshot
from gsp_nonlocal.probe import SpectralProbe
from gsp_nonlocal.report.lightning import SpectralCallback
from gsp_nonlocal.shifts import ShiftOperator
from gsp_nonlocal.spectral.matrices import compression

FILTERS = ("chebyshev", "cayley", "arma")
ORDERS = (1, 3, 5)
NODES = 1296
WHOLE = Limits(graphs=16, nodes=NODES)
COURSE = Limits(graphs=1, nodes=NODES)
EXPONENTS = [1, 2, 3, 4, 5]
VALIDATIONS = 8
EVAL_SCENES = 100
SHOWN = 4
CALIBRATION = 64


def filter_name(filter: str, order: int) -> str:
    """Return the name of the network of SNL's affinity and this filter."""
    known = {("chebyshev", 1): "snl", ("chebyshev", 3): "snl order 3"}
    return known.get((filter, order), f"snl {filter} {order}")


NETWORKS: dict[str, Callable[[], Task]] = {
    name: partial(block_task, "scenes", name) for name in BLOCKS if name != "no block"
} | {
    filter_name(filter, order): partial(Segmentation, filter=filter, order=order)
    for filter in FILTERS
    for order in ORDERS
    if filter_name(filter, order) not in BLOCKS
}
"""The known blocks, and SNL's affinity with further filters."""


def train_network(
    block: str, seed: int, steps: int, folder: str | Path, *, eval_scenes: int = EVAL_SCENES
) -> Run:
    """Train a network as ``train_block`` does, and measure its block before, during and after.

    Args:
        block: Key of ``NETWORKS``.
        seed: Seed of weights and training scenes.
        steps: Training steps.
        folder: Where the best checkpoint goes, as ``best.ckpt``.
        eval_scenes: Number of validation and of test scenes.

    Raises:
        ValueError: If ``block`` is unknown.
    """
    if block not in NETWORKS:
        raise ValueError(f"unknown block {block!r}; choose one of {', '.join(NETWORKS)}")
    seed_everything(seed, verbose=False)
    task, scenes = NETWORKS[block](), scenes_of(seed, steps, eval_scenes)
    images = torch.stack([scenes.scenes["test"][index][0] for index in range(min(SHOWN, eval_scenes))])
    untrained, callback = calibrated(task, scenes), SpectralCallback(images, limits=COURSE)
    first, before = (
        snapshot(untrained, images, label="start", limits=COURSE),
        look(untrained, images, "start"),
    )
    seed_everything(seed, verbose=False)
    often: dict[str, Any] = {
        "val_check_interval": max(1, steps // VALIDATIONS),
        "check_val_every_n_epoch": None,
    }
    outcome = train_best(task, scenes, folder, callbacks=[callback], max_epochs=-1, max_steps=steps, **often)
    after = look(task, images, "end")
    numbers = (measured.measures() for measured in (first, *callback.snapshots[1:]))
    course = [(min(n * often["val_check_interval"], steps), one) for n, one in enumerate(numbers)]
    names = [record.name for record in after.snapshot.blocks]
    powers = dict(zip(names, zip(before.powers, after.powers, strict=True), strict=True))
    around = (before.snapshot, after.snapshot, course, powers, (before.spread, after.spread))
    return Run(block, seed, steps, outcome.val, outcome.test, outcome.seconds, *around)


def scenes_of(seed: int, steps: int, eval_scenes: int) -> CuedScenes:
    """Return the scenes of ``train_block``."""
    batch = BLOCK_BATCH["scenes"]
    return CuedScenes(
        "colour", train_scenes=steps * batch, batch_size=batch, eval_scenes=eval_scenes, seed=seed
    )


@torch.no_grad()
def calibrated(task: Task, scenes: CuedScenes) -> nn.Module:
    """Return a copy whose batch norms have the statistics of training scenes.

    At the start they hold mean 0 and variance 1, whatever the features are: in evaluation mode an untrained
    network would show graphs that no training step sees.
    """
    network, train = copy.deepcopy(task), scenes.scenes["train"]
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.reset_running_stats()
            module.momentum = None
    network.train()
    network(torch.stack([train[index][0] for index in range(min(CALIBRATION, len(train)))]))
    return network.eval()


class Look(NamedTuple):
    """A network at one time: its block's numbers, the powers of each application, the spread around it."""

    snapshot: Snapshot
    powers: list[Powers]
    spread: tuple[float, float]


def look(network: nn.Module, images: Tensor, label: str) -> Look:
    """Return all of it on these images."""
    return Look(
        snapshot(network, images, label=label, limits=WHOLE), powers(network, images), spread(network, images)
    )


def spread(network: nn.Module, images: Tensor) -> tuple[float, float]:
    """Return ``‖x − mean over positions‖_F / ‖x‖_F`` of what the block is given, and of what it returns."""
    found: list[float] = []

    def note(module: nn.Module, given: tuple[Tensor, ...], returned: Tensor) -> None:
        found.extend(_spread(signal.flatten(2).double()) for signal in (given[0], returned))

    block = next(module for module in network.modules() if isinstance(module, NonlocalBlock))
    handle = block.register_forward_hook(note)
    network.eval()
    with torch.no_grad():
        network(images)
    handle.remove()
    return found[0], found[1]


def _spread(signal: Tensor) -> float:
    return float((signal - signal.mean(dim=-1, keepdim=True)).norm() / signal.norm())


def powers(network: nn.Module, images: Tensor) -> list[Powers]:
    """Return what the powers of the shifts do that each application of a block sees on these images."""
    network.eval()
    with torch.no_grad(), SpectralProbe(network) as probe:
        network(images)
    return [powers_of(trace.shift) for traces in probe.traces.values() for trace in traces]


def powers_of(shift: ShiftOperator) -> Powers:
    """The same of one batch of shifts, at most ``WHOLE.graphs`` of them, on small matrices like them."""
    graphs = range(min(shift.shape[0], WHOLE.graphs))
    found = [list(_power_numbers(compression(shift.graph(index))[0])) for index in graphs]
    deviation, outside, excess = ([[g[k][n] for g in found] for k in range(len(EXPONENTS))] for n in range(3))
    return Powers(EXPONENTS, deviation, outside, excess)


def _power_numbers(matrix: Tensor) -> Iterator[tuple[float | None, float | None, float | None]]:
    """For each power: deviation, part outside, excess; ``None`` of a matrix where one would divide by 0."""
    size, radius, power = matrix.norm(), torch.linalg.eigvals(matrix).abs().amax(), matrix
    for exponent in EXPONENTS:
        power = power if exponent == 1 else power @ matrix
        along = (power * matrix).sum() / size**2
        ratios = (
            ((power - matrix).norm(), size),
            ((power - along * matrix).norm(), power.norm()),
            (_greatest_gain(power), radius**exponent),
        )
        deviation, outside, excess = (float(a / b) if b > 0 else None for a, b in ratios)
        yield deviation, outside, excess


def _greatest_gain(matrix: Tensor) -> Tensor:
    """``‖M‖_2``, by the symmetric eigenproblem, which takes less time than singular values."""
    return torch.linalg.eigvalsh(matrix @ matrix.mT).amax().clamp_min(0).sqrt()
