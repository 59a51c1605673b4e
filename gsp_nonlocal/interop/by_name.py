"""Blocks and filters by name, with plain values for settings: what a configuration can say."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial
from typing import Any

import filters
from gsp_nonlocal.blocks import NonlocalBlock, registry
from gsp_nonlocal.blocks.nonlocal_block import FilterFactory, NormFactory

_PARTS = ("channels", "affinity", "norm", "device", "dtype")
"""Arguments of blocks that are no plain values, or that are not a configuration's to set."""


def block_by_name(
    name: str, settings: Mapping[str, Any], *, norm: NormFactory | None = None
) -> Callable[[int], NonlocalBlock]:
    """A factory of blocks, called with the number of channels.

    Args:
        name: of :data:`gsp_nonlocal.blocks.registry`: ``"snl"``.
        settings: arguments of the block's constructor; ``filter`` by its name, with ``order``.
        norm: of the block, where its constructor takes one.

    Raises:
        ValueError: for an unknown name, or a setting that this block does not have.

    Example:
        >>> block_by_name("snl", {"filter": "cayley", "order": 2, "inner_channels": 8})(32)
        SNL(
          channels=32, inner_channels=8
          ...
        >>> block_by_name("cgnl", {"group": 4})
        Traceback (most recent call last):
        ...
        ValueError: block 'cgnl' takes no group (got 4); did you mean groups? Its settings are
        inner_channels, groups, order, gamma, gate
    """
    constructor = registry.get(name)
    parameters = inspect.signature(constructor).parameters
    _require_known(name, settings, [key for key in parameters if key not in _PARTS])
    given = dict(settings)
    if given.get("filter") is not None:
        given["filter"] = filter_by_name(given["filter"], given.pop("order", None))
    if norm is not None and "norm" in parameters:
        given["norm"] = norm
    return partial(constructor, **given)


def filter_by_name(name: str, order: int | None = None) -> FilterFactory:
    """A factory of filters, called with channels in and out.

    Args:
        name: of :data:`filters.registry`: ``"cayley"``.
        order: of the filter; 1 by default where it has one.

    Raises:
        ValueError: for an unknown name, or an order for a filter that has none.

    Example:
        >>> filter_by_name("diffusion")(4, 8).formula
        '(μ − 1) W'
    """
    factory = filters.registry.get(name)
    if "order" in inspect.signature(factory).parameters:
        return partial(factory, order=1 if order is None else order)
    if order is not None:
        raise ValueError(f"filter {name!r} has no order (got order={order}); leave order out or null")
    return factory


def _require_known(name: str, settings: Mapping[str, Any], known: list[str]) -> None:
    for key in sorted(set(settings) - set(known)):
        near = get_close_matches(key, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}? Its" if near else "its"
        offered = f"{hint} settings are {', '.join(known)}"
        raise ValueError(f"block {name!r} takes no {key} (got {settings[key]!r}); {offered}")
