"""Nonlocal blocks by name, with plain values for settings: what a configuration file can say."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from experiments.tasks.variants import a2_unnormalised, snl
from gsp_nonlocal.blocks import NonlocalBlock, registry

Constructor = Callable[..., NonlocalBlock]
OWN: dict[str, Constructor] = {"snl": snl, "a2_unnormalised": a2_unnormalised}
"""Constructors beside the library's, or in place of one; all their arguments are plain values."""
_PARTS = ("channels", "affinity", "filter", "norm", "device", "dtype")


def block_names() -> list[str]:
    """All names, sorted."""
    return sorted({*registry.names(), *OWN})


def named_block(
    name: str | None,
    options: Mapping[str, Any] | None,
    settings: Mapping[str, int | str | None],
    *,
    gate: bool = True,
) -> Callable[[int], NonlocalBlock] | None:
    """Return a factory, called with the number of channels; None without a name.

    Args:
        name: One of :func:`block_names`, or None for no block.
        options: Arguments of the block's constructor as a user gave them, plain values; None for none.
        settings: A task's own arguments for the block, by name; None for one that was not given.
        gate: Passed on where the constructor has it and ``options`` do not.

    Raises:
        ValueError: If the name is unknown, the block takes no such argument or one is given twice, or there
            are options without a name.
    """
    if name is None:
        if options:
            raise ValueError(f"block_options={options} are for a named block; give block or leave them out")
        return None
    constructor = _constructor(name)
    given = _joined(name, options or {}, {k: v for k, v in settings.items() if v is not None})
    parts = ("channels",) if name in OWN else _PARTS
    offered = [key for key in inspect.signature(constructor).parameters if key not in parts]
    for key in sorted(given.keys() - set(offered)):
        raise ValueError(
            f"block {name!r} takes no {key} (got {given[key]!r}); leave it out or null, "
            f"the options of this block are {', '.join(offered)}"
        )
    return partial(constructor, **({"gate": gate} if "gate" in offered else {}) | given)


def _constructor(name: str) -> Constructor:
    if name in OWN:
        return OWN[name]
    if name not in registry.names():
        raise ValueError(f"unknown block {name!r}; choose one of: {', '.join(block_names())}")
    return registry.get(name)


def _joined(name: str, options: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    for key in options.keys() & settings.keys():
        raise ValueError(
            f"block {name!r} is given {key}={settings[key]!r} and {key}={options[key]!r} in block_options; "
            "leave one of them out"
        )
    return {**settings, **options}
