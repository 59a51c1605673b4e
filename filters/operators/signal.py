"""Node signals: the arithmetic that filters use, and the two kinds that have it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, Self, TypeAlias, TypeVar, cast

import torch
from torch import Tensor

from filters.checks import require_tensor
from filters.operators.mixing import mix_channels

Scalar: TypeAlias = float | complex | Tensor
"""A number, or where it is learned a tensor: of no dimension, or ``(C,)`` with a factor for each channel."""


class Signal(Protocol):
    """A node signal: a tensor ``(B, N, C)``, or what ``shift.signal`` returns; filters use this of it.

    That is ``+``, ``−``, the product with a number, the real and imaginary part, and the data type.

    Example:
        >>> def smoothed(shift, z: Signal) -> Signal:  # on either kind
        ...     return 0.5 * (z + shift(z))
        >>> from filters import DenseShift
        >>> swap = DenseShift(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
        >>> smoothed(swap, torch.tensor([[[1.0], [3.0]]])).flatten()
        tensor([2., 2.])
    """

    @property
    def dtype(self) -> torch.dtype:
        """Data type of its numbers."""
        ...

    @property
    def real(self) -> Self:
        """Real part."""
        ...

    @property
    def imag(self) -> Self:
        """Imaginary part."""
        ...

    def __add__(self, other: Self, /) -> Self: ...
    def __sub__(self, other: Self, /) -> Self: ...
    def __mul__(self, factor: Scalar, /) -> Self: ...
    def __rmul__(self, factor: Scalar, /) -> Self: ...
    def __neg__(self) -> Self: ...


class LazySignal(Signal, Protocol):
    """A signal that is no tensor: :func:`mix` and :func:`materialise` ask it for these two."""

    def mix(self, weight: Tensor, /) -> Self:
        """``Z W`` for ``W (C, D)``."""
        ...

    def to_dense(self) -> Tensor:
        """The tensor ``(B, N, C)`` that it stands for."""
        ...


S = TypeVar("S", bound=Signal)
"""A signal of either kind: of the kind that goes in, one comes out."""


class SignalMap(Protocol):
    """A linear map of signals, such as ``z ↦ (aI + bS)⁻¹ z``."""

    def __call__(self, z: S, /) -> S:
        """The image of ``z``."""
        ...


def mix(signal: S, weight: Tensor) -> S:
    """``Z W`` for ``W (C, D)`` and a signal ``Z`` of either kind.

    Args:
        signal: ``Z (B, N, C)``: a tensor, real or complex, or what ``shift.signal`` returns.
        weight: ``W (C, D)``.

    Returns:
        ``Z W``, ``(B, N, D)``, of the kind of ``signal``.

    Raises:
        TypeError: if ``weight`` is no tensor.
        ValueError: if it is no matrix, or has not as many rows as the signal has channels.

    Example:
        >>> mix(torch.ones(1, 3, 2), torch.tensor([[1.0], [2.0]])).flatten()
        tensor([3., 3., 3.])
    """
    if isinstance(signal, Tensor):
        require_mixing(signal.shape[-1], weight)
        if signal.is_complex() and not weight.is_complex():
            parts = (mix_channels(part, weight) for part in (signal.real, signal.imag))
            return cast(S, torch.complex(*parts))
        return cast(S, mix_channels(signal, weight))
    return cast(S, cast(LazySignal, signal).mix(weight))


def require_mixing(channels: int, weight: Tensor) -> None:
    """Raise unless ``weight`` is a matrix that mixes so many channels."""
    if require_tensor("the weight W of z W", weight).dim() != 2 or weight.shape[0] != channels:
        shape = tuple(weight.shape)
        raise ValueError(f"a signal of {channels} channels takes W ({channels}, D), got one of shape {shape}")


def materialise(signal: Signal) -> Tensor:
    """The tensor ``(B, N, C)`` that a signal stands for."""
    return signal if isinstance(signal, Tensor) else cast(LazySignal, signal).to_dense()


def on_tensor(function: Callable[[Tensor], Tensor], z: S) -> S:
    """``function(z)``, for what takes tensors alone.

    Raises:
        TypeError: for a lazy signal, which belongs to the shift that made it.
    """
    if not isinstance(z, Tensor):
        raise TypeError(
            f"this shift takes tensors, got {type(z).__name__}: lazy signals combine only on the shift they "
            "were made from; call .to_dense() on them first"
        )
    return cast(S, function(z))


def map_of_tensors(function: Callable[[Tensor], Tensor]) -> SignalMap:
    """``function`` as a :class:`SignalMap`; see :func:`on_tensor`."""

    def apply(z: S) -> S:
        return on_tensor(function, z)

    return apply
