"""Checks of the numbers that constructors take: a ``TypeError`` or ``ValueError`` that names the value."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

Device: TypeAlias = torch.device | str | int | None
"""Where a module's parameters are made; ``None`` for PyTorch's default."""

LARGEST = torch.finfo(torch.float32).max / 4
"""Of a setting: twice its value, at the greatest graph frequency, is still a number in float32."""


def require_integer(name: str, value: Any, least: int = 1, meaning: str = "") -> int:
    """``value`` as an ``int`` of at least ``least``; ``meaning`` says what it counts.

    Raises:
        TypeError: for another type, ``bool`` and ``float`` among them.
        ValueError: if it is too small.

    Example:
        >>> require_integer("poles", 1.5)
        Traceback (most recent call last):
        ...
        TypeError: poles must be an integer, got 1.5
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < least:
        counted = f" ({meaning})" if meaning else ""
        raise ValueError(f"{name} must be at least {least}{counted}, got {value}")
    return int(value)


def require_number(name: str, value: Any) -> float:
    """``value`` as a ``float`` that is finite, in float32 too.

    Raises:
        TypeError: for what is no real number, and for a tensor that is to be learned.
        ValueError: for NaN, infinity, or more than :data:`LARGEST`.
    """
    number = _one_number(name, value)
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {number}")
    if abs(number) > LARGEST:
        raise ValueError(f"{name} must be at most {LARGEST:.1g}, to be a number in float32, got {number:g}")
    return number


def require_order(value: Any) -> int:
    """``value`` as the degree of a polynomial; see :func:`require_integer`."""
    return require_integer("order", value, 0, "the polynomial degree")


def _one_number(name: str, value: Any) -> float:
    learned = isinstance(value, Tensor) and value.requires_grad
    if isinstance(value, bool | str | bytes) or learned or not hasattr(value, "__float__"):
        what = "a tensor that requires a gradient; pass float(value)" if learned else repr(value)
        raise TypeError(f"{name} must be a real number, got {what}")
    if isinstance(value, Tensor) and value.numel() != 1:
        raise ValueError(f"{name} must be one number, got a tensor of shape {tuple(value.shape)}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name} must be a number in float32, got an integer of many digits") from None


def require_positive(name: str, value: Any) -> float:
    """``value`` as a positive ``float``; see :func:`require_number`."""
    number = _one_number(name, value)
    if not 0 < number < math.inf:
        raise ValueError(f"{name} must be a positive number, got {number}")
    return require_number(name, number)


def require_flag(name: str, value: Any) -> bool:
    """``value``, or a ``TypeError`` where it is neither ``True`` nor ``False``."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return value


def require_tensor(what: str, value: Any) -> Tensor:
    """``value``, or a ``TypeError`` where it is no tensor."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{what} must be a tensor, got {type(value).__name__} {value!r:.40}")
    return value


def require_module(what: str, value: Any) -> nn.Module:
    """``value``, or a ``TypeError`` where it is no module."""
    if not isinstance(value, nn.Module):
        made = (
            f"the class {value.__name__}: make one of it" if isinstance(value, type) else type(value).__name__
        )
        raise TypeError(f"{what} must be an nn.Module, got {made}")
    return value


def require_floating_type(dtype: torch.dtype | None) -> None:
    """Raise a ``TypeError`` unless parameters can be of this type; ``None`` is PyTorch's default."""
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise TypeError(f"dtype must be a floating-point type such as torch.float32, got {dtype!r}")


def require_some_node(shape: torch.Size) -> None:
    """Raise a ``ValueError`` for a graph without nodes, whose last dimension they are."""
    if shape[-1] == 0:
        raise ValueError(f"a graph needs at least one node, got the shape {tuple(shape)}")


def require_alike(what: str, **parts: Any) -> None:
    """Raise unless tensors or shifts can be parts of one shift: real numbers of one type, on one device, of
    batches that are equal or 1.

    Raises:
        TypeError: for other numbers or types.
        ValueError: for other devices or batches.
    """
    (first, one), *others = parts.items()
    if not one.dtype.is_floating_point:
        raise TypeError(
            f"{what}: {first} must be real floating-point, got {one.dtype}; convert with .float()"
        )
    for name, part in others:
        both = f"{what}: {first} has the {{}} {{}}, {name} {{}}; {{}}"
        if part.dtype != one.dtype:
            raise TypeError(both.format("type", one.dtype, part.dtype, "convert one with .to(dtype)"))
        if part.device != one.device:
            raise ValueError(both.format("device", one.device, part.device, "move one with .to(device)"))
    sizes = {name: part.shape[0] for name, part in parts.items()}
    larger = [size for size in sizes.values() if size != 1]
    if any(size != larger[0] for size in larger):  # no set: a size that is a symbol has no hash
        found = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise ValueError(f"{what}: batches are equal or 1, got {found}")


def common_batch(*parts: Any) -> int:
    """The batch of tensors or shifts whose batches are equal or 1; it may be empty."""
    return next((part.shape[0] for part in parts if part.shape[0] != 1), 1)
