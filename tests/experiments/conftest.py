"""The command line as a user runs it, on trainings of a few steps."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "experiments" / "configs"
SMALL = [
    "--config",
    str(CONFIGS / "scenes_colour.yaml"),
    "--data.train_scenes=32",
    "--data.eval_scenes=4",
    "--data.batch_size=2",
    "--model.channels=4",
    "--trainer.val_check_interval=4",
    "--trainer.log_every_n_steps=4",
]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "experiments", *arguments]


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200", "PYTHONPATH": str(ROOT)}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        timeout=120,
        env=environment(),
        check=False,
    )


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Output folder of a training of 16 steps."""
    output = tmp_path_factory.mktemp("fitted")
    done = run("fit", *SMALL, "--output", str(output), "--checkpoint_every=4")
    assert done.returncode == 0, done.stderr
    return output


@pytest.fixture(autouse=True)
def _signals_act() -> Iterator[None]:
    """Signals do what they do at a terminal: a test run in the background ignores some of them."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def _no_arguments_of_pytest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line is given its arguments by the tests, not by pytest's own."""
    monkeypatch.setattr(sys, "argv", ["experiments"])
