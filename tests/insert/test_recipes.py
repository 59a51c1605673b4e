"""Detection, segmentation and video of torchvision, and segmentation-models-pytorch: blocks learn there."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import detection, segmentation, video
from torchvision.ops import FrozenBatchNorm2d

from gsp_nonlocal import CC, NL, SNL, insert_blocks, inserted_blocks
from tests.cases.blocks import open_gates

RANDOM = {"weights": None, "weights_backbone": None}
SMALL = {
    "min_size": 64,
    "max_size": 64,
    "rpn_pre_nms_top_n_train": 50,
    "rpn_pre_nms_top_n_test": 20,
    "box_batch_size_per_image": 16,
}
"""Images and proposals of a detector that takes a second."""
PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"


@dataclass(frozen=True)
class Recipe:
    """A model, what goes where, its widths there, an input, and a loss of one training step."""

    model: Callable[[], nn.Module]
    blocks: dict[str, Any]
    widths: list[int]
    x: Callable[[], Any]
    loss: Callable[[nn.Module, Any], Tensor]
    example: bool = False


def images(*size: int) -> Callable[[], Tensor]:
    return lambda: torch.randn(2, *size, generator=torch.Generator().manual_seed(0))


def detection_loss(model: nn.Module, x: Tensor) -> Tensor:
    box, mask = torch.tensor([[8.0, 8.0, 40.0, 48.0]]), torch.zeros(1, 64, 64, dtype=torch.uint8)
    mask[:, 8:48, 8:40] = 1
    target = {"boxes": box, "labels": torch.tensor([1]), "masks": mask}
    return torch.stack([*model(list(x), [target] * len(x)).values()]).sum()


def pixel_loss(model: nn.Module, x: Tensor) -> Tensor:
    found = model(x)
    maps = [*found.values()] if isinstance(found, dict) else [found]
    classes = torch.ones(len(x), *x.shape[2:], dtype=torch.long)
    return torch.stack([nn.functional.cross_entropy(one, classes) for one in maps]).sum()


def label_loss(model: nn.Module, x: Tensor) -> Tensor:
    return nn.functional.cross_entropy(model(x), torch.tensor([0, 2]))


def smp(name: str, *arguments: Any) -> nn.Module:
    package = pytest.importorskip(
        "segmentation_models_pytorch",
        reason="segmentation-models-pytorch is not installed; make test-peers brings it",
    )
    return getattr(package, name)(*arguments, encoder_weights=None, classes=3)


RECIPES = {
    "Mask R-CNN, as the NL paper": Recipe(
        partial(detection.maskrcnn_resnet50_fpn, **RANDOM, num_classes=3, **SMALL),
        {"backbone.body.layer3.4": SNL},
        [1024],
        images(3, 64, 64),
        detection_loss,
    ),
    "Mask R-CNN, frozen batch norms, group norm in the block": Recipe(
        partial(
            detection.maskrcnn_resnet50_fpn,
            **RANDOM,
            num_classes=3,
            **SMALL,
            norm_layer=FrozenBatchNorm2d,
        ),
        {"backbone.body.layer3.4": partial(NL, norm=partial(nn.GroupNorm, 32))},
        [1024],
        images(3, 64, 64),
        detection_loss,
    ),
    "FCN": Recipe(
        partial(segmentation.fcn_resnet50, **RANDOM, num_classes=3, aux_loss=True),
        {"backbone.layer3.4": SNL, "classifier.2": CC},
        [1024, 512],
        images(3, 64, 64),
        pixel_loss,
        example=True,
    ),
    "DeepLab": Recipe(
        partial(segmentation.deeplabv3_resnet50, **RANDOM, num_classes=3),
        {"backbone.layer3.4": SNL},
        [1024],
        images(3, 64, 64),
        pixel_loss,
    ),
    "R3D-18": Recipe(
        partial(video.r3d_18, weights=None, num_classes=3),
        {"layer2.*": SNL, "layer3.0": NL},
        [128, 128, 256],
        images(3, 8, 32, 32),
        label_loss,
    ),
    "U-Net of smp, encoder and decoder": Recipe(
        partial(smp, "Unet", "resnet18"),
        {"encoder.layer3.0": SNL, "decoder.blocks.1": SNL},
        [256, 128],
        images(3, 64, 64),
        pixel_loss,
        example=True,
    ),
    "FPN of smp on a timm encoder": Recipe(
        partial(smp, "FPN", "tu-mobilenetv3_small_050"),
        {"encoder.model.blocks.3": SNL},
        [24],
        images(3, 64, 64),
        pixel_loss,
        example=True,
    ),
}


@pytest.fixture(params=RECIPES)
def recipe(request):
    return RECIPES[request.param]


def built(recipe: Recipe) -> nn.Module:
    torch.manual_seed(0)
    model = recipe.model()
    return insert_blocks(model, recipe.blocks, example=recipe.x()[:1] if recipe.example else None)


def test_a_step_gives_every_block_a_finite_gradient_and_evaluation_runs(recipe):
    model = built(recipe)
    found = inserted_blocks(model)
    assert [record.channels for record in found] == recipe.widths
    open_gates(model)
    torch.manual_seed(1)  # of what a detector samples
    loss = recipe.loss(model.train(), recipe.x())
    loss.backward()
    assert loss.isfinite()
    for record in found:
        gradients = [p.grad for p in record.block.parameters()]
        assert all(g is not None and g.isfinite().all() for g in gradients)
        assert any(g.abs().max() > 0 for g in gradients)
    with torch.no_grad():
        results = model.eval()(recipe.x())
    assert len(results) == len(recipe.x()) or set(results) <= {"out", "aux"}


@pytest.mark.parametrize("code", re.findall(r"```py\n(.*?)```", PAGE.read_text(), flags=re.DOTALL))
def test_the_example_of_the_page_runs(code):
    pytest.importorskip(
        "segmentation_models_pytorch",
        reason="segmentation-models-pytorch is not installed; make test-peers brings it",
    )
    exec(compile(code, "page", "exec"), {})  # our own text
