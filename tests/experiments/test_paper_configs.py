"""Every config of the paper trains, validates, resumes and tests, on small data in the real format."""

import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml

from experiments.cli import main
from experiments.networks import trained_task
from experiments.settings import check_images
from experiments.tasks import Classification
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
    "cityscapes": (
        made.write_cityscapes,
        [
            "--model.backbone=resnet18",
            "--model.channels=16",
            "--data.batch_size=2",
            "--data.crop_size=[32,64]",
        ],
    ),
}
CLASSIFIERS = [name for name in CASES if name != "cityscapes"]


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
    every = "check_val_every_n_epoch=1" if name in CLASSIFIERS else "val_check_interval=2"
    often = [f"--trainer.{every}", "--trainer.limit_train_batches=2", "--checkpoint_every=2"]
    run("fit", name, data, output, *options, *few, *often, "--trainer.max_epochs=1")
    run("fit", name, data, output, *options, *few, *often, "--trainer.max_epochs=2", "--ckpt_path=last")
    said = capfd.readouterr().out
    assert "best val/" in said and f"kept in '{output / 'checkpoints' / 'best.ckpt'}'" in said
    next_command = shlex.split(said.rpartition("Test it with:")[2])
    main(next_command[3:])
    network = trained_task(output / "checkpoints" / "best.ckpt")
    assert network.own_images is None
    if name != "ucf101":  # clips are no pictures
        shown = torch.load(output / "checkpoints" / "best.ckpt", weights_only=True)[
            "datamodule_hyper_parameters"
        ]
        assert [list(network.form.mean), list(network.form.std)] == shown["normalization"]
    last = torch.load(output / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["global_step"] == 4 and last["epoch"] == 1
    said = capfd.readouterr().out
    if name not in CLASSIFIERS:
        assert "test/miou" in said and "test/iou/car" in said
        return
    assert "test/accuracy" in said and ("test/top5" in said) == (name not in ("imagenet", "cub", "ucf101"))


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("flag", [{"block": "none"}, {"layers": [2, 3]}, {"at": ["layer2.1"]}, {"count": 1}])
def test_no_config_stands_in_the_way_of_a_flag(name, flag):
    config = yaml.safe_load((CONFIGS / "paper" / f"{name}.yaml").read_text(encoding="utf-8"))
    with torch.device("meta"):
        Classification(**config["model"]["init_args"] | flag)


@pytest.mark.parametrize(
    ("backbone", "data", "message"),
    [
        ("preresnet20", SimpleNamespace(frames=4), "which are clips; choose r3d_18"),
        ("torchvision.r3d_18", SimpleNamespace(), "which are images; choose one for images"),
    ],
)
def test_a_backbone_for_clips_and_data_of_images_are_refused(backbone, data, message):
    with pytest.raises(ValueError, match=message):
        check_images({"backbone": backbone}, data)
