"""Time in turns, and peak memory in a process of its own."""

from __future__ import annotations

import math
import multiprocessing
import multiprocessing.connection
import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import psutil
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

Step = Callable[[], None]
T = TypeVar("T")
PATIENCE = 30.0
"""Seconds of steps after which none begins."""
GIVES_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
"""Settings by which the C library gives freed memory back at once: a peak is that of what is in use. By its
own, it depends on the holes in a heap: one network's peak varies by half, at random."""


def training_step(module: nn.Module, x: Tensor) -> Step:
    """Forward and backward of ``module`` on ``x``, gradients of weights and of the input."""
    cotangent = torch.randn_like(x)

    def step() -> None:
        module.zero_grad(set_to_none=True)
        x.grad = None
        module(x).backward(cotangent)

    return step


def time_in_turns(steps: Mapping[str, Step], rounds: int, warm_up: int = 2) -> dict[str, list[float]]:
    """Seconds of each step, one after the other in each round, so that all meet the same machine.

    Args:
        steps: name to function; each is run ``warm_up + rounds`` times.
        rounds: measured rounds.
        warm_up: rounds before, not measured.

    Returns:
        name to ``rounds`` times in seconds.
    """
    times: dict[str, list[float]] = {name: [] for name in steps}
    for index in range(warm_up + rounds):
        for name, step in steps.items():
            seconds = _timed(step)
            if index >= warm_up:
                times[name].append(seconds)
    return times


def median_ratio(numerator: list[float], denominator: list[float]) -> float:
    """Median over the rounds of the ratio within a round."""
    return statistics.median(n / d for n, d in zip(numerator, denominator, strict=True))


def compare_with_first(
    what: str, label: str, passes: Mapping[str, Mapping[str, Step]], rounds: int
) -> Iterator[dict[str, float | str]]:
    """A row a step: its time in each pass as a multiple of that of the first, in turns, and over that of the
    operations.

    Args:
        what: name of the column of names.
        label: what the first is called.
        passes: name of a pass to the steps by name, the same names in each.
        rounds: measured rounds.
    """
    times = {name: time_in_turns(steps, rounds) for name, steps in passes.items()}
    counts = {name: {one: operations(step) for one, step in steps.items()} for name, steps in passes.items()}
    first, *_ = names = list(next(iter(passes.values())))
    for one in names:
        row: dict[str, float | str] = {what: one}
        for name, found in times.items():
            longer = median_ratio(found[one], found[first])
            more = counts[name][one] / counts[name][first]
            row |= summary(name, found[one])
            row |= {f"{name}, times {label}": longer, f"{name}, over its operations": longer / more}
        yield row


def operations(step: Step) -> int:
    """Of the matrix products and convolutions of a step."""
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


def summary(name: str, times: list[float], unit: str = "ms") -> dict[str, float | str]:
    """Columns ``name unit``, the median of seconds, and ``name quartiles``, those around it."""
    scaled = [time * {"ms": 1e3, "s": 1.0}[unit] for time in times]
    low, high = statistics.quantiles(scaled, n=4, method="inclusive")[::2] if len(scaled) > 1 else scaled * 2
    return {f"{name} {unit}": statistics.median(scaled), f"{name} quartiles": f"{low:.3g} to {high:.3g}"}


class Measured(NamedTuple):
    """Peak bytes that steps add, and the seconds of each."""

    peak: int
    times: list[float]


def measured(
    make_step: Callable[..., Step],
    *arguments: object,
    rounds: int = 5,
    environment: Mapping[str, str | None] | None = None,
) -> Measured:
    """Peak memory and times of a step in a fresh process that is warm: its first step is not timed.

    On the CPU the high-water mark of the resident set, less what the process held before the first step; on a
    CUDA device, the allocator's own peak. No step begins after :data:`PATIENCE` seconds; where the first took
    as long by itself, its time counts.

    Args:
        make_step: a function at module level; ``make_step(*arguments)`` returns the step.
        arguments: picklable.
        rounds: steps that are timed.
        environment: variables of the process, ``None`` to unset one.
    """
    return in_process(_peak_and_times, make_step, arguments, rounds, environment=environment)


def measured_together(
    make_step: Callable[..., Step],
    arguments: Sequence[tuple[object, ...]],
    rounds: int,
    environment: Mapping[str, str | None] | None = None,
) -> list[Measured]:
    """:func:`measured` in processes that run at once, one for each tuple of ``arguments``, all ``rounds``."""
    own = [(make_step, each, rounds, math.inf) for each in arguments]
    return in_processes(_peak_and_times, own, environment)


def in_process(
    function: Callable[..., T], *arguments: object, environment: Mapping[str, str | None] | None = None
) -> T:
    """``function(*arguments)`` in a fresh process; all of it picklable."""
    (found,) = in_processes(function, [arguments], environment)
    return found


def in_processes(
    function: Callable[..., T],
    arguments: Sequence[tuple[object, ...]],
    environment: Mapping[str, str | None] | None = None,
) -> list[T]:
    """``function(*each)`` for each of ``arguments``, at once, in fresh processes; all of it picklable."""
    with _environment(environment or {}):
        children = [_start(function, each) for each in arguments]
    try:
        return [_received(*child, each) for child, each in zip(children, arguments, strict=True)]
    finally:
        for child, _ in children:
            child.join()


def _start(
    function: Callable[..., object], arguments: tuple[object, ...]
) -> tuple[SpawnProcess, multiprocessing.connection.Connection]:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_send, args=(sender, function, arguments))
    child.start()
    sender.close()
    return child, receiver


def _received(
    child: SpawnProcess, receiver: multiprocessing.connection.Connection, arguments: tuple[object, ...]
) -> Any:
    try:
        return receiver.recv()
    except EOFError:
        child.join()
        raise RuntimeError(
            f"the measuring process ended with code {child.exitcode} (out of memory?) for {arguments}"
        ) from None


@contextmanager
def _environment(values: Mapping[str, str | None]) -> Iterator[None]:
    """Variables of processes that are started meanwhile."""
    earlier = {name: os.environ.get(name) for name in values}
    try:
        _set(values)
        yield
    finally:
        _set(earlier)


def _set(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _send(
    sender: multiprocessing.connection.Connection,
    function: Callable[..., object],
    arguments: tuple[object, ...],
) -> None:
    sender.send(function(*arguments))


def _peak_and_times(
    make_step: Callable[..., Step], arguments: tuple[object, ...], rounds: int, patience: float = PATIENCE
) -> Measured:
    step = make_step(*arguments)
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated() if on_gpu else psutil.Process().memory_info().rss
    first = _timed(step)
    times: list[float] = []
    while len(times) < rounds and first + sum(times) < patience:
        times.append(_timed(step))
    peak = torch.cuda.max_memory_allocated() if on_gpu else _peak_resident()
    return Measured(peak - before, times or [first])


class Others:
    """How much of the machine other programs take meanwhile, in cores."""

    def __init__(self) -> None:
        self.start, self.busy, self.own = time.perf_counter(), _busy(), _own()

    def cores(self) -> float:
        """Cores taken by others since, on average."""
        seconds = time.perf_counter() - self.start
        return max(0.0, (_busy() - self.busy - (_own() - self.own)) / max(seconds, 1e-9))


def _busy() -> float:
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)


def _own() -> float:
    return sum(os.times()[:4])


def _peak_resident() -> int:
    """High-water mark of this process alone; Linux lets ``ru_maxrss`` begin at the parent's size."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def _timed(step: Step) -> float:
    _synchronise()
    start = time.perf_counter()
    step()
    _synchronise()
    return time.perf_counter() - start


def _synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
