"""No run is lost: a folder is one training's; a full disk, NaN and signals leave the last good checkpoint."""

import errno
import os
import resource
import signal
import subprocess
import time
from functools import partial

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from experiments import compare, families, study
from experiments.checkpoints import WholeCheckpointIO, read_checkpoint
from experiments.cli import main
from experiments.comparison import train_best
from experiments.data import CuedScenes, Digits
from experiments.files import WriteError, check_writable, remove_leftovers, replacing, try_lock
from experiments.finite import NotFiniteError
from experiments.spectral_study import __main__ as spectral_study
from experiments.tasks import Segmentation
from tests.experiments.conftest import CONFIGS, SMALL, command, environment
from tests.experiments.test_errors import refused

QUIET = ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]
DIGITS = ["--config", str(CONFIGS / "digits_snl.yaml"), "--data.size=8"]


def contents(folder):
    return {path.name: path.read_bytes() for path in (folder / "checkpoints").iterdir()}


def ended(code, capsys, *arguments):
    """What the command says at its end; it must exit with this code."""
    with pytest.raises(SystemExit) as stop:
        main([*arguments, *QUIET])
    said = capsys.readouterr().err
    assert stop.value.code == code and "Traceback" not in said
    return " ".join(said.split())


def trained(folder, *options):
    main(
        [
            "fit",
            *SMALL,
            *QUIET,
            "--data.train_scenes=8",
            "--checkpoint_every=4",
            "--output",
            str(folder),
            *options,
        ]
    )
    return folder


def test_two_trainings_in_one_folder_are_kept_apart(tmp_path, capsys):
    again = ["fit", *SMALL, "--data.train_scenes=8", "--checkpoint_every=4", "--output", str(tmp_path)]
    before = contents(trained(tmp_path))
    said = refused(capsys, *again, "--model.order=1")
    assert all(part in said for part in ("another training", "--ckpt_path last", "--output", "--overwrite"))
    elsewhere = trained(tmp_path / "elsewhere") / "checkpoints" / "last.ckpt"
    assert "another training" in refused(capsys, *again, "--ckpt_path", str(elsewhere))
    handle = os.open(tmp_path, os.O_RDONLY)
    try_lock(handle)
    said = refused(capsys, *again, "--ckpt_path", "last")
    assert f"a training is running in '{tmp_path}'" in said
    os.close(handle)
    assert contents(tmp_path) == before
    trained(tmp_path, "--ckpt_path", "last", "--trainer.max_epochs=2")
    assert read_checkpoint(tmp_path / "checkpoints" / "last.ckpt")["global_step"] == 8
    trained(tmp_path, "--overwrite=true", "--model.order=1")
    assert read_checkpoint(tmp_path / "checkpoints" / "best.ckpt")["hyper_parameters"]["order"] == 1


def test_what_killed_writers_left_is_removed_and_living_ones_write_on(tmp_path):
    (tmp_path / ".last-abcdefgh.tmp").write_bytes(b"left by a killed writer")
    with replacing(tmp_path / "last.ckpt") as temporary:
        temporary.write_bytes(b"whole")
        remove_leftovers(tmp_path)
        assert list(tmp_path.iterdir()) == [temporary]
    assert (tmp_path / "last.ckpt").read_bytes() == b"whole"
    (tmp_path / ".x-abcdefgh.tmp").touch()
    check_writable(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


@pytest.fixture
def full_disk():
    """No file may grow beyond 100 kB, which the system tells as it tells a full disk."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("size", [1_000, 100_000, 1_000_000])  # less than the writer's buffer, and more
def test_a_full_disk_is_named_and_the_old_file_stays(size, tmp_path, full_disk):
    path = tmp_path / "last.ckpt"
    WholeCheckpointIO().save_checkpoint({"state_dict": {}, "step": 1}, path)
    if size > 1_000:
        with pytest.raises(WriteError, match=rf"cannot write '{path}': .* \(\d+\.\d MiB free\)"):
            WholeCheckpointIO().save_checkpoint({"state_dict": {"w": torch.zeros(size)}}, path)
    assert read_checkpoint(path)["step"] == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_disk_that_fills_in_a_training_ends_it_in_a_line(tmp_path, capsys, full_disk):
    wide = ["--model.channels=32", "--data.train_scenes=8", "--checkpoint_every=2"]
    said = ended(1, capsys, "fit", *SMALL, *wide, "--output", str(tmp_path))
    assert f"cannot write '{tmp_path}/checkpoints/last.ckpt'" in said and "MiB free" in said
    assert not contents(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_whatever_hides_the_systems_error_it_is_told(number, tmp_path):
    with pytest.raises(WriteError, match="cannot write") as told, replacing(tmp_path / "a.csv"):
        try:
            raise OSError(number, os.strerror(number))
        except OSError:
            raise RuntimeError("unexpected pos 576 vs 534")  # noqa: B904
    assert told.value.cause.errno == number
    with pytest.raises(RuntimeError, match="another"), replacing(tmp_path / "a.csv"):
        raise RuntimeError("another")


class Spoil(Callback):
    """Puts NaN into the loss, the weights or the gradient once ``step`` steps are done."""

    def __init__(self, what: str, step: int) -> None:
        self.what, self.step = what, step

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == self.step and self.what == "loss":
            batch[0].fill_(torch.nan)

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        if trainer.global_step == self.step and self.what == "gradient":
            pl_module.network[0].weight.grad.fill_(torch.inf)


@pytest.mark.parametrize(
    ("what", "part"),
    [
        ("loss", "the loss of step 6 is nan"),
        ("gradient", "after step 6, the weights' 'network.0.weight' has 108 of"),
    ],
)
def test_a_training_that_comes_to_nan_ends_and_keeps_what_was_good(what, part, tmp_path, capsys):
    callback = [f"--trainer.callbacks+={__name__}.Spoil", f"--trainer.callbacks.what={what}"]
    options = [*callback, "--trainer.callbacks.step=5", "--checkpoint_every=2", "--output", str(tmp_path)]
    said = ended(1, capsys, "fit", *SMALL, *options)
    assert part in said and "checkpoints written before are as they were" in said
    assert read_checkpoint(tmp_path / "checkpoints" / "last.ckpt")["global_step"] == 4
    refused_part = refused(capsys, "fit", *SMALL, "--output", str(tmp_path))
    assert "--ckpt_path last" in refused_part


def test_studies_end_at_nan_too(tmp_path):
    scenes = CuedScenes(train_scenes=8, eval_scenes=2, batch_size=2)
    with pytest.raises(NotFiniteError, match="the loss of step 2 is nan"):
        train_best(Segmentation(channels=2), scenes, tmp_path, callbacks=[Spoil("loss", 1)])


BATCH = ["--data.batch_size=64", "--data.train_scenes=32"]
OUT_OF_RANGE = {
    "a batch": (BATCH, ["32 training samples", "batch_size=64", "batch_size <= 32"]),
    "steps between writes": (["--checkpoint_every=0"], ["checkpoint_every=0", "at least 1"]),
    "fewer": (["--checkpoint_every=-5"], ["checkpoint_every=-5", "at least 1"]),
    "no number": (["--checkpoint_every=often"], ["checkpoint_every", "often"]),
    "seed": (["--seed_everything=-1"], ["-1", "4294967295"]),
    "epochs": (["--trainer.max_epochs=0"], ["trainer.max_epochs=0", "at least 1"]),
    "steps": (["--trainer.max_steps=0"], ["trainer.max_steps=0", "at least 1"]),
    "batches": (["--trainer.limit_train_batches=0"], ["trainer.limit_train_batches=0"]),
    "a share": (["--trainer.limit_train_batches=0.0"], ["trainer.limit_train_batches=0.0", "above 0 to 1"]),
    "less than one": (["--trainer.limit_train_batches=0.01"], ["0.01 * 16 < 1"]),
    "accumulated": (["--trainer.accumulate_grad_batches=0"], ["accumulate_grad_batches=0"]),
    "validations": (["--trainer.val_check_interval=0"], ["val_check_interval=0"]),
    "too rare": (["--trainer.val_check_interval=100"], ["`val_check_interval` (100)", "batches (16)"]),
    "epochs between": (["--trainer.check_val_every_n_epoch=0"], ["check_val_every_n_epoch=0"]),
    "never validated": (
        ["--trainer.max_epochs=2", "--trainer.check_val_every_n_epoch=3"],
        ["is not reached in trainer.max_epochs=2", "check_val_every_n_epoch 2 or less"],
    ),
    "overfit": (["--trainer.overfit_batches=2"], ["overfit_batches=2", "leave it out"]),
    "warm-up": (["--model.warmup=1"], ["warmup=1", "from 0 to 0.9"]),
    "a warm-up below 0": (["--model.warmup=-0.1"], ["warmup=-0.1"]),
    "rate": (["--model.learning_rate=0"], ["learning_rate=0.0", "above 0"]),
    "negative rate": (["--model.learning_rate=-0.1"], ["learning_rate=-0.1", "above 0"]),
    "NaN": (["--model.learning_rate=.nan"], ["learning_rate=nan", "finite number above 0"]),
    "infinity": (["--model.learning_rate=.inf"], ["learning_rate=inf", "finite number above 0"]),
    "text": (["--model.learning_rate=fast"], ["fast"]),
    "channels": (["--model.channels=0"], ["channels=0", "at least 1"]),
    "seed of data": (["--data.seed=-1"], ["seed=-1", "from 0 to 4294967295"]),
    "workers": (["--data.num_workers=-1"], ["num_workers=-1", "at least 0"]),
}


@pytest.mark.parametrize(("options", "parts"), OUT_OF_RANGE.values(), ids=OUT_OF_RANGE)
def test_numbers_out_of_range_are_refused_before_any_work(options, parts, capsys, tmp_path):
    said = refused(capsys, "fit", *SMALL, *QUIET, *options, "--output", str(tmp_path / "new"))
    assert all(part in said for part in parts), said
    assert not list((tmp_path / "new").glob("checkpoints/*"))


@pytest.mark.parametrize(
    "option",
    [
        "num_classes=1",
        "dropout=1.5",
        "weight_decay=-1",
        "warmup=2",
        "drops=[2]",
        "learning_rate=.inf",
        "stages=0",
    ],
)
def test_numbers_of_the_classification_out_of_range_are_refused(option, capsys, tmp_path):
    said = refused(capsys, "fit", *DIGITS, f"--model.{option}", "--output", str(tmp_path))
    assert option.partition("=")[0] in said


def test_a_batch_of_digits_that_is_none_is_refused_and_the_greatest_taken():
    with pytest.raises(ValueError, match=r"1078 training samples .* batch_size=1079"):
        Digits(batch_size=1079).train_dataloader()
    assert len(Digits(batch_size=1078).train_dataloader()) == 1


def test_processes_that_are_told_to_stop_end_with_the_code_of_the_signal(tmp_path):
    long = ["--data.train_scenes=200000", "--trainer.val_check_interval=1.0", "--checkpoint_every=1"]
    processes = {
        number: subprocess.Popen(
            command("fit", *SMALL, *long, "--output", str(tmp_path / number.name)),
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            # where tests run in the background, SIGINT is ignored, and a child inherits that
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    for number, process in processes.items():
        last = tmp_path / number.name / "checkpoints" / "last.ckpt"
        while not last.exists() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(number)
        try:
            said = process.communicate(timeout=120)[1]
        finally:
            process.kill()
        assert process.returncode == 128 + number, said
        steps = read_checkpoint(last)["global_step"]
        assert f"stopped by {number.name} after step {steps}" in said and "--ckpt_path last" in said
        assert "Traceback" not in said and [path.name for path in last.parent.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("name", ["validate", "test", "predict"])
def test_a_command_that_trains_nothing_ends_at_once(name, fitted, capsys):
    hook = "on_validation_batch_start" if name == "validate" else f"on_{name}_batch_start"
    given = {"number": int(signal.SIGTERM), "hook": hook, "step": 0}
    send = ["--trainer.callbacks+=tests.experiments.test_interruption.Send"]
    send += [f"--trainer.callbacks.{key}={value}" for key, value in given.items()]
    said = ended(143, capsys, name, *SMALL, *send, "--output", str(fitted))
    assert "stopped by SIGTERM; no checkpoint was written" in said


STUDIES = [study.main, compare.main, families.main, spectral_study.main]


@pytest.mark.parametrize("main", STUDIES, ids=lambda main: main.__module__)
@pytest.mark.parametrize(("option", "value"), [("--steps", "0"), ("--seeds", "-1"), ("--seeds", str(2**32))])
def test_budgets_of_studies_out_of_range_are_refused(main, option, value, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main([option, value, "--output", str(tmp_path)])
    assert stop.value.code == 2 and f"{option} {value}" in capsys.readouterr().err


def interrupted(*_, **__):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)


def full(*_, **__):
    raise WriteError("cells.csv", OSError(errno.ENOSPC, "No space left on device"))


def diverged(*_, **__):
    raise NotFiniteError("the loss of step 3 is nan")


@pytest.mark.parametrize(
    ("happens", "code", "said"),
    [
        (interrupted, 143, "stopped by SIGTERM"),
        (full, 1, "MiB free"),
        (diverged, 1, "the loss of step 3 is nan"),
    ],
)
def test_a_study_that_does_not_come_to_its_end_says_so(happens, code, said, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(study, "train_cell", happens)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stop:
        study.main(["--cue", "colour", "--output", str(tmp_path)])
    assert stop.value.code == code and said in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before
