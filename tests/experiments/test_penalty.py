"""The stable hypothesis in a training: its weight in the loss, its course in the log."""

import csv

import pytest
import torch

from experiments.cli import main
from experiments.tasks.classification import Classification
from experiments.tasks.segmentation import Segmentation
from gsp_nonlocal.probe import SpectralProbe
from gsp_nonlocal.spectral import stable_penalty
from tests.experiments.conftest import SMALL

TASKS = {
    "classification": (Classification, (torch.randn(2, 1, 16, 16), torch.tensor([1, 2]))),
    "segmentation": (Segmentation, (torch.randn(2, 3, 16, 16), torch.ones(2, 16, 16))),
}


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
@pytest.mark.parametrize("name", TASKS)
def test_it_is_added_in_training_alone(name):
    make, batch = TASKS[name]
    losses = {}
    for weight in (0.0, 0.5):
        torch.manual_seed(0)
        task = make(stable_penalty=weight).train()
        state = torch.random.get_rng_state()
        losses["train", weight] = task.training_step(batch, 0)
        losses["val", weight] = task.eval()._step(batch, "val")
        torch.random.set_rng_state(state)
    with SpectralProbe(task.train().network) as probe:
        task.network(batch[0])
    penalty = sum(stable_penalty(shift).mean() for shift in probe.shifts.values())
    torch.testing.assert_close(
        losses["train", 0.5] - losses["train", 0.0], 0.5 * penalty, rtol=1e-3, atol=1e-5
    )
    assert torch.equal(losses["val", 0.5], losses["val", 0.0])


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"stable_penalty": -1.0}, "stable_penalty=-1.0 is out of range"),
        ({"stable_penalty": float("nan")}, "stable_penalty=nan is out of range"),
        ({"stable_penalty": 0.01, "none": None}, "for a network with a block"),
    ],
)
def test_a_weight_that_has_no_use_is_refused(name, options, said):
    make, _ = TASKS[name]
    if "none" in options:
        options = {"stable_penalty": 0.01, "block" if make is Classification else "filter": None}
    with pytest.raises(ValueError, match=said):
        make(**options)


def test_its_course_is_logged(tmp_path):
    quiet = ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]
    chosen = ["--model.stable_penalty=0.01", "--trainer.max_steps=4", "--output", str(tmp_path)]
    main(["fit", *SMALL, *quiet, *chosen])
    (log,) = (tmp_path / "logs").glob("version_*/metrics.csv")
    with log.open(encoding="utf-8") as file:
        found = [row["train/stable_penalty"] for row in csv.DictReader(file)]
    assert any(found) and all(float(value) > 0 for value in found if value)
