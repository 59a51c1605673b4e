"""Where, and in which type, the parameters of a module are made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TypedDict

import torch

from filters.checks import Device

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class Options(TypedDict):
    """``device`` and ``dtype`` as factories of tensors and of PyTorch's modules take them."""

    device: torch.device | None
    dtype: torch.dtype | None


def options(device: Device, dtype: torch.dtype | None) -> Options:
    """``device`` and ``dtype``, checked.

    Raises:
        TypeError: for what is no device, or no real floating-point type.
        ValueError: for a device that PyTorch does not know.

    Example:
        >>> options("meta", None)
        {'device': device(type='meta'), 'dtype': None}
    """
    if dtype not in (None, *DTYPES):
        names = ", ".join(str(known) for known in DTYPES)
        raise TypeError(f"dtype must be None or one of {names}, got {dtype!r}")
    if isinstance(device, bool) or not isinstance(device, torch.device | str | int | None):
        raise TypeError(f"device must be a torch.device, its name or None, got {device!r}")
    try:
        return Options(device=None if device is None else torch.device(device), dtype=dtype)
    except RuntimeError as error:
        raise ValueError(f"device {device!r} is unknown to PyTorch: {error}") from None


@contextmanager
def created(device: Device = None, dtype: torch.dtype | None = None) -> Iterator[None]:
    """Tensors that are made inside without a device or type of their own are on ``device``, of ``dtype``.

    So the parts that factories make are where the whole is asked to be. ``None`` leaves PyTorch's default.
    With a ``dtype``, the default type of the process is another one meanwhile.

    Example:
        >>> with created("meta", torch.float64):
        ...     weight = torch.empty(2)
        >>> weight.device.type, weight.dtype
        ('meta', torch.float64)
    """
    place, default = options(device, dtype)["device"], torch.get_default_dtype()
    with nullcontext() if place is None else place:
        if dtype is None:
            yield
            return
        torch.set_default_dtype(dtype)
        try:
            yield
        finally:
            torch.set_default_dtype(default)
