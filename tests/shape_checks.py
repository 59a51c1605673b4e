"""The run-time check of shape annotations: of functions that have some, and of nothing else."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType
from typing import Any

import jaxtyping
import torch
from beartype import BeartypeConf, beartype

check_shapes = beartype(conf=BeartypeConf(is_pep484_tower=True))


def install(packages: list[str]) -> None:
    """Check the shapes that functions of these packages state, from their import on.

    Public entry points name no shapes in their annotations: they check their input themselves, with messages
    that the tests of bad input read. jaxtyping's hook wraps those functions too, and the laws take five
    times as long: hence its decorator is put aside where there is nothing to check.
    """
    jaxtyping.jaxtyped = _where_shapes_are_stated(jaxtyping.jaxtyped)
    jaxtyping.install_import_hook(packages, f"{__name__}.check_shapes")


def _where_shapes_are_stated(decorator: Callable[..., Any]) -> Callable[..., Any]:
    def jaxtyped(*, typechecker: Any) -> Callable[[Any], Any]:
        wrap = decorator(typechecker=typechecker)
        return lambda defined: _but_in_export(defined, wrap) if states_shape(defined) else defined

    return jaxtyped


def _but_in_export(defined: Any, wrap: Callable[[Any], Any]) -> Any:
    """The checked function, and itself while a compiler records it: sizes are no numbers there."""
    checked = wrap(defined)
    if not isinstance(defined, FunctionType):
        return checked

    @functools.wraps(defined)
    def chosen(*args: Any, **keywords: Any) -> Any:
        recorded = torch.compiler.is_compiling() or torch.jit.is_tracing()
        return (defined if recorded else checked)(*args, **keywords)

    return chosen


def states_shape(defined: Any) -> bool:
    """Whether an annotation of a function or class names a shape."""
    annotations = getattr(defined, "__annotations__", {}).values()
    return any("Float[" in str(one) or "Shaped[" in str(one) for one in annotations)
