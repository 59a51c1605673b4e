"""Every config of the paper trains, validates, resumes and tests, on small data in the real format."""

from pathlib import Path

import pytest
import torch

from experiments.cli import main
from experiments.networks import trained_task
from tests.experiments import made, made_video
from tests.experiments.conftest import CONFIGS

SMALL = ["--model.image_size=32", "--data.image_size=32", "--data.resize=36"]
CASES = {
    "cifar10": (made.write_cifar10, ["--model.stages=2"]),
    "cifar100": (made.write_cifar100, ["--model.block=nl", "--model.layers=[2,3]"]),
    "imagenet": (made.write_imagenet_folders, ["--model.num_classes=3", "--data.num_classes=3", *SMALL]),
    "cub": (
        made.write_cub_folder,
        [
            "--model.backbone=torchvision.resnet18",
            "--model.count=null",
            "--model.at=[layer2.0]",
            "--model.num_classes=4",
            "--data.num_classes=4",
            *SMALL,
        ],
    ),
    "ucf101": (
        made_video.write_frames,
        [
            "--model.num_classes=3",
            "--data.num_classes=3",
            "--model.image_size=32",
            "--data.image_size=32",
            "--data.frames=4",
            "--data.test_clips=3",
        ],
    ),
    "fashion_mnist": (made.write_fashion_mnist, ["--model.filter=cayley", "--model.order=2"]),
}


def run(command: str, name: str, data: Path, output: Path, *more: str) -> None:
    config = ["--config", str(CONFIGS / "paper" / f"{name}.yaml"), "--output", str(output)]
    main(
        [
            command,
            *config,
            f"--data.root={data}",
            "--data.batch_size=4",
            "--data.num_workers=0",
            "--data.val_share=0.34",
            *more,
        ]
    )


@pytest.mark.parametrize("name", CASES)
def test_a_config_trains_validates_resumes_and_tests(name, tmp_path, capfd):
    write, options = CASES[name]
    data, output = write(tmp_path / "data"), tmp_path / "run"
    few = ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]
    often = ["--trainer.check_val_every_n_epoch=1", "--trainer.limit_train_batches=2", "--checkpoint_every=2"]
    run("fit", name, data, output, *options, *few, *often, "--trainer.max_epochs=1")
    run("fit", name, data, output, *options, *few, *often, "--trainer.max_epochs=2", "--ckpt_path=last")
    run("test", name, data, output, *options, *few)
    assert trained_task(output / "checkpoints" / "best.ckpt").own_images is None
    last = torch.load(output / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["global_step"] == 4 and last["epoch"] == 1
    said = capfd.readouterr().out
    assert "test/accuracy" in said and ("test/top5" in said) == (name not in ("imagenet", "cub", "ucf101"))
