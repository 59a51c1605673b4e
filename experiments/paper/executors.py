"""Where cells are trained: here, one after the other, or by jobs of submitit on this machine or a cluster."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from experiments.paper.training import CellError, Job, run_cell
from experiments.settings import check_whole

EXECUTORS = ("here", "local", "slurm")
Run = Callable[[Job], str]
_WAIT = 0.5


class Requeued:
    """A job of a cluster; where its time is up, submitit starts it again, and it goes on where it was."""

    def __call__(self, job: Job) -> str:
        """Train the cell."""
        return run_cell(job)

    def checkpoint(self, job: Job) -> Any:
        """What is started again."""
        return cluster_package().helpers.DelayedSubmission(self, job)


def cluster_package() -> Any:
    """Return submitit.

    Raises:
        ValueError: If it is not installed; names the line that does it.
    """
    try:
        import submitit
    except ImportError as error:
        raise ValueError(
            "--executor local and slurm need submitit: pip install 'gsp-nonlocal[cluster]', or choose here"
        ) from error
    return submitit


def run_here(jobs: Sequence[Job], run: Run = run_cell) -> list[str]:
    """Train one after the other; return a line for each that failed.

    Raises:
        CellError: If one was refused, or told to stop: so would the next be. One that the system killed, for
            memory mostly, is one that failed.
    """
    console, failed = Console(), []
    for number, job in enumerate(jobs, start=1):
        console.rule(f"{number} of {len(jobs)}: {job.key}")
        try:
            console.print(run(job))
        except CellError as error:
            if error.code not in (1, -signal.SIGKILL):
                raise
            failed.append(str(error))
            console.print(str(error))
    return failed


def run_side_by_side(
    jobs: Sequence[Job], executors: Sequence[Any], run: Run | None = None, wait: float = _WAIT
) -> list[str]:
    """Train by jobs of submitit, one at a time by each executor; return a line for each that failed.

    Args:
        jobs: The cells.
        executors: As of :func:`executors_of`.
        run: What a job calls, pickled; trains the cell by default.
        wait: Seconds between two looks at the jobs.
    """
    call = Requeued() if run is None else run
    console, failed = Console(), []
    waiting, running = list(jobs), dict[int, tuple[Job, Any]]()
    while waiting or running:
        for slot, executor in enumerate(executors):
            if slot not in running and waiting:
                job = waiting.pop(0)
                running[slot] = job, executor.submit(call, job)
                console.print(f"{job.key}: submitted as job {running[slot][1].job_id}")
        for slot, (job, submitted) in list(running.items()):
            if submitted.done():
                del running[slot]
                error = submitted.exception()
                line = f"{job.key}: {submitted.result() if error is None else str(error).strip()}"
                console.print(line)
                failed += [] if error is None else [line]
        time.sleep(wait if running else 0)
    return failed


def executors_of(name: str, folder: Path, cells: int, parameters: dict[str, Any]) -> list[Any]:
    """Return submitit's executors, one for each job at a time: one a GPU of this machine, or one a cell.

    Args:
        name: ``"local"`` or ``"slurm"``.
        folder: For the logs of the jobs.
        cells: Number of cells.
        parameters: Of submitit's executor; ``side_by_side`` is the number of jobs at a time.

    Raises:
        ValueError: If submitit is not installed, there is no such cluster, or it takes no such parameter.
    """
    submitit = cluster_package()
    given = dict(parameters)
    gpus = _gpus() if name == "local" else []
    count = given.pop("side_by_side", max(1, len(gpus)) if name == "local" else max(1, cells))
    try:
        check_whole("side_by_side", count, 1)
        if name == "local":
            own = [[gpus[slot % len(gpus)]] if gpus else [] for slot in range(count)]
            return [_local(submitit, folder, one, given) for one in own]
        executor = submitit.AutoExecutor(folder=folder, cluster=name)
        executor.update_parameters(
            **({"name": "paper", "timeout_min": _DAY, "cpus_per_task": 4, "gpus_per_node": 1} | given)
        )
        return [executor] * count
    except (RuntimeError, NameError, ValueError, TypeError) as error:
        raise ValueError(f"--executor {name} with --job {parameters}: {error}") from error


_DAY = 24 * 60


def _local(submitit: Any, folder: Path, gpus: list[int], given: dict[str, Any]) -> Any:
    executor = submitit.LocalExecutor(folder=folder)
    own = {"gpus_per_node": len(gpus), "visible_gpus": gpus}
    executor.update_parameters(**({"timeout_min": _DAY} | own | given))
    return executor


def _gpus() -> list[int]:
    """Numbers of the GPUs that this process sees."""
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    numbers = range(torch.cuda.device_count())
    return [int(number) for number in seen.split(",")] if seen and numbers else list(numbers)
