"""Lazy node signals on a low-rank shift: a whole filter in ``R × C`` numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from filters.operators.linear import matmul_real, on_parts
from filters.operators.mixing import is_channel_first, mix_channels
from filters.operators.operand import TensorMultiple
from filters.operators.signal import Scalar, require_mixing
from gsp_nonlocal.shifts.signal_factor import (
    WIDE,
    Scale,
    add_scales,
    imaginary,
    is_matrix,
    is_number_zero,
    mixed_by,
    multiplied,
    of_type,
    product_with,
)


class Factors(Protocol):
    """What lazy signals ask of their shift ``left · core · rightᵀ``."""

    @property
    def left(self) -> Tensor:
        """``(B, N, R)``."""
        ...

    @property
    def gram(self) -> Tensor:
        """``core · rightᵀ · left (B, R, R)``."""
        ...

    def meet(self, z: Tensor) -> Tensor:
        """``rightᵀ z``."""
        ...

    def through_core(self, y: Tensor) -> Tensor:
        """``core · y``."""
        ...

    def overflows(self, gram: Tensor, /) -> bool:
        """Whether ``core G`` leaves its data type."""
        ...

    def mapped(self, function: Callable[[Tensor], Tensor], /) -> Factors:
        """The same of changed tensors."""
        ...


class Base:
    """The one dense tensor ``z (B, N, C)`` behind a family of lazy signals, with ``Y`` and the Gram matrix.

    It lives for one call of a filter, and so does what it keeps: the next call builds its own autograd graph.
    ``owner`` is the shift that its signals are of, where ``shift`` is that one in float64.
    """

    def __init__(self, shift: Factors, z: Tensor, owner: Factors | None = None) -> None:
        self.shift, self.z, self.owner = shift, z, owner or shift
        self._met: Tensor | None = None
        self._projected: Tensor | None = None
        self._gram: Tensor | None = None
        self._overflows: bool | None = None
        self._double: Base | None = None

    @property
    def met(self) -> Tensor:
        """``rightᵀ z``, computed at first use and kept."""
        if self._met is None:
            self._met = self.shift.meet(self.z)
        return self._met

    @property
    def projected(self) -> Tensor:
        """``Y = core rightᵀ z``, computed at first use and kept."""
        if self._projected is None:
            self._projected = self.shift.through_core(self.met)
        return self._projected

    @property
    def gram(self) -> Tensor:
        """``core G``, computed at first use and kept."""
        if self._gram is None:
            self._gram = self.shift.gram
        return self._gram

    @property
    def overflows(self) -> bool:
        """Whether ``core G`` leaves its data type, where ``S`` itself may not."""
        if self._overflows is None:
            self._overflows = self.shift.overflows(self.gram)
        return self._overflows

    @property
    def double(self) -> Base:
        """The same in float64, made at first use and kept."""
        if self.z.dtype in WIDE:
            return self
        if self._double is None:
            self._double = Base(self.shift.mapped(Tensor.double), of_type(torch.float64, self.z), self.owner)
        return self._double

    @property
    def is_plain(self) -> bool:
        """Whether it is in the data type of the shift that its signals are of."""
        return self.shift is self.owner

    def is_double_of(self, other: Base) -> bool:
        """Whether this is what ``other.double`` has made."""
        return other._double is self

    def replaced(self, z: Tensor) -> Base:
        """The base of another tensor on the same shift, with the same Gram matrix."""
        other = Base(self.shift, z, self.owner)
        other._gram = self._gram
        return other


class LowRankSignal(TensorMultiple):
    r"""The node signal ``z A + left c`` on a :class:`LowRankShift`, kept as ``A`` and ``c``.

    It has the arithmetic that a filter uses: ``+ − *``, ``shift(·)``, ``shift.solve``, ``.mix(W)`` for a
    mixing matrix ``W``, and ``.real``, ``.imag``. :meth:`to_dense` gives the tensor ``(B, N, C)``, in the
    data type of the shift; a signal may be kept in float64 until then (:attr:`double`).
    """

    def __init__(self, base: Base, scale: Scale, coefficients: Tensor | None, channels: int) -> None:
        self.base, self.shift = base, base.owner
        self.scale = None if is_number_zero(scale) else scale
        self.coefficients = coefficients
        self.channels = channels

    @property
    def dtype(self) -> torch.dtype:
        """Data type of the dense tensor behind the signal."""
        return self.base.z.dtype

    @property
    def double(self) -> LowRankSignal:
        """The same signal in float64."""
        scale, c = of_type(torch.float64, self.scale), of_type(torch.float64, self.coefficients)
        return LowRankSignal(self.base.double, scale, c, self.channels)

    def to_dense(self) -> Tensor:
        """``z A + left c`` as a tensor ``(B, N, C)``, in the memory layout of ``z``."""
        return of_type(self.shift.left.dtype, self._dense())

    def _dense(self) -> Tensor:
        z, left, c = self.base.z, self.base.shift.left, self.coefficients
        if c is None:
            return (
                z.new_zeros(*z.shape[:2], self.channels) if self.scale is None else multiplied(z, self.scale)
            )
        if self.scale is None:
            return on_parts(lambda part: mix_channels(left, part), c)
        if is_matrix(self.scale) and not c.is_complex() and not self.scale.is_complex():
            return _two_products(z, self.scale, left, c)
        return multiplied(z, self.scale) + on_parts(lambda part: mix_channels(left, part), c)

    def shifted(self, shift: Factors) -> LowRankSignal:
        """``S (z A + left c) = left (Y A + core G c)``."""
        self._require(shift)
        if self.coefficients is not None and self.base.overflows:
            return self.double.shifted(shift)
        rest = None if self.coefficients is None else matmul_real(self.base.gram, self.coefficients)
        return self._like(None, _add(self._own(), rest))

    def solved(
        self, shift: Factors, a: Scalar, b: Scalar, small: Callable[[Tensor], Tensor]
    ) -> LowRankSignal:
        """``(a I + b S)⁻¹ (z A + left c)``, exactly; ``small`` solves ``(a I + b G) c' = ·`` of size
        ``R``."""
        self._require(shift)
        right_side = _add(self.coefficients, self._own(-b / a))
        scale = None if self.scale is None else self.scale / a
        return self._like(scale, None if right_side is None else small(right_side))

    def met(self, gram: Tensor) -> Tensor:
        """``rightᵀ (z A + left c)`` in the data type of the Gram matrix ``rightᵀ left``, which is given."""
        own = None if self.scale is None else product_with(self.base.met, self.scale, 1.0).to(gram.dtype)
        rest = None if self.coefficients is None else gram @ self.coefficients.to(gram.dtype)
        met = _add(own, rest)
        return gram.new_zeros(len(self.base.z), gram.shape[-1], self.channels) if met is None else met

    def plus(self, factor: float, coefficients: Tensor) -> LowRankSignal:
        """``factor · (z A + left c) + left c'``."""
        rest = None if factor == 0 or self.coefficients is None else factor * self.coefficients
        scale = None if factor == 0 or self.scale is None else factor * self.scale
        return self._like(scale, _add(rest, coefficients))

    @property
    def real(self) -> LowRankSignal:
        """Real part."""
        c = self.coefficients
        return self._like(None if self.scale is None else self.scale.real, None if c is None else c.real)

    @property
    def imag(self) -> LowRankSignal:
        """Imaginary part (of a signal whose dense tensor is real)."""
        c = self.coefficients
        imag = None if c is None or not c.is_complex() else c.imag
        return self._like(imaginary(self.scale), imag)

    def __add__(self, other: LowRankSignal) -> LowRankSignal:
        if not isinstance(other, LowRankSignal):
            raise TypeError(
                f"only signals are added to a signal, got {type(other).__name__}: a filter is linear in z, "
                "so a number or tensor is no signal; one of your own is made by shift.signal(tensor)"
            )
        self._require(other.shift)
        if self.base.is_double_of(other.base):
            return self + other.double
        if other.base.is_double_of(self.base):
            return self.double + other
        if self.channels != other.channels:
            return self._widened(other) + other._widened(self)
        if other.base is not self.base:
            is_plain = self.base.is_plain and other.base.is_plain
            one, two = (self, other) if is_plain else (self.double, other.double)
            return LowRankSignal(one.base.replaced(one._dense() + two._dense()), 1.0, None, self.channels)
        scale = add_scales(self.scale, other.scale, self.base.z)
        return self._like(scale, _add(self.coefficients, other.coefficients))

    def _widened(self, other: LowRankSignal) -> LowRankSignal:
        """With as many channels as the other signal has, where this one has one."""
        if self.channels == 1:
            return self.mix(self.base.z.new_ones(1, other.channels))
        if other.channels != 1:
            raise ValueError(
                f"signals of {self.channels} and {other.channels} channels are added; use mix(z, W) first"
            )
        return self

    def __sub__(self, other: LowRankSignal) -> LowRankSignal:
        return self + (-1.0) * other

    def __mul__(self, factor: Scalar) -> LowRankSignal:
        if isinstance(factor, LowRankSignal) or (isinstance(factor, Tensor) and factor.dim() > 0):
            return self._by_channel(factor)
        scale = None if self.scale is None else factor * self.scale
        return self._like(scale, None if self.coefficients is None else factor * self.coefficients)

    __rmul__ = __mul__

    def __truediv__(self, divisor: Scalar) -> LowRankSignal:
        return self * (1 / divisor)

    def __radd__(self, other: float) -> LowRankSignal:
        """``0 + signal``, as ``sum`` begins."""
        return self if isinstance(other, int | float) and other == 0 else NotImplemented

    def __matmul__(self, weight: Tensor) -> LowRankSignal:
        """``(z A + left c) W``; compiled filters write :func:`filters.mix`."""
        return self.mix(weight)

    def __neg__(self) -> LowRankSignal:
        return -1.0 * self

    def mix(self, weight: Tensor) -> LowRankSignal:
        """``(z A + left c) W``."""
        require_mixing(self.channels, weight)
        weight, parts = of_type(self.dtype, weight), (self.scale, self.coefficients)
        scale, c = (None if part is None else mixed_by(part, weight) for part in parts)
        return LowRankSignal(self.base, scale, c, weight.shape[-1])

    def _by_channel(self, factors: Tensor | LowRankSignal) -> LowRankSignal:
        """``(z A + left c) diag(f)``, as a tensor ``(C,)`` does to the dense signal."""
        if isinstance(factors, Tensor) and factors.numel() == 1 and factors.dim() <= 3:
            return self * factors.reshape(())
        if isinstance(factors, LowRankSignal) or not self._has_channels(factors):
            shown = tuple(factors.shape) if isinstance(factors, Tensor) else type(factors).__name__
            raise TypeError(
                f"a signal of {self.channels} channels is multiplied by a number or by one factor a channel, "
                f"({self.channels},), got {shown}: a matrix is mix(signal, W), and factors of nodes or "
                "products of signals are no graph filter"
            )
        flat = factors.reshape(-1)
        return self.mix(flat.unsqueeze(0) if self.channels == 1 else flat.diag())

    def _has_channels(self, factors: Tensor) -> bool:
        fit = factors.dim() <= 3 and factors.shape[-1] == factors.numel()
        return fit and self.channels in (1, factors.shape[-1])

    def _own(self, factor: Scalar = 1.0) -> Tensor | None:
        """``factor · Y A``; ``None`` where ``A`` is zero."""
        return None if self.scale is None else product_with(self.base.projected, self.scale, factor)

    def _like(self, scale: Scale, coefficients: Tensor | None) -> LowRankSignal:
        return LowRankSignal(self.base, scale, coefficients, self.channels)

    def _require(self, shift: Factors) -> None:
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
    if not own.shape[0] == left.shape[0] == c.shape[0]:
        left, c = (part.expand(own.shape[0], -1, -1) for part in (left, c))
    if is_channel_first(own):
        return torch.baddbmm(own.mT, c.mT, left.mT).mT
    return torch.baddbmm(own, left, c)


def _add(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other
