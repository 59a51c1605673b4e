"""The command line end to end: fit, validate, test, predict, kill, resume."""

import csv
import signal
import subprocess
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from experiments.cli import main
from experiments.data import CuedScenes
from experiments.predictions import PredictionWriter
from experiments.tasks import Segmentation
from tests.experiments.conftest import CONFIGS, SMALL, command, environment


def invoke(*arguments):
    main([*arguments, "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"])


def newest_metrics(output):
    folder = max((output / "logs").iterdir(), key=lambda path: int(path.name.removeprefix("version_")))
    return list(csv.DictReader((folder / "metrics.csv").open()))


def load(path):
    return torch.load(path, weights_only=True)


def test_fit_leaves_checkpoints_of_plain_data_and_logs(fitted):
    best, last = (load(fitted / "checkpoints" / f"{name}.ckpt") for name in ("best", "last"))
    assert last["global_step"] == 16 and best["global_step"] in (4, 8, 12, 16)
    assert best["hyper_parameters"]["filter"] == "chebyshev"
    assert sorted(path.name for path in (fitted / "checkpoints").iterdir()) == [
        "best.ckpt",
        "last.ckpt",
    ]
    rows = list(csv.DictReader((fitted / "logs/version_0/metrics.csv").open()))
    assert [row["step"] for row in rows if row["val/iou"]] == ["3", "7", "11", "15"]
    assert list((fitted / "logs/version_0").glob("events.out.tfevents*"))
    assert "chebyshev" in (fitted / "logs/version_0/config.yaml").read_text()


def test_validate_reads_the_best_checkpoint_and_finds_its_score_again(fitted):
    invoke("validate", *SMALL, "--output", str(fitted))
    callbacks = load(fitted / "checkpoints/best.ckpt")["callbacks"].values()
    score = next(state["best_model_score"] for state in callbacks if state["monitor"] == "val/iou")
    assert float(newest_metrics(fitted)[0]["val/iou"]) == pytest.approx(float(score), abs=1e-6)


def test_test_reads_the_checkpoint_it_is_given(fitted):
    invoke("test", *SMALL, "--output", str(fitted), "--ckpt_path", "last")
    last = Segmentation.load_from_checkpoint(fitted / "checkpoints/last.ckpt", weights_only=True).eval()
    images, masks = (
        torch.stack(part) for part in zip(*CuedScenes(eval_scenes=4).scenes["test"], strict=True)
    )
    with torch.no_grad():
        expected = last.loss(last(images), masks)
    assert float(newest_metrics(fitted)[0]["test/loss"]) == pytest.approx(float(expected), rel=1e-5)


def test_predict_writes_the_mask_of_every_test_scene(fitted):
    invoke("predict", *SMALL, "--output", str(fitted))
    with np.load(fitted / "predictions.npz") as written:
        target = np.stack([mask.numpy() for _, mask in CuedScenes(eval_scenes=4).scenes["test"]])
        assert np.array_equal(written["target"], target)
        assert written["mask"].shape == target.shape and set(np.unique(written["mask"])) <= {0, 1}


def test_digits_are_trained_and_their_classes_predicted(tmp_path):
    arguments = [
        "--config",
        str(CONFIGS / "digits_snl.yaml"),
        "--data.size=8",
        "--output",
        str(tmp_path),
    ]
    invoke("fit", *arguments, "--trainer.max_epochs=1", "--trainer.limit_train_batches=2")
    invoke("predict", *arguments)
    rows = list(csv.DictReader((tmp_path / "predictions.csv").open()))
    assert len(rows) == 360 and rows[0].keys() == {"image", "predicted", "probability", "label"}
    assert all(0 <= int(row["predicted"]) <= 9 and 0 < float(row["probability"]) <= 1 for row in rows)


def test_several_processes_number_the_images_they_predicted_among_all(tmp_path, capfd):
    trainer = SimpleNamespace(world_size=2, global_rank=1, print=print)
    batches = [{"predicted": torch.tensor([7, 8])}, {"predicted": torch.tensor([9])}]
    PredictionWriter(tmp_path).write_on_epoch_end(trainer, None, batches, [[[1, 3], [5]]])
    assert (tmp_path / "predictions-1.csv").read_text() == "image,predicted\n1,7\n3,8\n5,9\n"


def test_a_killed_training_resumes_and_ends_where_an_unbroken_one_ends(fitted, tmp_path):
    """SIGKILL in the epoch; resume; every weight equals that of a training that was not killed."""
    last = tmp_path / "checkpoints" / "last.ckpt"
    arguments = ["fit", *SMALL, "--output", str(tmp_path), "--checkpoint_every=1"]
    process = subprocess.Popen(
        command(*arguments), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not last.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    reached = load(last)["global_step"]
    assert 0 < reached < 16
    (last.parent / ".last-left.tmp").write_bytes(b"left by the killed writer")

    invoke(*arguments, "--ckpt_path", "last")
    resumed, unbroken = load(last), load(fitted / "checkpoints" / "last.ckpt")
    assert resumed["global_step"] == unbroken["global_step"] == 16
    for name, weight in unbroken["state_dict"].items():
        assert torch.allclose(resumed["state_dict"][name], weight, rtol=1e-4, atol=1e-6), name
    rows = list(csv.DictReader((tmp_path / "logs/version_1/metrics.csv").open()))
    assert min(int(row["step"]) for row in rows) >= reached
