"""``python -m tests.soak N SEED``: kills ``N`` trainings at random moments; each must go on bit for bit.

A training is started, killed by SIGKILL at a moment drawn uniformly from the time of an undisturbed one, and
gone on with by ``--ckpt_path last``. Its last and its best checkpoint must hold the numbers of the
undisturbed training, and no file that it left may be damaged. Code 1 where something failed.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from experiments import cli, data, tasks  # noqa: F401
from experiments.checkpoints import read_checkpoint
from tests.soak_run import arguments

Arguments = list[str]
_CONTEXT = multiprocessing.get_context("fork")  # what is imported here is not imported by every training


class Trial(NamedTuple):
    """What became of one killed training.

    Attributes:
        moment: Seconds after which it was killed.
        step: Steps of the checkpoint that was gone on with; None where there was none yet.
        corrupt: Checkpoints on its disk that are damaged.
        code: Exit code of the training that went on.
        same: Whether weights, optimizer and generators at the end, and the best weights, are those of the
            undisturbed training.
    """

    moment: float
    step: int | None
    corrupt: int
    code: int | None
    same: bool

    @property
    def passed(self) -> bool:
        """Whether all is as it must be."""
        return self.code == 0 and self.same and not self.corrupt


def soak(
    kills: int, seed: int, folder: Path, run: Callable[[Path], Arguments] = arguments, quiet: bool = False
) -> list[Trial]:
    """Return the trials of ``kills`` trainings, in folders of their own in ``folder``.

    Args:
        kills: Their number.
        seed: Of the moments.
        folder: For data and checkpoints.
        run: Returns the arguments of the training; it may make data in the folder that it is given.
        quiet: Whether to show no progress.
    """
    given = run(folder)
    seconds, code = _train(given, folder / "undisturbed", None)
    if code != 0:
        raise RuntimeError(
            f"the undisturbed training failed:\n{(folder / 'undisturbed.txt').read_text()[-2000:]}"
        )
    draw = random.Random(seed)
    moments = [draw.uniform(0, seconds) for _ in range(kills)]
    shown = tqdm(moments, "killed trainings", disable=quiet)
    return [_trial(given, folder, f"killed-{i}", moment) for i, moment in enumerate(shown)]


def table(trials: list[Trial]) -> Table:
    """One row a trial, and the sums."""
    rows = Table("killed after", "gone on from", "corrupt files", "exit code", "same to the last bit")
    for trial in trials:
        start = "the start" if trial.step is None else f"step {trial.step}"
        rows.add_row(f"{trial.moment:.2f} s", start, str(trial.corrupt), str(trial.code), _word(trial.same))
    rows.add_section()
    same, corrupt = sum(trial.same for trial in trials), sum(trial.corrupt for trial in trials)
    ended = sum(trial.code == 0 for trial in trials)
    rows.add_row(f"{len(trials)} kills", "", str(corrupt), f"{ended} went on", f"{same} of {len(trials)}")
    return rows


def _word(value: bool) -> str:
    return "yes" if value else "NO"


def _trial(given: Arguments, folder: Path, name: str, moment: float) -> Trial:
    output = folder / name
    _train(given, output, moment)
    kept = {path.stem: _read(path) for path in sorted((output / "checkpoints").glob("*.ckpt"))}
    start = "last" if "last" in kept else "best"
    resumed = ["--ckpt_path", start] if kept else []
    _, code = _train([*given, *resumed], output, None)
    step = None if kept.get(start) is None else kept[start]["global_step"]
    same = code == 0 and _same(output, folder / "undisturbed")
    return Trial(moment, step, sum(found is None for found in kept.values()), code, same)


def _train(given: Arguments, output: Path, moment: float | None) -> tuple[float, int | None]:
    """Run a training in a process of its own, killed after ``moment`` seconds; its seconds and exit code."""
    process = _CONTEXT.Process(target=_child, args=([*given, "--output", str(output)], f"{output}.txt"))
    start = time.perf_counter()
    process.start()
    process.join(moment)
    if moment is not None:
        process.kill()
        process.join()
    return time.perf_counter() - start, process.exitcode


def _child(given: Arguments, log: str) -> None:
    os.environ["COLUMNS"] = "200"
    sys.argv = ["experiments"]
    with Path(log).open("a", encoding="utf-8") as file, redirect_stdout(file), redirect_stderr(file):
        torch.set_num_threads(1)
        cli.main(given)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return read_checkpoint(path)
    except ValueError:
        return None


def _same(output: Path, other: Path) -> bool:
    """Whether the last checkpoints hold the same training, and the best the same weights.

    The epoch of the last is not compared: Lightning counts it up behind the last validation, and a training
    that was killed between the two has nothing left to train.
    """
    parts = {"last": ("state_dict", "optimizer_states", "lr_schedulers", "generators", "global_step")}
    parts["best"] = ("state_dict", "global_step", "epoch")
    for name, keys in parts.items():
        mine, wanted = (_read(folder / "checkpoints" / f"{name}.ckpt") for folder in (output, other))
        if mine is None or wanted is None or not all(_equal(mine[key], wanted[key]) for key in keys):
            return False
    return True


def _equal(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(_equal(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(_equal, first, second))
    return bool(first == second)


def main() -> int:
    """Run; 1 where a training did not go on as it should."""
    kills, seed = (int(word) for word in (*sys.argv[1:], "20", "0")[:2])
    with tempfile.TemporaryDirectory() as folder:
        trials = soak(kills, seed, Path(folder))
    Console().print(table(trials))
    print(f"other moments: make soak KILLS={kills} SEED={seed + 1}")
    return 0 if all(trial.passed for trial in trials) else 1


if __name__ == "__main__":
    sys.exit(main())
