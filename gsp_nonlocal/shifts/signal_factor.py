"""The factor ``A`` of a lazy signal ``z A + left c``: nothing, a number, or a mixing matrix."""

from __future__ import annotations

from typing import TypeGuard, TypeVar, cast

import torch
from torch import Tensor

from filters.operators.linear import on_parts
from filters.operators.mixing import mix_channels
from filters.operators.signal import Scalar

Scale = Scalar | None
"""``A`` of a signal: a number, a zero-dimensional tensor, a mixing matrix ``(C, D)``, or ``None`` for 0.

What is 0 by construction is ``None``, never a number or a tensor that happens to be 0: a learned number times
it is ``None`` again, so that no square matrix ``0 · I`` meets a mixing matrix of another shape.
"""

V = TypeVar("V")
WIDE = (torch.float64, torch.complex128)
"""Data types that nothing is wider than."""


def of_type(dtype: torch.dtype, value: V) -> V:
    """A tensor in this precision, real or complex as it is; numbers and ``None`` have none."""
    if not isinstance(value, Tensor):
        return value
    if value.is_complex():  # dtype.to_complex() breaks compiled graphs
        dtype = torch.complex128 if dtype in WIDE else torch.complex64
    return cast(V, value.to(dtype))


def is_matrix(scale: Scale) -> TypeGuard[Tensor]:
    """Whether channels are mixed."""
    return isinstance(scale, Tensor) and scale.dim() == 2


def is_one(scale: Scale) -> bool:
    """Whether the signal is ``z`` itself: no product is needed then."""
    return isinstance(scale, float) and scale == 1.0


def is_number_zero(scale: Scale) -> bool:
    """Whether it is 0 by construction; a tensor never is, whatever it holds."""
    return isinstance(scale, int | float | complex) and scale == 0


def multiplied(z: Tensor, scale: Scalar) -> Tensor:
    """``z A``."""
    if is_matrix(scale):
        return on_parts(lambda part: mix_channels(z, part), scale)
    return z if is_one(scale) else z * scale


def mixed_by(factor: Scalar, weight: Tensor) -> Tensor:
    """``A W``, where ``A`` may be a number times the identity."""
    if not isinstance(factor, Tensor) or factor.dim() == 0:
        return weight if is_one(factor) else factor * weight
    if weight.is_complex():
        return factor.to(weight.dtype) @ weight
    return on_parts(lambda part: part @ weight, factor)


def product_with(y: Tensor, scale: Scalar, factor: Scalar) -> Tensor:
    """``factor · y A``."""
    if is_matrix(scale):
        return factor * on_parts(lambda part: y @ part, scale)
    total = factor * scale
    return y if is_one(total) else y * total


def add_scales(one: Scale, other: Scale, z: Tensor) -> Scale:
    """``A + A'``, where one may be a number times the identity over the channels of ``z``."""
    if one is None or other is None:
        return other if one is None else one
    if is_matrix(one) == is_matrix(other):
        return one + other
    matrix, scalar = (one, other) if is_matrix(one) else (other, one)
    return matrix + scalar * torch.eye(z.shape[-1], dtype=z.dtype, device=z.device)


def imaginary(scale: Scale) -> Scale:
    """Imaginary part of ``A``."""
    if scale is None or (isinstance(scale, Tensor) and not scale.is_complex()):
        return None
    return scale.imag
