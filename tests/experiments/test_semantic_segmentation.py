"""A class at each pixel: the network, its loss and figures, and the pictures it writes."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from experiments.backbones.segmenter import Segmenter
from experiments.cli import main
from experiments.data.cityscapes.classes import COLOURS
from experiments.tasks import SemanticSegmentation
from experiments.tasks.schedule import poly
from experiments.tasks.semantic_segmentation import pixel_cross_entropy
from gsp_nonlocal import SNL
from tests.experiments.conftest import CONFIGS
from tests.experiments.made import write_cityscapes

SMALL = {"backbone": "resnet18", "channels": 16}


def test_maps_have_an_eighth_of_the_sides_and_dilations_1_1_2_4():
    with torch.device("meta"):
        backbone = Segmenter("resnet50c").backbone
        maps = backbone(torch.empty(1, 3, 64, 128))
    assert maps["layer3"].shape == (1, 1024, 8, 16) and maps["layer4"].shape == (1, 2048, 8, 16)
    dilations = {
        layer: [unit.conv2.dilation[0] for unit in backbone[f"layer{layer}"]] for layer in (1, 2, 3, 4)
    }
    assert dilations == {1: [1] * 3, 2: [1] * 4, 3: [1] + [2] * 5, 4: [2, 4, 4]}
    stem = [m for m in backbone["conv1"] if isinstance(m, nn.Conv2d)]
    assert [(m.out_channels, m.kernel_size, m.stride) for m in stem] == [
        (32, (3, 3), (2, 2)),
        (32, (3, 3), (1, 1)),
        (64, (3, 3), (1, 1)),
    ]


@pytest.mark.parametrize("size", [(32, 64), (33, 50)])
def test_logits_have_the_size_of_the_image(size):
    network = Segmenter(**SMALL, num_classes=5, block=SNL)
    images = torch.randn(2, 3, *size)
    assert [one.shape for one in network(images)] == [(2, 5, *size)] * 2
    assert network.eval()(images).shape == (2, 5, *size)
    assert Segmenter(**SMALL, num_classes=5, auxiliary=False)(images).shape == (2, 5, *size)


def test_the_head_is_the_formula():
    head = Segmenter(**SMALL, num_classes=5, block=SNL).head.eval()
    x = torch.randn(1, 512, 6, 7)
    reduced = head.reduce(x)
    wanted = head.classify(head.join(torch.cat([x, head.refine(head.block(reduced))], dim=1)))
    assert torch.equal(head(x), wanted)
    assert isinstance(head.block, SNL) and (reduced >= 0).all()


def test_weights_of_mmsegmentations_backbone_load(tmp_path):
    own = Segmenter("resnet50c", 5, channels=16).backbone
    theirs = {}
    for key, value in own.state_dict().items():
        stem = key.startswith("conv1.")
        name = (
            f"stem.{key[6:]}"
            if stem
            else key.replace("bn1.", "stem.7.", 1)
            if key.startswith("bn1.")
            else key
        )
        theirs[name] = torch.rand_like(value) if value.is_floating_point() else value
    torch.save(
        {"state_dict": {**theirs, "fc.weight": torch.rand(1000, 2048), "fc.bias": torch.rand(1000)}},
        tmp_path / "v1c.pth",
    )
    network = Segmenter("resnet50c", 5, channels=16, pretrained=str(tmp_path / "v1c.pth"))
    assert network.left == []
    loaded = network.backbone.state_dict()
    assert torch.equal(loaded["bn1.weight"], theirs["stem.7.weight"])
    assert torch.equal(loaded["conv1.3.weight"], theirs["stem.3.weight"])
    assert torch.equal(loaded["layer4.1.conv2.weight"], theirs["layer4.1.conv2.weight"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": "resnet5"}, "near matches: resnet50"),
        ({"backbone": "convnext_tiny"}, "ResNet of timm"),
        ({"backbone": "regnety_002"}, "has no layer1 to layer4"),
        ({"block": "snk"}, "unknown block 'snk'"),
        ({"min_learning_rate": 0.1}, "min_learning_rate=0.1 is out of range"),
        ({"num_classes": 256}, "num_classes=256 is out of range"),
        ({"stable_penalty": 0.1, "compile": True}, "compile=true hides"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with torch.device("meta"), pytest.raises(ValueError, match=message):
        SemanticSegmentation(**{**SMALL, **settings})


def test_the_rate_is_mmsegmentations_poly():
    base, least, power, steps = 0.01, 1e-4, 0.9, 40_000
    for step in (0, 1, 7, 20_000, 39_999):
        wanted = (base - least) * (1 - step / steps) ** power + least
        assert base * poly(step / steps, power, least / base) == pytest.approx(wanted, rel=1e-12)


def test_the_loss_is_the_mean_over_the_judged_pixels_of_both_heads():
    task = SemanticSegmentation(**SMALL, num_classes=5, auxiliary_weight=0.4)
    logits, auxiliary = torch.randn(2, 2, 5, 4, 6)
    labels = torch.randint(0, 5, (2, 4, 6))
    labels[0, 0] = 255
    judged = labels != 255

    def mean(of):
        picked = of.log_softmax(1).gather(1, labels.where(judged, 0)[:, None])[:, 0]
        return -picked[judged].mean()

    assert torch.allclose(task.loss((logits, auxiliary), labels), mean(logits) + 0.4 * mean(auxiliary))
    assert pixel_cross_entropy(logits, torch.full_like(labels, 255)) == 0


def test_the_figure_is_the_mean_of_the_classes_that_are_there():
    task = SemanticSegmentation(**SMALL, num_classes=4)
    labels = torch.tensor([[[0, 0, 1, 255], [0, 1, 1, 255]]])
    found = torch.tensor([[[0, 1, 1, 3], [0, 1, 0, 2]]])
    task.iou["val_"].update(found, labels)
    wanted = torch.tensor([2 / 4, 2 / 4, torch.nan, torch.nan])  # what is not judged counts for no class
    assert torch.allclose(task._of_classes("val"), wanted, equal_nan=True)
    assert not task.iou["val_"].update_called


def test_predictions_are_pictures_in_the_colours_of_the_classes(tmp_path, capfd):
    data, output = write_cityscapes(tmp_path / "data"), tmp_path / "run"
    config = [
        "--config",
        str(CONFIGS / "paper" / "cityscapes.yaml"),
        f"--output={output}",
        f"--data.root={data}",
    ]
    small = [
        "--model.backbone=resnet18",
        "--model.channels=16",
        "--data.batch_size=2",
        "--data.num_workers=0",
    ]
    few = ["--data.crop_size=[32,64]", "--data.val_from_test=true", "--trainer.enable_progress_bar=false"]
    steps = ["--trainer.max_steps=2", "--trainer.val_check_interval=1", "--checkpoint_every=1"]
    main(["fit", *config, *small, *few, *steps])
    main(["predict", *config, *small, *few])
    said = capfd.readouterr().out
    assert "6 train, 2 val, 2 test scenes" in said and "the best checkpoint is chosen on them" in said
    checkpoint = torch.load(output / "checkpoints" / "best.ckpt", weights_only=True)
    task = SemanticSegmentation(**{k: v for k, v in checkpoint["hyper_parameters"].items() if k[0] != "_"})
    task.load_state_dict(checkpoint["state_dict"])
    for row in range(2):
        name = f"valstadt0/valstadt0_{row:06d}_000019_leftImg8bit.png"
        picture = Image.open(output / "predictions" / name)
        pixels = np.asarray(Image.open(data / "leftImg8bit" / "val" / name)).astype(np.float32) / 255
        mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
        image = torch.from_numpy((pixels - mean) / deviation).float().permute(2, 0, 1)[None]
        with torch.no_grad():
            classes = task.eval()(image).argmax(1)[0].numpy()
        assert (np.asarray(picture) == classes).mean() > 0.99  # ties of rounding
        assert np.array_equal(np.asarray(picture.convert("RGB")), COLOURS[np.asarray(picture)])
    assert (output / "predictions.csv").read_text(encoding="utf-8").startswith("image,accuracy")
