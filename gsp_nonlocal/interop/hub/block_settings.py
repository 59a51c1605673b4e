"""A nonlocal block as plain values, from which it is built again."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import partial
from typing import Any

from torch import nn

import filters
from gsp_nonlocal import affinity, blocks
from gsp_nonlocal.blocks import NonlocalBlock

Settings = dict[str, Any]

_RUNNING = ("eps", "momentum", "affine", "track_running_stats")
_NORMS: dict[str, tuple[type[nn.Module], str, tuple[str, ...]]] = {
    "batch_norm": (nn.BatchNorm1d, "num_features", _RUNNING),
    "instance_norm": (nn.InstanceNorm1d, "num_features", _RUNNING),
    "group_norm": (nn.GroupNorm, "num_channels", ("num_groups", "eps", "affine")),
    "identity": (nn.Identity, "channels", ()),
}
"""Norms of a block by name: the class, its argument for the channels, and its settings."""
_LEFT_OUT = ("channels", "in_channels", "out_channels", "device", "dtype", "self")
_READ: dict[str, Callable[[NonlocalBlock], Any]] = {
    "stages": lambda block: len(block.units),
    "gate": lambda block: block.units[0].gate is not None,
    "bias": lambda block: _has_bias(block.affinity),
}
"""Arguments of a block that are no attribute of it."""


def constructors() -> dict[str, Callable[..., NonlocalBlock]]:
    """Blocks by the names that a configuration uses."""
    return {name: blocks.registry.get(name) for name in blocks.registry} | {"nonlocal_block": NonlocalBlock}


def settings_of(block: nn.Module) -> tuple[str, Settings]:
    """Name and arguments of a block: numbers, words, and ``{"name": …, …}`` for filter, affinity and norm.

    Raises:
        ValueError: for what is no block of a name, or has a part without one.

    Example:
        >>> from gsp_nonlocal import SNL
        >>> name, settings = settings_of(SNL(8, order=3))
        >>> name, settings["filter"]
        ('snl', {'name': 'chebyshev', 'order': 3})
    """
    kind = next((name for name, made in constructors().items() if made is type(block)), None)
    if kind is None or not isinstance(block, NonlocalBlock):
        raise ValueError(f"{type(block).__name__} is none of the blocks {', '.join(constructors())}")
    names = inspect.signature(type(block)).parameters.keys() - set(_LEFT_OUT)
    if "filter" in names:
        names -= {"order"}  # the filter's own
    found = {name: _value(block, name) for name in sorted(names)}
    return kind, {name: value for name, value in found.items() if _is_plain(value)}


def block_factory(kind: str, settings: Mapping[str, Any]) -> Callable[[int], NonlocalBlock]:
    """The inverse of :func:`settings_of`: called with a number of channels.

    Raises:
        ValueError: for an unknown name of a block, of an argument or of a part; near matches are listed.
    """
    constructor = _known(kind, constructors(), "block")
    offered = inspect.signature(constructor).parameters.keys() - set(_LEFT_OUT)
    arguments = {
        _named(name, offered, f"argument of the block {kind!r}"): _argument(name, value)
        for name, value in settings.items()
    }
    return partial(constructor, **arguments)


def _value(block: NonlocalBlock, name: str) -> Any:
    if name in _PARTS:
        return _PARTS[name](block)
    if name in _READ:
        return _READ[name](block)
    for owner in (block.affinity, block, block.vertices):
        if _is_plain(getattr(owner, name, ...)):
            return getattr(owner, name)
    return ...


def _filter_of(block: NonlocalBlock) -> Settings:
    return _part(block.units[0].filter, {name: filters.registry.get(name) for name in filters.registry})


def _affinity_of(block: NonlocalBlock) -> Settings:
    known = {name: affinity.registry.get(name) for name in affinity.registry}
    found = _part(block.affinity, known)
    takes = inspect.signature(type(block.affinity)).parameters
    return found | ({"bias": _has_bias(block.affinity)} if "bias" in takes else {})


def _norm_of(block: NonlocalBlock) -> Settings:
    norm = block.units[0].norm
    for name, (kind, _, keys) in _NORMS.items():
        if type(norm) is kind:
            return {"name": name, **{key: getattr(norm, key) for key in keys}}
    raise ValueError(f"its norm {norm} is none of {', '.join(_NORMS)}")


def _part(module: nn.Module, known: Mapping[str, Any]) -> Settings:
    """Name and arguments of a filter or an affinity."""
    name = next((name for name, kind in known.items() if kind is type(module)), None)
    if name is None:
        raise ValueError(f"its part {module} is none of {', '.join(known)}")
    keys = sorted(inspect.signature(type(module)).parameters.keys() - {*_LEFT_OUT, "inner_channels"})
    values = {key: getattr(module, key, ...) for key in keys}
    return {"name": name, **{key: value for key, value in values.items() if _is_plain(value)}}


_PARTS: dict[str, Callable[[NonlocalBlock], Settings]] = {
    "filter": _filter_of,
    "affinity": _affinity_of,
    "norm": _norm_of,
}


def _argument(name: str, value: Any) -> Any:
    """The argument of a constructor that a configuration's value stands for."""
    if name not in _PARTS:
        if isinstance(value, Mapping):
            raise ValueError(f"{name} is a plain value, got {value!r}")
        return value
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        raise ValueError(f'{name} is {{"name": …}} with its settings, got {value!r}')
    settings = {key: setting for key, setting in value.items() if key != "name"}
    if any(isinstance(setting, Mapping) for setting in settings.values()):
        raise ValueError(f"settings of {name} are plain values, got {settings}")
    if name == "norm":
        return _norm(value["name"], settings)
    registry: Any = filters.registry if name == "filter" else affinity.registry
    return _checked_part(name, value["name"], registry.get(value["name"]), settings)


def _norm(name: str, settings: Settings) -> Callable[[int], nn.Module]:
    kind, channels, keys = _known(name, _NORMS, "norm")
    for key in settings:
        _named(key, keys, f"setting of the norm {name!r}")
    return lambda width: kind(**{channels: width}, **settings)


def _checked_part(part: str, name: str, kind: Callable[..., Any], settings: Settings) -> Callable[..., Any]:
    offered = inspect.signature(kind).parameters.keys() - {*_LEFT_OUT, "inner_channels"}
    for key in settings:
        _named(key, offered, f"setting of the {part} {name!r}")
    return partial(kind, **settings)


def _has_bias(module: nn.Module) -> bool:
    return any(name.endswith("bias") for name, _ in module.named_parameters())


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str | dict)


def _known(name: str, table: Mapping[str, Any], what: str) -> Any:
    return table[_named(name, table, what)]


def _named(name: str, known: Iterable[str], what: str) -> str:
    """``name``, if it is known.

    Raises:
        ValueError: with near matches, or all.
    """
    names = sorted(known)
    if name not in names:
        near = get_close_matches(str(name), names, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"unknown {what} {name!r}; {hint}choose one of {', '.join(names)}")
    return name
