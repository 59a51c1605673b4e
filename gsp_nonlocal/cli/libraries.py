"""Packages of models: how each names and builds them, without weights, and what images they take."""

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from statistics import fmean
from typing import Any, NamedTuple

from torch import nn

from gsp_nonlocal.cli.pictures import Format
from gsp_nonlocal.extras import naming_extra

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Means and standard deviations of the channels, by which torchvision's weights were trained."""


class Library(NamedTuple):
    """How a package of models names and builds them."""

    names: Callable[[], list[str]]
    build: Callable[[str, dict[str, Any]], tuple[nn.Module, Format]]

    def near(self, model: str) -> list[str]:
        """Names like one that is unknown."""
        known, name = self.names(), model.partition(".")[0]  # timm's go on with a tag of the weights
        return [] if name in known else get_close_matches(name, known)


def _torchvision_names() -> list[str]:
    with naming_extra():
        from torchvision.models import list_models

    return list_models()


def _torchvision(name: str, options: dict[str, Any]) -> tuple[nn.Module, Format]:
    with naming_extra():
        from torchvision.models import get_model, get_model_builder

    takes = inspect.signature(get_model_builder(name)).parameters
    random = {key: None for key in ("weights", "weights_backbone") if key in takes}  # or it downloads some
    model = get_model(name, **random, **options)
    size = options.get("image_size", 224)
    return model, Format(3, (size, size), *IMAGENET)


def _timm_names() -> list[str]:
    with naming_extra():
        import timm

    return timm.list_models()


def _timm(name: str, options: dict[str, Any]) -> tuple[nn.Module, Format]:
    with naming_extra():
        import timm

    model = timm.create_model(name, pretrained=False, **options)
    config = timm.data.resolve_data_config({}, model=model)  # knows nothing of the options
    channels, *size = config["input_size"]
    height, width = _pair(options.get("img_size", size))
    mean, std = tuple(config["mean"]), tuple(config["std"])
    if options.get("in_chans", channels) == 1:
        return model, Format(1, (height, width), (fmean(mean),), (fmean(std),))
    return model, Format(options.get("in_chans", channels), (height, width), mean, std)


def _pair(size: Any) -> tuple[int, int]:
    height, width = size if isinstance(size, list) else (size, size)
    return height, width


LIBRARIES = {"torchvision": Library(_torchvision_names, _torchvision), "timm": Library(_timm_names, _timm)}
"""By the first word of a model's name."""
