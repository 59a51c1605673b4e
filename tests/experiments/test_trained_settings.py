"""Settings that make other numbers of a checkpoint are refused; those that do not are free."""

from contextlib import nullcontext

import pytest
import yaml

from experiments.demo import digits_task
from experiments.tasks import Classification
from experiments.trained_settings import check_settings
from tests.experiments.conftest import CONFIGS

TASK = {"filter": None, "layers": [1, 2], "learning_rate": 0.1, "dropout": 0.5, "gate": True}
DATA = {"root": "data", "val_share": 0.1, "seed": 0, "split": 1, "batch_size": 128, "subset": None}
CHECKPOINT = {"hyper_parameters": TASK, "datamodule_hyper_parameters": DATA}
ALL = ("fit", "validate", "test", "predict")
CASES = [
    ({"filter": "monomial"}, {}, ALL, "model.filter=null, not monomial; give --model.filter null"),
    ({"layers": [1]}, {}, ALL, r"--model.layers \[1, 2\]"),
    ({"layers": (1, 2), "dropout": 0.1, "later": 3}, {"root": "other"}, (), ""),
    ({"learning_rate": 0.2}, {}, ("fit",), "model.learning_rate=0.1, not 0.2"),
    ({}, {"seed": 1}, ("fit", "validate"), "data.seed=0, not 1"),
    ({}, {"val_share": 0.2}, ("fit", "validate"), "--data.val_share 0.1"),
    ({}, {"split": 2}, ALL, "--data.split 1"),
    ({}, {"batch_size": 64}, ("fit",), "--data.batch_size 128"),
    ({}, {"subset": 50}, ("fit",), "--data.subset null"),
]


@pytest.mark.parametrize("command", ALL)
@pytest.mark.parametrize(("task", "data", "refusing", "message"), CASES)
def test_other_settings_are_refused_where_they_change_a_number(command, task, data, refusing, message):
    given = (command, TASK | task, DATA | data, CHECKPOINT, "best.ckpt")
    refused = pytest.raises(ValueError, match=f"'best.ckpt' was trained with .*{message}")
    with refused if command in refusing else nullcontext():
        check_settings(*given)


def test_a_checkpoint_without_settings_is_not_compared():
    check_settings("fit", TASK, DATA, {}, "best.ckpt")


def test_the_command_that_the_demo_ends_with_takes_the_demos_checkpoint():
    config = yaml.safe_load((CONFIGS / "digits_snl.yaml").read_text(encoding="utf-8"))
    given, trained = (
        dict(task.hparams) for task in (Classification(**config["model"]["init_args"]), digits_task())
    )
    check_settings("test", given, {}, {"hyper_parameters": trained}, "demo.ckpt")
