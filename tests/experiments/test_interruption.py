"""A training that is told to stop keeps everything, says so by its exit code, and goes on as if unbroken."""

import csv
import os
import signal
import time

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from experiments.cli import main
from experiments.run_folder import claimed
from tests.experiments.conftest import SMALL

QUIET = ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]
TWO_EPOCHS = [
    *SMALL,
    *QUIET,
    "--data.train_scenes=16",
    "--data.eval_scenes=20",
    "--trainer.max_epochs=2",
    "--checkpoint_every=16",
]


class Send(Callback):
    """Sends its own process a signal in a hook, after one step and at one batch of the validation."""

    def __init__(self, number: int, hook: str, step: int, batch: int = 0) -> None:
        def send(trainer, pl_module, *given):
            at = given[-1] if hook.startswith("on_validation_batch") else batch
            if trainer.global_step == step and at == batch and not trainer.sanity_checking:
                os.kill(os.getpid(), number)

        setattr(self, hook, send)


def sending(number, hook, step, batch=0):
    given = {"number": int(number), "hook": hook, "step": step, "batch": batch}
    name = f"{__name__}.Send"
    return [f"--trainer.callbacks+={name}", *(f"--trainer.callbacks.{k}={v}" for k, v in given.items())]


def load(output, name):
    return torch.load(output / "checkpoints" / f"{name}.ckpt", weights_only=True)


def validations(output):
    files = (output / "logs").glob("version_*/metrics.csv")
    rows = [row for file in files for row in csv.DictReader(file.open()) if row.get("val/iou")]
    return sorted((int(row["step"]), row["val/iou"], row["val/loss"]) for row in rows)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    output = tmp_path_factory.mktemp("unbroken")
    main(["fit", *TWO_EPOCHS, "--output", str(output)])
    return output


STOPS = {
    "in an epoch": (signal.SIGTERM, "on_before_backward", 5),
    "before a validation": (signal.SIGINT, "on_train_batch_end", 4),
    "at the start of a validation": (signal.SIGTERM, "on_validation_batch_start", 4),
    "in a validation": (signal.SIGINT, "on_validation_batch_start", 12, 1),
    "at the end of a validation": (signal.SIGTERM, "on_validation_batch_end", 4, 2),
    "at the end of an epoch": (signal.SIGTERM, "on_train_batch_end", 8),
    "in the validation there": (signal.SIGTERM, "on_validation_batch_start", 8, 1),
    "after it": (signal.SIGHUP, "on_train_epoch_end", 8),
    "at the last step": (signal.SIGTERM, "on_train_batch_end", 16),
    "in the last validation": (signal.SIGTERM, "on_validation_batch_start", 16, 1),
}


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
def test_a_stopped_training_is_kept_and_goes_on_as_if_unbroken(stop, unbroken, tmp_path, capsys):
    arguments = ["fit", *TWO_EPOCHS, "--output", str(tmp_path)]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, *sending(*stop)])
    number, said = stop[0], capsys.readouterr().err
    assert ended.value.code == 128 + number
    steps = stop[2] + (stop[1] == "on_before_backward")
    assert f"stopped by {signal.Signals(number).name} after step {steps}" in said
    assert load(tmp_path, "last")["global_step"] == steps
    assert said.rstrip().endswith("--ckpt_path last")
    main([*arguments, "--ckpt_path", "last"])
    for name in ("last", "best"):
        resumed, wanted = load(tmp_path, name), load(unbroken, name)
        assert resumed["global_step"] == wanted["global_step"]
        for key, weight in wanted["state_dict"].items():
            torch.testing.assert_close(
                resumed["state_dict"][key], weight, rtol=0, atol=0, msg=f"{name}: {key}"
            )
    assert validations(tmp_path) == validations(unbroken)


def test_a_process_of_a_loader_does_not_keep_the_folder_of_a_killed_training(tmp_path):
    """It is forked within the block, and outlives a training that is killed."""
    reader, writer = os.pipe()
    with claimed(tmp_path, None, False):
        child = os.fork()
        if not child:
            os.write(writer, b"began")
            time.sleep(60)
            os._exit(0)
        os.read(reader, 5)
    with claimed(tmp_path, None, False), pytest.raises(ValueError, match="a training is running in"):
        claimed(tmp_path, None, False).__enter__()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
