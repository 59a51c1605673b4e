"""A network with blocks as plain JSON: library, name and arguments, and what was inserted where."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Set
from typing import Any, TypeGuard

import torch
from torch import nn

from gsp_nonlocal.insert import CHILD, OutputLayout, Tokens, inserted_blocks, remove_blocks
from gsp_nonlocal.insert.attachment import Place, attach, place_of
from gsp_nonlocal.insert.layouts import NAMES, as_layout
from gsp_nonlocal.insert.paths import modules_by_path, near
from gsp_nonlocal.interop.hub.block_settings import block_factory, settings_of
from gsp_nonlocal.interop.library_models import SOURCES
from gsp_nonlocal.reading import first_line

FORMAT = 1
_KEYS = {"format", "architecture", "settings", "blocks"}
_BLOCK_KEYS = {"block", "channels", "layout", "runs_children", "settings"}
_LOADING = ("pretrained", "weights", "checkpoint", "cache")
"""How arguments begin by which torchvision and timm read files or addresses."""


def configuration(network: nn.Module, model: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What :func:`build` makes the network of again, weights aside.

    Args:
        network: with blocks or without.
        model: ``"torchvision.resnet50"``, ``"timm.resnet50_snl"``, ``"gsp_nonlocal.preresnet20"``.
        arguments: those that the library's constructor was given, plain values: ``{"num_classes": 10}``.

    Returns:
        Dictionaries, lists, numbers and texts, as JSON holds them.

    Raises:
        ValueError: for an unknown model, arguments that are no plain values, a block whose settings have no
            name, and a network that is not what comes out of the configuration; it names the difference.

    Example:
        >>> from gsp_nonlocal import SNL
        >>> from gsp_nonlocal.models import preresnet20
        >>> config = configuration(preresnet20(block=SNL), "gsp_nonlocal.preresnet20", {})
        >>> config["architecture"], list(config["blocks"])
        ('gsp_nonlocal.preresnet20', ['layer3.1'])
    """
    found = {
        "format": FORMAT,
        "architecture": model,
        "settings": dict(arguments),
        "blocks": {record.path: _block_record(network, record.path) for record in inserted_blocks(network)},
    }
    try:
        plain: dict[str, Any] = json.loads(json.dumps(found, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ValueError(f"arguments are plain values, as JSON holds them, got {dict(arguments)}") from error
    with torch.random.fork_rng(devices=[]):
        _require_same(network, build(plain), model, arguments)
    return plain


def build(config: Mapping[str, Any]) -> nn.Module:
    """The network of a :func:`configuration`, with random weights. Nothing in it is run as code.

    Args:
        config: what :func:`configuration` returned, after JSON too.

    Returns:
        The network with its blocks, as its constructor leaves it: in training mode.

    Raises:
        ValueError: for a configuration of another form, unknown names, arguments that would read files, and
            what constructors refuse.

    Example:
        >>> from gsp_nonlocal import SNL
        >>> from gsp_nonlocal.models import preresnet20
        >>> config = configuration(preresnet20(5, block=SNL), "gsp_nonlocal.preresnet20", {"num_classes": 5})
        >>> print(inserted_blocks(build(config)))
        path      block  channels  layout
        layer3.1  SNL    64        ChannelsFirst()
    """
    if not _is_record(config, _KEYS) or config["format"] != FORMAT or not _is_record(config["blocks"]):
        raise ValueError(
            f"config.json is no configuration of format {FORMAT} of gsp-nonlocal, which has the keys "
            f"{', '.join(sorted(_KEYS))}; give another folder or repository"
        )
    network = _library_network(config["architecture"], config["settings"])
    if inserted_blocks(network):
        remove_blocks(network)  # as of resnet50_snl: the configuration has them all
    modules = modules_by_path(network)
    for path, record in config["blocks"].items():
        if path not in modules:
            listed = ", ".join(near(path, modules))
            raise ValueError(
                f"config.json: {config['architecture']} has no module {path!r}; near matches: {listed}"
            )
        _insert(modules[path], path, record)
    return network


def _is_record(value: Any, keys: Set[str] | None = None) -> TypeGuard[Mapping[str, Any]]:
    """Whether it is an object of JSON, with these keys."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        return False
    return keys is None or value.keys() == keys


def _library_network(model: Any, arguments: Any) -> nn.Module:
    package, _, name = str(model).partition(".")
    if package not in SOURCES or not name or not _is_record(arguments):
        raise ValueError(
            f"unknown model {model!r}; it is <library>.<name> of {', '.join(SOURCES)}: torchvision.resnet50"
        )
    for key in arguments:
        if key.startswith(_LOADING):
            raise ValueError(f"argument {key} of {model} would read weights from elsewhere; leave it out")
    source = SOURCES[package]
    if name.partition(".")[0] not in source.names():
        listed = ", ".join(source.near(name)) or "none"
        raise ValueError(f"{package} has no model {name!r}; near matches: {listed}")
    try:
        return source.build(name, arguments)
    except Exception as error:  # a constructor of another package raises anything
        raise ValueError(f"{model} with {dict(arguments)} cannot be built: {first_line(error)}") from error


def _block_record(network: nn.Module, path: str) -> dict[str, Any]:
    target = network.get_submodule(path)
    place, block = place_of(target), target.get_submodule(CHILD)
    if place is None:  # what inserted_blocks lists has one
        raise ValueError(f"no block was inserted at {path!r}")
    try:
        kind, settings = settings_of(block)
    except ValueError as error:
        raise ValueError(f"the block at {path!r} has no configuration: {error}") from error
    return {
        "block": kind,
        "channels": block.channels,
        "layout": _layout_record(place.layout),
        "runs_children": place.runs_children,
        "settings": settings,
    }


def _insert(target: nn.Module, path: str, record: Any) -> None:
    if not _is_record(record, _BLOCK_KEYS) or not _is_record(record["settings"]):
        raise ValueError(
            f"config.json: the block at {path!r} has not {', '.join(sorted(_BLOCK_KEYS))}: {record!r}"
        )
    try:
        block = block_factory(record["block"], record["settings"])(record["channels"])
        place = Place(record["channels"], _layout(record["layout"]), bool(record["runs_children"]))
    except (TypeError, ValueError) as error:
        raise ValueError(f"config.json: the block at {path!r} cannot be built: {error}") from error
    attach(target, block, place)


def _layout_record(layout: OutputLayout) -> dict[str, Any]:
    if isinstance(layout, Tokens):
        return {"name": "tokens", "prefix": layout.prefix, "grid": layout.grid}
    for name, known in NAMES.items():
        if known == layout:
            return {"name": name}
    raise ValueError(f"the layout {layout} has no name; those that have are {', '.join(NAMES)}")


def _layout(record: Any) -> OutputLayout:
    if not isinstance(record, Mapping) or not isinstance(record.get("name"), str):
        raise ValueError(f'layout is {{"name": …}}, got {record!r}')
    known = as_layout(record["name"])
    if not isinstance(known, Tokens):
        return known
    return Tokens(record.get("prefix", 0), record.get("grid"))


def _require_same(network: nn.Module, again: nn.Module, model: str, arguments: Mapping[str, Any]) -> None:
    """Raise unless both networks have the same modules with the same settings, and weights of one shape."""
    ours, theirs = _facts(network), _facts(again)
    different = next((key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)), None)
    if different is not None:
        raise ValueError(
            f"{different or 'the network'} is {ours.get(different, 'absent')}, and in {model} with "
            f"{dict(arguments)} it is {theirs.get(different, 'absent')}; give the model and the arguments it "
            "was made with; what was changed by hand, and parts without a name, have no configuration"
        )


def _facts(network: nn.Module) -> dict[str, str]:
    """By path: what a module is, with its settings; the shape of a tensor of its state."""
    facts = {path: _fact(module) for path, module in network.named_modules()}
    for record in inserted_blocks(network):
        inside = record.block.named_modules(prefix=f"{record.path}.{CHILD}".lstrip("."))
        facts |= {
            path: f"{facts[path]} {_plain_attributes(module)}" for path, module in inside if path in facts
        }
    return facts | {key: str(tuple(value.shape)) for key, value in network.state_dict().items()}


def _fact(module: nn.Module) -> str:
    said = re.sub(r" at 0x[0-9a-f]+", "", module.extra_repr())
    return f"{type(module).__module__}.{type(module).__qualname__}({said})"


def _plain_attributes(module: nn.Module) -> dict[str, Any]:
    kinds = bool | int | float | str | tuple | None
    own = {key: value for key, value in vars(module).items() if isinstance(value, kinds)}
    return {key: own[key] for key in sorted(own) if not key.startswith("_") and key != "training"}
