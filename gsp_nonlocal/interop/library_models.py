"""Networks of torchvision, timm and this library by name, with random weights: nothing is downloaded."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

from torch import nn

from gsp_nonlocal import models
from gsp_nonlocal.extras import naming_extra


class ModelSource(NamedTuple):
    """A package of networks: their names, and how one is built of its arguments."""

    names: Callable[[], list[str]]
    build: Callable[[str, Mapping[str, Any]], nn.Module]

    def near(self, model: str) -> list[str]:
        """Names like one that is unknown; none for one that is known."""
        known, name = self.names(), model.partition(".")[0]  # timm's go on with a tag of the weights
        return [] if name in known else get_close_matches(name, known)


def _torchvision_names() -> list[str]:
    with naming_extra():
        from torchvision.models import list_models

    return list_models()


def _torchvision(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    with naming_extra():
        from torchvision.models import get_model, get_model_builder

    takes = inspect.signature(get_model_builder(name)).parameters
    random = {key: None for key in ("weights", "weights_backbone") if key in takes}  # or it downloads some
    return get_model(name, **random, **arguments)


def _timm_names() -> list[str]:
    with naming_extra():
        import timm
    import gsp_nonlocal.interop.timm  # noqa: F401  # with ours

    return timm.list_models()


def _timm(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    with naming_extra():
        import timm
    import gsp_nonlocal.interop.timm  # noqa: F401  # with ours

    return timm.create_model(name, pretrained=False, **arguments)


def _own_names() -> list[str]:
    return [name for name in models.__all__ if inspect.isfunction(getattr(models, name))]


def _own(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    if name not in _own_names():
        raise ValueError(f"gsp_nonlocal.models has no {name!r}; it has {', '.join(_own_names())}")
    return getattr(models, name)(**arguments)


SOURCES = {
    "torchvision": ModelSource(_torchvision_names, _torchvision),
    "timm": ModelSource(_timm_names, _timm),
    "gsp_nonlocal": ModelSource(_own_names, _own),
}
"""By the first word of a network's name: ``torchvision.resnet50``."""
