"""The three questions of the benchmark, each answered by a list of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from experiments.benchmark.measure import (
    Step,
    compare_with_first,
    in_process,
    measured,
    median_ratio,
    summary,
    time_in_turns,
    training_step,
)
from experiments.benchmark.reference import Floor, TextbookSNL
from filters import Chebyshev
from gsp_nonlocal import SNL
from gsp_nonlocal.affinity import relu_dot_shift

Row = dict[str, float | str]
Shape = tuple[int, ...]


class Section(NamedTuple):
    """Rows that are measured as they are taken, how many there are, and the rounds each is the median of."""

    rows: Iterable[Row]
    total: int
    rounds: int = 1


BLOCK_SHAPES: list[Shape] = [
    (8, 64, 32, 32),
    (2, 256, 56, 56),
    (1, 512, 64, 128),
    (8, 1024, 14, 14),
    (32, 64, 8, 8),
]
ORDERS = (1, 2, 4, 8)
LARGEST_DENSE = 2**13
MIB = 2**20
KEEPS = {"MALLOC_TRIM_THRESHOLD_": "17179869184", "MALLOC_MMAP_THRESHOLD_": "33554432"}
"""Settings by which the C library keeps freed memory; the same as ``ALLOCATOR`` in the Makefile."""
ALLOCATORS: dict[str, Mapping[str, str | None]] = {
    "default": {},
    "huge pages": {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"},
    "keeping": KEEPS,
    "keeping all": {"MALLOC_TRIM_THRESHOLD_": "17179869184", "MALLOC_MMAP_MAX_": "0"},
}
"""Settings of the C library; what one does not name is not set."""
UNSET: Mapping[str, str | None] = {name: None for settings in ALLOCATORS.values() for name in settings}
ALLOCATED: Shape = (1, 32, 1024, 1024)
"""A map of 128 MiB, more than the C library's own limit for what it keeps."""


def device() -> str:
    """``"cuda"`` where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def build(kind: str, shape: Shape, order: int = 1) -> Step:
    """A training step of one kind of block on a random map ``(B, C, *spatial)``, ``r = C / 2``."""
    torch.manual_seed(0)
    channels = shape[1]
    makers: dict[str, Callable[[], nn.Module]] = {
        "snl": lambda: SNL(channels, order=order),
        "textbook": lambda: TextbookSNL(channels, channels // 2),
        "floor": lambda: Floor(channels, channels // 2),
    }
    x = torch.randn(shape, device=device()).requires_grad_()
    return training_step(makers[kind]().to(device()), x)


def compare_blocks(shapes: Iterable[Shape], rounds: int) -> Iterable[Row]:
    """One training step of SNL, of the dense textbook form, and of the floor, in turns."""
    for shape in shapes:
        kinds = ("snl", "textbook", "floor")
        times = time_in_turns({kind: build(kind, shape) for kind in kinds}, rounds)
        row: Row = {"map": "×".join(map(str, shape)), "nodes": float(shape[2] * shape[3])}
        for kind in kinds:
            row |= summary(kind, times[kind])
        row["times faster than textbook"] = median_ratio(times["textbook"], times["snl"])
        row["times the floor"] = median_ratio(times["snl"], times["floor"])
        for kind in ("snl", "textbook"):
            row[f"{kind} MiB"] = measured(build, kind, shape, rounds=1).peak / MIB
        yield row


def compare_orders(nodes: int, inner_channels: int, rounds: int) -> Iterable[Row]:
    """Shift and filter alone, ``r`` to ``2r`` channels: forward, and forward + backward, against order 1."""
    torch.manual_seed(0)
    embeddings = torch.randn(1, 2 * inner_channels, nodes, device=device()).mT.requires_grad_()
    signal = torch.randn(1, inner_channels, nodes, device=device()).mT.requires_grad_()
    filters = {k: Chebyshev(inner_channels, 2 * inner_channels, order=k).to(device()) for k in ORDERS}
    passes = {
        "forward": {str(k): _without_grad(filters[k], signal, embeddings) for k in ORDERS},
        "training": {str(k): _with_grad(filters[k], signal, embeddings) for k in ORDERS},
    }
    for row in compare_with_first("order", "order 1", passes, rounds):
        yield {**row, "order": float(row["order"])}


def _without_grad(filter: nn.Module, signal: Tensor, embeddings: Tensor) -> Step:
    @torch.no_grad()
    def step() -> None:
        filter(signal, relu_dot_shift(embeddings, "low_rank"))

    return step


def _with_grad(filter: nn.Module, signal: Tensor, embeddings: Tensor) -> Step:
    def step() -> None:
        filter.zero_grad(set_to_none=True)
        signal.grad = embeddings.grad = None
        filter(signal, relu_dot_shift(embeddings, "low_rank")).sum().backward()

    return step


def growth(exponents: Iterable[int], rounds: int, order: int = 3) -> Iterable[Row]:
    """Time and peak memory of one training step of ``SNL(32, order=3)`` over the number of nodes.

    Each in a warm process of its own; the dense form only while its matrices fit.
    """
    for exponent in exponents:
        height = 2 ** (exponent // 2)
        shape = (1, 32, height, 2**exponent // height)
        row: Row = {"map": "×".join(map(str, shape)), "nodes": float(2**exponent)}
        kinds = {"snl": order} | ({"textbook": 1} if 2**exponent <= LARGEST_DENSE else {})
        for kind, its_order in kinds.items():
            peak, times = measured(build, kind, shape, its_order, rounds=rounds)
            row |= {**summary(kind, times, "s"), f"{kind} MiB": peak / MIB}
        row["MiB of one N×N matrix"] = 4 * 2.0 ** (2 * exponent) / MIB
        yield row


def compare_allocators(shapes: Iterable[Shape], rounds: int) -> Iterable[Row]:
    """SNL's training step against the floor, in turns in a fresh process, and its peak memory in another, by
    each of :data:`ALLOCATORS`."""
    for shape in shapes:
        for name, settings in ALLOCATORS.items():
            environment = {**UNSET, **settings}
            times = in_process(_snl_and_floor, shape, rounds, environment=environment)
            row: Row = {"map": "×".join(map(str, shape)), "nodes": float(shape[2] * shape[3])}
            row |= {"allocator": name, **summary("snl", times["snl"]), **summary("floor", times["floor"])}
            row["times the floor"] = median_ratio(times["snl"], times["floor"])
            row["snl MiB"] = measured(build, "snl", shape, rounds=3, environment=environment).peak / MIB
            yield row


def _snl_and_floor(shape: Shape, rounds: int) -> dict[str, list[float]]:
    return time_in_turns({kind: build(kind, shape) for kind in ("snl", "floor")}, rounds)


def main_sections(rounds: int, quick: bool) -> dict[str, Section]:
    """Title to rows, not yet measured."""
    shapes = [shape for shape in BLOCK_SHAPES if not quick or (shape[0] > 2 and shape[1] < 1024)]
    allocated = shapes if quick else [*shapes, ALLOCATED]
    exponents = range(12, 15) if quick else range(12, 23)
    return {
        "blocks": Section(compare_blocks(shapes, rounds), len(shapes), rounds),
        "allocators": Section(
            compare_allocators(allocated, rounds), len(allocated) * len(ALLOCATORS), rounds
        ),
        "orders": Section(compare_orders(1024 if quick else 8192, 128, 2 * rounds), 4, 2 * rounds),
        "growth": Section(growth(exponents, rounds), len(exponents), rounds),
    }
