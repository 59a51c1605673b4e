"""The training of one cell by the command line of a user: resumed, tested once, kept whole or not at all."""

import csv
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.checkpoints import read_checkpoint
from experiments.files import replacing, try_lock
from experiments.paper.cells import PaperCell, PaperKey, keep_cell, read_paper_cells
from experiments.run_folder import checkpoint_path

Command = Callable[[list[str], int], int]
"""Runs ``python -m experiments`` with arguments, and with an open file that stays locked; its exit code."""
_PROGRAM = [sys.executable, "-m", "experiments"]
_PATIENCE = 8.0
DONE, BEFORE, ELSEWHERE = "done", "done before", "is being trained by another run"


@dataclass(frozen=True)
class Job:
    """A cell that is to be trained.

    Attributes:
        key: Which it is.
        arguments: Of ``python -m experiments fit`` and ``test``, without the verb.
        folder: For its checkpoints and logs.
        table: The CSV file of the results.
        val_from_test: Whether it is validated on the test data.
    """

    key: PaperKey
    arguments: tuple[str, ...]
    folder: Path
    table: Path
    val_from_test: bool


class CellError(RuntimeError):
    """A training ended with another exit code than 0.

    Attributes:
        code: The exit code.
    """

    def __init__(self, job: Job, verb: str, code: int) -> None:
        super().__init__(f"{job.key}: {verb} ended with exit code {code}; its folder is '{job.folder}'")
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        return RuntimeError, self.args  # jobs of a cluster hand it on as a message


def run_cell(job: Job, command: Command | None = None) -> str:
    """Train and test a cell that nobody has done or is doing, and add it to the table.

    A training that was killed goes on from its last checkpoint. The lock on its folder ends with the process
    that trains, however that ends.

    Args:
        job: The cell.
        command: Runs the command line; in a process of its own by default.

    Returns:
        What became of it.

    Raises:
        CellError: If a training or a test ended with an error.
    """
    command = run_command_line if command is None else command
    with _claimed(job.folder) as lock:
        if lock is None:
            return ELSEWHERE
        if job.key in {cell.key for cell in read_paper_cells(job.table)}:
            return BEFORE
        with _timed(job.folder):
            _run(job, "fit", [*job.arguments, *_resumed(job.folder)], command, lock)
        _run(job, "test", [*job.arguments, "--ckpt_path", "best"], command, lock)
        keep_cell(_outcome(job), job.table)
    return DONE


def run_command_line(arguments: list[str], lock: int) -> int:
    """Run ``python -m experiments`` in a process of its own, which holds ``lock`` as well.

    If this process is told to stop, so is that one, which then keeps a checkpoint.
    """
    process = subprocess.Popen([*_PROGRAM, *arguments], pass_fds=[lock])
    try:
        return process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise


@contextmanager
def _claimed(folder: Path) -> Iterator[int | None]:
    """An open file that is locked, or None if another run has locked it.

    The loaders of a training that was killed hold its lock for five seconds more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT)
    last = time.monotonic() + _PATIENCE
    try:
        while not (locked := try_lock(handle)) and time.monotonic() < last:
            time.sleep(0.2)
        yield handle if locked else None
    finally:
        os.close(handle)


def _run(job: Job, verb: str, arguments: list[str], command: Command, lock: int) -> None:
    code = command([verb, *arguments], lock)
    if code:
        raise CellError(job, verb, code)


def _resumed(folder: Path) -> list[str]:
    """Options by which a training goes on from what its folder holds."""
    for name in ("last", "best"):
        if checkpoint_path(folder, name).exists():
            return ["--ckpt_path", name]
    return []


@contextmanager
def _timed(folder: Path) -> Iterator[None]:
    """Add the seconds of the block to those in the folder: of a training that is killed they are lost."""
    start = time.perf_counter()
    try:
        yield
    finally:
        with replacing(folder / "seconds") as temporary:
            temporary.write_text(repr(_seconds(folder) + time.perf_counter() - start))


def _seconds(folder: Path) -> float:
    path = folder / "seconds"
    return float(path.read_text()) if path.exists() else 0.0


def _outcome(job: Job) -> PaperCell:
    measured = _tested(job.folder)
    val = _best_score(job.folder)
    test, top5 = measured["test/accuracy"], measured.get("test/top5", 1.0)  # none of five classes or fewer
    return PaperCell(*job.key, val, test, top5, _seconds(job.folder), job.val_from_test)


def _tested(folder: Path) -> dict[str, float]:
    """What the newest table of the logs says of the test."""
    tables = sorted((folder / "logs").glob("version_*/metrics.csv"), key=lambda path: _version(path.parent))
    with tables[-1].open(newline="", encoding="utf-8") as file:
        row = list(csv.DictReader(file))[-1]
    return {name: float(value) for name, value in row.items() if name.startswith("test/") and value}


def _version(folder: Path) -> int:
    return int(folder.name.removeprefix("version_"))


def _best_score(folder: Path) -> float:
    states = read_checkpoint(checkpoint_path(folder, "best"))["callbacks"].values()
    return next(float(s["best_model_score"]) for s in states if s.get("monitor") == "val/accuracy")
