"""A ResNet with dilated layers and heads that give each pixel a class."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.models._utils import IntermediateLayerGetter

from experiments.backbones.pretrained import load_pretrained
from gsp_nonlocal.interop.library_models import SOURCES
from gsp_nonlocal.reading import first_line

STRIDE = 8


class Segmenter(nn.Module):
    """Logits ``(B, classes, H, W)`` of images ``(B, 3, H, W)``, and those of an auxiliary head in training.

    ``upsampled(head(layer4(…)))``: a ResNet whose maps are ``H/8 × W/8`` (dilations 1, 1, 2, 4), a head
    with a nonlocal block, and an auxiliary head on layer 3. Maps are enlarged bilinearly.

    Args:
        backbone: Name of a ResNet of timm: ``resnet50``; ``resnet50c`` has three 3×3 convolutions in place of
            its 7×7, as mmsegmentation's ResNetV1c.
        num_classes: Number of classes.
        block: Factory of the block, called with a number of channels; None for none.
        channels: Width of the head; the auxiliary one has half of it.
        dropout: Drop probability of channels before each classifier.
        auxiliary: Whether there is an auxiliary head.
        pretrained: A file of weights of the backbone, torchvision's, timm's or mmsegmentation's.

    Raises:
        ValueError: If the name is unknown (near matches are listed) or no ResNet, or the file does not fit.

    References:
        The code of Zhu et al. (2021), on mmsegmentation.
    """

    def __init__(
        self,
        backbone: str = "resnet50c",
        num_classes: int = 19,
        block: Callable[[int], nn.Module] | None = None,
        channels: int = 512,
        dropout: float = 0.1,
        auxiliary: bool = True,
        pretrained: str | None = None,
    ) -> None:
        super().__init__()
        network, (low, high) = _dilated(backbone)
        self.left = [] if pretrained is None else load_pretrained(network, pretrained)
        self.backbone = IntermediateLayerGetter(network, {"layer3": "layer3", "layer4": "layer4"})
        self.head = Head(high, channels, num_classes, block, dropout)
        self.auxiliary = AuxiliaryHead(low, channels // 2, num_classes, dropout) if auxiliary else None

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return the logits; in training with an auxiliary head the pair of both heads' logits."""
        maps = self.backbone(images)
        logits = _enlarged(self.head(maps["layer4"]), images)
        if self.training and self.auxiliary is not None:
            return logits, _enlarged(self.auxiliary(maps["layer3"]), images)
        return logits


class Head(nn.Module):
    """``classify(convolve([x, convolve(block(convolve(x)))]))``, all convolutions 3×3 with norm and ReLU.

    Args:
        in_channels: Channels of the map.
        channels: Width.
        num_classes: Number of classes.
        block: Factory of the block between the first two convolutions; None for none.
        dropout: Drop probability of channels before the classifier.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        num_classes: int,
        block: Callable[[int], nn.Module] | None,
        dropout: float,
    ) -> None:
        super().__init__()
        self.reduce = _convolution(in_channels, channels)
        self.block = nn.Identity() if block is None else block(channels)
        self.refine = _convolution(channels, channels)
        self.join = _convolution(in_channels + channels, channels)
        self.classify = _classifier(channels, num_classes, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits of the map's size."""
        refined = self.refine(self.block(self.reduce(x)))
        return self.classify(self.join(torch.cat([x, refined], dim=1)))


class AuxiliaryHead(nn.Sequential):
    """``classify(convolve(x))``."""

    def __init__(self, in_channels: int, channels: int, num_classes: int, dropout: float) -> None:
        super().__init__(_convolution(in_channels, channels), _classifier(channels, num_classes, dropout))


def _convolution(in_channels: int, channels: int) -> nn.Sequential:
    convolution = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(convolution, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


def _classifier(channels: int, num_classes: int, dropout: float) -> nn.Sequential:
    linear = nn.Conv2d(channels, num_classes, 1)
    nn.init.normal_(linear.weight, std=0.01)
    nn.init.zeros_(linear.bias)  # type: ignore[arg-type]
    return nn.Sequential(nn.Dropout2d(dropout), linear)


def _enlarged(logits: Tensor, images: Tensor) -> Tensor:
    return interpolate(logits, size=images.shape[2:], mode="bilinear", align_corners=False)


def _dilated(name: str) -> tuple[nn.Module, list[int]]:
    """A ResNet of timm with dilated layers 3 and 4, and the channels of their maps."""
    library, model = SOURCES["timm"], name.removeprefix("timm.")
    try:
        network = library.build(model, {"output_stride": STRIDE})
    except Exception as error:  # a constructor of another package raises anything
        near = library.near(model)
        hint = f"; near matches: {', '.join(near)}" if near else "; choose a ResNet of timm, as resnet50c"
        raise ValueError(f"backbone {name!r} cannot be built: {first_line(error)}{hint}") from error
    children = [child for child, _ in network.named_children()]
    if [child for child in children if child.startswith("layer")] != [f"layer{n}" for n in range(1, 5)]:
        raise ValueError(f"backbone {name!r} has no layer1 to layer4; choose a ResNet of timm, as resnet50c")
    return network, [one["num_chs"] for one in network.feature_info][-2:]  # type: ignore[union-attr]
