"""Packages of models: how each names and builds them, and what images they take."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean
from typing import Any, NamedTuple

from gsp_nonlocal.cli.looked_at import IMAGENET, Network, pair
from gsp_nonlocal.cli.pictures import Format
from gsp_nonlocal.extras import naming_extra
from gsp_nonlocal.interop.library_models import SOURCES


class Library(NamedTuple):
    """How a package's networks are built, and what names of it are like one that is unknown."""

    build: Callable[[str, dict[str, Any]], Network]
    near: Callable[[str], list[str]]


def _torchvision(name: str, options: dict[str, Any]) -> Network:
    model = SOURCES["torchvision"].build(name, options)
    size = options.get("image_size", 224)
    return Network(model, Format(3, (size, size), *IMAGENET))


def _timm(name: str, options: dict[str, Any]) -> Network:
    model = SOURCES["timm"].build(name, options)
    with naming_extra():
        from timm.data import resolve_data_config

    config = resolve_data_config({}, model=model)  # knows nothing of the options
    channels, *size = config["input_size"]
    height, width = pair(options.get("img_size", size))
    mean, std = tuple(config["mean"]), tuple(config["std"])
    if options.get("in_chans", channels) == 1:
        return Network(model, Format(1, (height, width), (fmean(mean),), (fmean(std),)))
    return Network(model, Format(options.get("in_chans", channels), (height, width), mean, std))


def _hugging_face(name: str, options: dict[str, Any]) -> Network:
    from gsp_nonlocal.cli.transformers_models import transformers_model

    return transformers_model(name, options)


def _hugging_face_near(name: str) -> list[str]:
    from gsp_nonlocal.cli.transformers_models import near_kinds

    return near_kinds(name)


LIBRARIES = {
    "torchvision": Library(_torchvision, SOURCES["torchvision"].near),
    "timm": Library(_timm, SOURCES["timm"].near),
    "hf": Library(_hugging_face, _hugging_face_near),
}
"""By the first word of a model's name."""
