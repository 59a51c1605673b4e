"""What is drawn from global generators goes on with a training: dropout, and all that a step may draw."""

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback

from experiments.cli import main
from experiments.generators import generator_states, set_generators
from tests.experiments.conftest import CONFIGS
from tests.experiments.made import write_cifar10

QUIET = ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]
SMALL = [
    "--config",
    str(CONFIGS / "paper" / "cifar10.yaml"),  # with dropout 0.5
    *QUIET,
    "--model.warmup_epochs=1",
    "--model.drop_epochs=[1]",
    "--data.batch_size=22",  # four steps an epoch
    "--trainer.max_epochs=2",
    "--trainer.val_check_interval=2",
    "--trainer.check_val_every_n_epoch=1",
    "--trainer.log_every_n_steps=1",
    "--checkpoint_every=1",
]


class Draws(Callback):
    """Copies the checkpoints as they lie there before each step, whose images it disturbs at random."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def on_validation_start(self, trainer, pl_module):
        last = Path(trainer.default_root_dir, "checkpoints", "last.ckpt")
        if trainer.global_step and last.exists():
            shutil.copy(last, f"{self.folder}/validated-{trainer.global_step}.ckpt")

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        for name in ("last", "best"):
            path = Path(trainer.default_root_dir, "checkpoints", f"{name}.ckpt")
            if path.exists():
                shutil.copy(path, f"{self.folder}/{name}-{trainer.global_step}.ckpt")
        batch[0].add_(0.01 * random.gauss(0, 1) + 0.01 * np.random.standard_normal())


def fit(output, copies, *arguments):
    copies.mkdir(exist_ok=True)
    callback = [f"--trainer.callbacks+={__name__}.Draws", f"--trainer.callbacks.folder={copies}"]
    main(["fit", *SMALL, *callback, "--output", str(output), *arguments])
    return torch.load(output / "checkpoints/last.ckpt", weights_only=True)


@pytest.fixture(scope="module", params=[0, 1], ids=["no worker", "a worker"])
def unbroken(request, tmp_path_factory):
    """Folder of the checkpoints of each step, the last one, and the options of the data."""
    folder = tmp_path_factory.mktemp("unbroken")
    data = [f"--data.num_workers={request.param}", f"--data.root={write_cifar10(folder / 'data')}"]
    return folder / "copies", fit(folder, folder / "copies", *data), data


@pytest.mark.parametrize("kept", ["last-1", "best-2", "last-3", "last-4", "last-5", "last-7"])
def test_a_training_that_goes_on_from_any_checkpoint_ends_in_the_same_weights(kept, unbroken, tmp_path):
    copies, wanted, data = unbroken
    path = copies / f"{kept}.ckpt"
    resumed = fit(tmp_path, tmp_path / "copies", *data, "--ckpt_path", str(path))
    assert resumed["global_step"] == wanted["global_step"] == 8
    for name, weight in wanted["state_dict"].items():
        assert torch.equal(resumed["state_dict"][name], weight), name
    for mine, others in zip(resumed["generators"], wanted["generators"], strict=True):
        assert all(torch.equal(mine[name], others[name]) for name in ("python", "numpy", "torch"))


def test_a_training_that_is_killed_in_a_validation_goes_on_before_it(unbroken):
    for step in (2, 4, 6, 8):
        kept = torch.load(unbroken[0] / f"validated-{step}.ckpt", weights_only=True)
        assert kept["global_step"] == step - 1
    assert unbroken[1]["global_step"] == 8


def drawn():
    return random.gauss(0, 1), random.random(), *np.random.standard_normal(3), *torch.rand(3).tolist()


@pytest.mark.parametrize("before", range(2), ids=["no Gauss value is kept", "one is kept"])
def test_states_are_plain_and_give_the_same_numbers(before, tmp_path):
    for _ in range(before):
        random.gauss(0, 1), np.random.standard_normal()
    torch.save(generator_states(), tmp_path / "states")
    wanted = drawn()
    set_generators(torch.load(tmp_path / "states", weights_only=True))
    assert drawn() == wanted


@pytest.mark.parametrize(
    "change", [{"python": torch.ones(3)}, {"numpy": None}, {"torch": torch.ones(3)}, {"cuda": None}]
)
def test_states_that_are_none_are_refused(change, unbroken, tmp_path, capsys):
    copies, _, data = unbroken
    checkpoint = torch.load(copies / "last-4.ckpt", weights_only=True)
    checkpoint["generators"][0] |= change
    torch.save(checkpoint, tmp_path / "bad.ckpt")
    with pytest.raises(SystemExit) as ended:
        fit(tmp_path, tmp_path / "copies", *data, "--ckpt_path", str(tmp_path / "bad.ckpt"))
    assert ended.value.code == 2 and "random number generators are none" in capsys.readouterr().err
