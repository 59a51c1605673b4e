"""Lazy node signals on a low-rank shift: a whole filter in ``R × C`` numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeGuard

import torch
from jaxtyping import Float
from torch import Tensor

from filters.linear import matmul_real, on_parts
from filters.mixing import is_channel_first, mix_channels
from filters.operand import TensorMultiple
from filters.shift import Scalar

if TYPE_CHECKING:
    from gsp_nonlocal.shifts.low_rank import LowRankShift


class Base:
    """The one dense tensor ``z (B, N, C)`` behind a family of lazy signals, with its ``Y``."""

    def __init__(self, shift: LowRankShift, z: Tensor) -> None:
        self.shift, self.z = shift, z
        self._projected: Tensor | None = None

    @property
    def projected(self) -> Tensor:
        """``Y = core rightᵀ z``, computed at first use and kept."""
        if self._projected is None:
            self._projected = self.shift.project(self.z)
        return self._projected


class LowRankSignal(TensorMultiple):
    r"""The node signal ``z A + left c`` on a :class:`LowRankShift`, kept as ``A`` and ``c``.

    It has the arithmetic that a filter uses: ``+ − *``, ``shift(·)``, ``shift.solve``, ``.mix(W)`` for a
    mixing matrix ``W``, and ``.real``, ``.imag``. :meth:`to_dense` gives the tensor ``(B, N, C)``.
    """

    def __init__(
        self,
        shift: LowRankShift,
        base: Base,
        scale: Scalar,
        coefficients: Tensor | None,
    ) -> None:
        self.shift = shift
        self.base = base
        self.scale = scale
        self.coefficients = coefficients

    @property
    def dtype(self) -> torch.dtype:
        """Data type of the dense tensor behind the signal."""
        return self.base.z.dtype

    def to_dense(self) -> Tensor:
        """``z A + left c`` as a tensor ``(B, N, C)``, in the memory layout of ``z``."""
        z, left, c = self.base.z, self.shift.left, self.coefficients
        if c is None:
            return _scaled(z, self.scale)
        if _is_zero(self.scale):
            return on_parts(lambda part: mix_channels(left, part), c)
        if _is_matrix(self.scale) and not c.is_complex():
            return _two_products(z, self.scale, left, c)
        return _scaled(z, self.scale) + on_parts(lambda part: mix_channels(left, part), c)

    def shifted(self, shift: LowRankShift) -> LowRankSignal:
        """``S (z A + left c) = left (Y A + core G c)``."""
        self._require(shift)
        own = _times(self.base.projected, self.scale)
        rest = None if self.coefficients is None else matmul_real(shift.gram, self.coefficients)
        return self._like(0.0, _add(own, rest))

    def solved(
        self, shift: LowRankShift, a: Scalar, b: Scalar, small: Callable[[Tensor], Tensor]
    ) -> LowRankSignal:
        """``(a I + b S)⁻¹ (z A + left c)``, exactly; ``small`` solves ``(a I + b G) c' = ·`` of size
        ``R``."""
        self._require(shift)
        right_side = _add(self.coefficients, _times(self.base.projected, self.scale, -b / a))
        return self._like(self.scale / a, None if right_side is None else small(right_side))

    @property
    def real(self) -> LowRankSignal:
        """Real part."""
        c = self.coefficients
        return self._like(_real(self.scale), None if c is None else c.real)

    @property
    def imag(self) -> LowRankSignal:
        """Imaginary part (of a signal whose dense tensor is real)."""
        c = self.coefficients
        imag = None if c is None or not c.is_complex() else c.imag
        return self._like(_imag(self.scale), imag)

    def __add__(self, other: LowRankSignal) -> LowRankSignal:
        self._require(other.shift)
        if other.base is not self.base:
            return self.shift.signal(self.to_dense() + other.to_dense())
        scale = _add_scales(self.scale, other.scale, self.base.z)
        return self._like(scale, _add(self.coefficients, other.coefficients))

    def __sub__(self, other: LowRankSignal) -> LowRankSignal:
        return self + (-1.0) * other

    def __mul__(self, factor: Scalar) -> LowRankSignal:
        c = self.coefficients
        return self._like(factor * self.scale, None if c is None else factor * c)

    __rmul__ = __mul__

    def __neg__(self) -> LowRankSignal:
        return -1.0 * self

    def mix(self, weight: Tensor) -> LowRankSignal:
        """``(z A + left c) W``."""
        c = self.coefficients
        if c is not None and _is_zero(self.scale):
            return self._like(0.0, _mixed(c, weight))
        return self._like(_mixed(self.scale, weight), None if c is None else _mixed(c, weight))

    def _like(self, scale: Scalar, coefficients: Tensor | None) -> LowRankSignal:
        return LowRankSignal(self.shift, self.base, scale, coefficients)

    def _require(self, shift: LowRankShift) -> None:
        if shift is not self.shift:
            raise ValueError(
                "lazy signals combine only on the shift they were made from; call .to_dense() on them first"
            )


def _two_products(
    z: Float[Tensor, "B N C"],
    mixing: Float[Tensor, "C D"],
    left: Float[Tensor, "#B N R"],
    c: Float[Tensor, "B R D"],
) -> Float[Tensor, "B N D"]:
    """``z A + left c`` with the sum inside the second product."""
    own = mix_channels(z, mixing)
    batch = own.shape[0]
    left, c = left.expand(batch, -1, -1), c.expand(batch, -1, -1)
    if is_channel_first(own):
        return torch.baddbmm(own.mT, c.mT, left.mT).mT
    return torch.baddbmm(own, left, c)


# A signal's scale A is a number, a zero-dimensional tensor, or a mixing matrix (C, D).


def _is_matrix(scale: Scalar) -> TypeGuard[Tensor]:
    return isinstance(scale, Tensor) and scale.dim() == 2


def _is_zero(scale: Scalar) -> bool:
    return isinstance(scale, int | float | complex) and scale == 0


def _scaled(z: Tensor, scale: Scalar) -> Tensor:
    if _is_matrix(scale):
        return on_parts(lambda part: mix_channels(z, part), scale)
    return z if isinstance(scale, float) and scale == 1.0 else z * scale


def _mixed(factor: Scalar, weight: Tensor) -> Tensor:
    """``A W``, where ``A`` may be a number times the identity."""
    if not isinstance(factor, Tensor) or factor.dim() == 0:
        return factor * weight
    return on_parts(lambda part: part @ weight, factor)


def _times(y: Tensor, scale: Scalar, factor: Scalar = 1.0) -> Tensor | None:
    """``factor · Y A``; ``None`` where ``A`` is zero."""
    if _is_zero(scale):
        return None
    if _is_matrix(scale):
        return factor * on_parts(lambda part: y @ part, scale)
    return y * (factor * scale)


def _add(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other


def _add_scales(one: Scalar, other: Scalar, z: Tensor) -> Scalar:
    if _is_zero(one):
        return other
    if _is_zero(other):
        return one
    if _is_matrix(one) == _is_matrix(other):
        return one + other
    matrix, scalar = (one, other) if _is_matrix(one) else (other, one)
    return matrix + scalar * torch.eye(z.shape[-1], dtype=z.dtype, device=z.device)


def _real(scale: Scalar) -> Scalar:
    return scale.real


def _imag(scale: Scalar) -> Scalar:
    if isinstance(scale, Tensor) and not scale.is_complex():
        return 0.0
    return scale.imag
