"""Filters and affinities as the text that makes them, built from the packages: new ones are drawn too."""

from __future__ import annotations

import inspect
from functools import cache, partial
from itertools import product
from typing import Any

import torch
from torch import nn

import filters
from filters import SpectralFunction
from gsp_nonlocal import affinity as affinities
from gsp_nonlocal import blocks

AFFINITY_CHANNELS = 3

FILTER_OPTIONS: dict[str, list[Any]] = {
    "order": [0, 1, 2, 3, 5],
    "zoom": [0.3, 1.0, 20.0, (0.5, 4.0)],
    "iterations": [None, 0, 1, 4],
    "poles": [1, 2],
    "a": [1.0, -0.5, 0.0, 2.5],
    "b": [1.0, -0.5, 0.0, 2.5],
    "restart": [0.1, 1.0],
    "strength": [0.5, 2.0],
    "nonnegative": [False, True],
}
"""Values by the name of a parameter; parameters of other names keep their defaults."""

POSITIVE = [0.3, 1.0, 4.0, 60.0]
"""Of the one number of a fixed response."""

AFFINITY_OPTIONS: dict[str, list[Any]] = {
    "symmetrization": ["none", "average"],
    "normalization": ["none", "mean", "random_walk", "symmetric"],
    "bias": [False, True],
    "sub_sample": [None, "average"],
    "scale": [1.0, None],
    "whiten": [False, True],
    "gamma": [0.5, 0.05],
    "order": [1, 2],
    "unit_norm": [False, True],
    "form": ["auto", "dense", "low_rank"],
    "sizes": [(1, 2), (3,)],
}


@cache
def families() -> dict[str, type[filters.Filter]]:
    """Every registered family by the name of its class, also those that installed packages offer."""
    found = [filters.registry.get(name) for name in filters.registry.names()]
    return {family.__name__: family for family in found}


@cache
def fixed() -> list[str]:
    """Every named fixed response of the package; of the two with jumps the one with one number."""
    found = [getattr(filters, name) for name in filters.__all__]
    kinds = [kind for kind in found if isinstance(kind, type) and issubclass(kind, SpectralFunction)]
    return sorted(kind.__name__ for kind in kinds if kind not in (SpectralFunction, filters.Rectangular))


def settings(name: str, value: float) -> tuple[float | None, ...]:
    """Arguments of a fixed response, about one number."""
    return {"ExponentialWindow": (None, value), "Wave": (min(value, 4.0), 0.8)}.get(name, (value,))


def choices(function: Any, table: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """The parameters of a callable that the table has values for; those of ``**choices`` are its base's."""
    names: dict[str, list[Any]] = {}
    for kind in reversed(inspect.getmro(function)) if isinstance(function, type) else [function]:
        target = kind.__init__ if isinstance(kind, type) else kind
        names.update({n: table[n] for n in inspect.signature(target).parameters if n in table})
    own = inspect.signature(function).parameters
    open_ended = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in own.values())
    return {n: values for n, values in names.items() if open_ended or n in own}


@cache
def namespace() -> dict[str, Any]:
    """What an expression may name."""
    public = {name: getattr(m, name) for m in (filters, affinities, blocks) for name in m.__all__}
    return {**public, **families(), "torch": torch, "nn": nn, "partial": partial}


def made(expression: str) -> Any:
    """What an expression of filters, affinities or blocks gives, with the same weights at every call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return eval(expression, dict(namespace()))


def affinity_of(expression: str) -> nn.Module:
    """The affinity, in eval mode."""
    found = made(expression)
    assert isinstance(found, nn.Module)
    return found.eval()


def call(name: str, *positional: object, **named: object) -> str:
    """``Name(1, 2, order=3)``."""
    parts = [repr(one) for one in positional] + [f"{key}={value!r}" for key, value in named.items()]
    return f"{name}({', '.join(parts)})"


def _affinity_expressions() -> tuple[str, ...]:
    found = []
    for name in affinities.__all__:
        kind = getattr(affinities, name)
        if isinstance(kind, type) and issubclass(kind, affinities.Affinity) and not inspect.isabstract(kind):
            table = choices(kind, AFFINITY_OPTIONS)
            settings = [dict(zip(table, values, strict=True)) for values in product(*table.values())]
            found += [call(name, AFFINITY_CHANNELS, 2, **one) for one in settings]
    return tuple(one for one in found if _is_accepted(one))


def _is_accepted(expression: str) -> bool:
    """Whether the choices go together; which do not is said by the library, and tested with it."""
    try:
        made(expression)
    except ValueError:
        return False
    return True


AFFINITIES = _affinity_expressions()
"""Every affinity with every choice that it takes."""
