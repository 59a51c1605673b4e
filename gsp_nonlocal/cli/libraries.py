"""Packages of models: how each names and builds them, without weights, and what images they take."""

from collections.abc import Callable
from statistics import fmean
from typing import Any, NamedTuple

from torch import nn

from gsp_nonlocal.cli.pictures import Format
from gsp_nonlocal.extras import naming_extra
from gsp_nonlocal.interop.library_models import SOURCES, ModelSource

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Means and standard deviations of the channels, by which torchvision's weights were trained."""


class Library(NamedTuple):
    """A package of networks, and how one is built, with the images that it takes."""

    source: ModelSource
    build: Callable[[str, dict[str, Any]], tuple[nn.Module, Format]]

    def near(self, model: str) -> list[str]:
        """Names like one that is unknown."""
        return self.source.near(model)


def _torchvision(name: str, options: dict[str, Any]) -> tuple[nn.Module, Format]:
    model = SOURCES["torchvision"].build(name, options)
    size = options.get("image_size", 224)
    return model, Format(3, (size, size), *IMAGENET)


def _timm(name: str, options: dict[str, Any]) -> tuple[nn.Module, Format]:
    model = SOURCES["timm"].build(name, options)
    with naming_extra():
        from timm.data import resolve_data_config

    config = resolve_data_config({}, model=model)  # knows nothing of the options
    channels, *size = config["input_size"]
    height, width = _pair(options.get("img_size", size))
    mean, std = tuple(config["mean"]), tuple(config["std"])
    if options.get("in_chans", channels) == 1:
        return model, Format(1, (height, width), (fmean(mean),), (fmean(std),))
    return model, Format(options.get("in_chans", channels), (height, width), mean, std)


def _pair(size: Any) -> tuple[int, int]:
    height, width = size if isinstance(size, list) else (size, size)
    return height, width


LIBRARIES = {
    "torchvision": Library(SOURCES["torchvision"], _torchvision),
    "timm": Library(SOURCES["timm"], _timm),
}
"""By the first word of a model's name."""
