"""Networks by name: the paper's, torchvision's, timm's, and those for video."""

from collections.abc import Callable
from difflib import get_close_matches
from functools import partial

from torch import nn
from torchvision.models import get_model

from gsp_nonlocal.interop.library_models import SOURCES
from gsp_nonlocal.models import PreResNet
from gsp_nonlocal.reading import first_line

SMALL = 64
"""Images up to this size, in pixels, get a stem of one 3×3 convolution in ResNets, and no pooling."""
VIDEO = ("r3d_18", "mc3_18", "r2plus1d_18")


def build(name: str, num_classes: int, in_channels: int, image_size: int, dropout: float) -> nn.Module:
    """Return a network with random weights that gives logits ``(B, num_classes)``.

    Args:
        name: ``preresnet20``, ``56``, ``110``; ``preresnet83`` and ``164``, of bottleneck units, which the
            authors' code calls 56 and 110; ``resnet50``, ``101``, ``152``; ``torchvision.<name>``,
            ``timm.<name>``; ``r3d_18``, ``mc3_18`` and ``r2plus1d_18`` for clips ``(B, C, T, H, W)``.
        num_classes: Number of classes.
        in_channels: Channels of the images.
        image_size: Their height and width; a ResNet's stem depends on it.
        dropout: Drop probability before the classifier; of torchvision's and timm's networks their own.

    Raises:
        ValueError: If the name is unknown (near matches are listed), or the network is not for such images.
    """
    package, _, model = name.partition(".")
    if package in ("torchvision", "timm") and model:
        return _of_library(package, model, num_classes, in_channels)
    if name not in OWN:
        raise ValueError(_unknown(name))
    return OWN[name](num_classes, in_channels, image_size, dropout)


def _preresnet(depth: int, classes: int, channels: int, size: int, dropout: float) -> nn.Module:
    return PreResNet(depth, classes, channels, dropout=dropout, bottleneck=depth in (83, 164))


def _resnet(name: str, classes: int, channels: int, size: int, dropout: float) -> nn.Module:
    """torchvision's, with the authors' dropout, and for small images their stem.

    As in their code, a classifier of other than ImageNet's 1000 classes starts with Kaiming's normal numbers.
    """
    network = get_model(name, weights=None, num_classes=classes)
    if size <= SMALL:
        network.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        network.maxpool = nn.Identity()
    elif channels != 3:
        network.conv1 = nn.Conv2d(channels, 64, 7, 2, padding=3, bias=False)
    network.avgpool = nn.Sequential(network.avgpool, nn.Dropout(dropout))  # where keys stay torchvision's
    if classes != 1000:
        nn.init.kaiming_normal_(network.fc.weight, mode="fan_out", nonlinearity="relu")
    return network


def _video(name: str, classes: int, channels: int, size: int, dropout: float) -> nn.Module:
    if channels != 3:
        raise ValueError(f"backbone {name!r} takes clips of 3 channels, not in_channels={channels}")
    network = get_model(name, weights=None, num_classes=classes)
    network.avgpool = nn.Sequential(network.avgpool, nn.Dropout(dropout))
    return network


OWN: dict[str, Callable[[int, int, int, float], nn.Module]] = {
    **{f"preresnet{depth}": partial(_preresnet, depth) for depth in (20, 56, 110, 83, 164)},
    **{f"resnet{depth}": partial(_resnet, f"resnet{depth}") for depth in (50, 101, 152)},
    **{name: partial(_video, name) for name in VIDEO},
}


def _of_library(package: str, name: str, classes: int, channels: int) -> nn.Module:
    options = {"num_classes": classes}
    if package == "timm":
        options["in_chans"] = channels
    elif channels != 3:
        raise ValueError(
            f"backbone 'torchvision.{name}' takes images of 3 channels, not in_channels={channels}; choose a "
            f"preresnet, a resnet or timm.<name>"
        )
    library = SOURCES[package]
    try:
        return library.build(name, options)
    except Exception as error:  # a constructor of another package raises anything
        near = library.near(name)
        hint = f"; near matches: {', '.join(f'{package}.{one}' for one in near)}" if near else ""
        raise ValueError(f"backbone '{package}.{name}' cannot be built: {first_line(error)}{hint}") from error


def _unknown(name: str) -> str:
    near = get_close_matches(name, OWN, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return (
        f"unknown backbone {name!r}; {hint}choose one of {', '.join(OWN)}, torchvision.<name> or timm.<name>"
    )
