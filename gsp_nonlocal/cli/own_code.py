"""Models of the user's own code, by the path of their import."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from statistics import fmean
from typing import Any

from torch import nn

from gsp_nonlocal.cli.looked_at import IMAGENET, Network
from gsp_nonlocal.cli.pictures import Format


def own_model(name: str, options: Mapping[str, Any]) -> Network:
    """Build a model of the user's own code.

    Args:
        name: ``"package.module:callable"``, as seen from the current folder; a function or a class.
        options: its arguments.

    Raises:
        ValueError: If there is no such thing in the module, or it makes no model.
        Exception: What the module or the callable raise.
    """
    module_name, _, attribute = name.partition(":")
    if os.getcwd() not in sys.path:  # noqa: PTH109  (a path of imports is a text)
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    module = import_module(module_name)
    build = getattr(module, attribute, None)
    if not callable(build):
        close = get_close_matches(attribute, dir(module))
        near = f"; near matches: {', '.join(close)}" if close else ""
        raise ValueError(f"{module_name} has no function or class {attribute!r}{near}")
    model = build(**options)
    if not isinstance(model, nn.Module):
        raise ValueError(f"{attribute} returned a {type(model).__name__}, which is no nn.Module")
    form = Format(_channels(model), (224, 224), *((fmean(values),) for values in IMAGENET))
    said = "images are resized to 224 × 224 and normalised, unless --size, --mean and --std say otherwise"
    return Network(model, form, trained=True, notes=(said,))


def _channels(model: nn.Module) -> int:
    """Colours, unless the first convolution takes one channel."""
    first = next((module.in_channels for module in model.modules() if isinstance(module, nn.Conv2d)), 3)
    return 1 if first == 1 else 3
