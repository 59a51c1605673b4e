"""What two processes of one thread make of one process of one thread: time and memory of a training step."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor.parallel import parallelize_module

from experiments.benchmark.measure import (
    GIVES_BACK,
    Measured,
    Step,
    measured_together,
    summary,
    training_step,
)
from experiments.benchmark.sections import MIB, Row, Section, Shape
from gsp_nonlocal import NL, SNL
from gsp_nonlocal.distributed import NodeParallel

Case = tuple[str, int, Shape]
"""A block, its order, and the whole map."""
CASES: list[Case] = [
    ("SNL", 1, (1, 64, 512, 512)),
    ("SNL", 3, (1, 64, 512, 512)),
    ("NL", 1, (1, 64, 128, 128)),
]
PROCESSES = (1, 2)
TURNS = 3
"""Times that one and two processes are started, one after the other."""


def divided(cases: Iterable[Case], rounds: int) -> Iterable[Row]:
    """A training step of one process of one thread, and of two that have half of the map's rows each.

    Times with the allocator of the benchmark; the greatest memory of a process with :data:`GIVES_BACK`.
    """
    for name, order, shape in cases:
        row: Row = {"block": name, "order": float(order), "nodes": float(shape[2] * shape[3])}
        times: dict[int, list[float]] = {size: [] for size in PROCESSES}
        for _ in range(TURNS):
            for size in PROCESSES:
                times[size] += _together(size, (name, order, shape), -(-rounds // TURNS))[0].times
        for size in PROCESSES:
            row |= summary(f"{size} × one thread", times[size], "s")
        row["time ratio"] = statistics.median(times[2]) / statistics.median(times[1])
        one, two = (_greatest(_together(size, (name, order, shape), 3, **GIVES_BACK)) for size in PROCESSES)
        yield row | {"1 process MiB": one, "2 processes MiB each": two, "memory ratio": two / one}


def _together(size: int, case: Case, rounds: int, **environment: str) -> list[Measured]:
    with TemporaryDirectory() as folder:
        processes = [(place, size, folder, *case) for place in range(size)]
        return measured_together(own_step, processes, rounds, environment)


def _greatest(found: list[Measured]) -> float:
    return max(one.peak for one in found) / MIB


def own_step(place: int, size: int, folder: str, name: str, order: int, shape: Shape) -> Step:
    """The training step of one process: its rows of the map; of a process alone, all."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    kinds: dict[str, nn.Module] = {"SNL": SNL(shape[1], order=order), "NL": NL(shape[1])}
    block = kinds[name]
    if size > 1:
        meeting = f"file://{Path(folder) / 'meeting'}"
        dist.init_process_group("gloo", init_method=meeting, rank=place, world_size=size)
        block = parallelize_module(block, DeviceMesh("cpu", list(range(size))), NodeParallel())
    rows = shape[2] // size
    return training_step(block, torch.randn(*shape[:2], rows, shape[3]).requires_grad_())


def split_sections(rounds: int, quick: bool) -> dict[str, Section]:
    """Title to rows, not yet measured."""
    return {} if quick else {"nodes over processes": Section(divided(CASES, rounds), len(CASES), rounds)}
