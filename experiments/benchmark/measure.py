"""Time in turns, and peak memory in a process of its own."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
import torch
from torch import Tensor, nn

Step = Callable[[], None]


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


def peak_memory(make_step: Callable[..., Step], *arguments: object) -> tuple[float, float]:
    """Peak bytes that one step adds, and its seconds, in a fresh process.

    On the CPU the high-water mark of the resident set, less what the process held before the step; on a
    CUDA device, the allocator's own peak.

    Args:
        make_step: a function at module level; ``make_step(*arguments)`` returns the step.
        arguments: picklable.

    Returns:
        ``(bytes, seconds)``, of a first step (no warm-up).
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_report_peak, args=(sender, make_step, arguments))
    child.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        child.join()
        raise RuntimeError(
            f"the measuring process ended with code {child.exitcode} (out of memory?) for {arguments}"
        ) from None
    finally:
        child.join()


def _report_peak(
    sender: multiprocessing.connection.Connection,
    make_step: Callable[..., Step],
    arguments: tuple[object, ...],
) -> None:
    step = make_step(*arguments)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        seconds = _timed(step)
        sender.send((torch.cuda.max_memory_allocated() - before, seconds))
        return
    before = psutil.Process().memory_info().rss
    seconds = _timed(step)
    sender.send((_peak_resident() - before, seconds))


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
