"""Shift operators kept as exact low-rank factors, and the lazy signals that live on them."""

from __future__ import annotations

from functools import cached_property
from typing import TypeGuard

import torch
from torch import Tensor

from filters.mixing import is_channel_first, mix_channels
from filters.shift import (
    DenseShift,
    Scalar,
    ShiftOperator,
    Signal,
    added_bounds,
    matmul_real,
    on_parts,
    require_real_floating,
    require_same_nodes,
)


class LowRankShift(ShiftOperator):
    r"""``S = left · core · rightᵀ``, never formed: ``S @ z`` costs ``2 N R C``.

    Everything that a filter builds from a signal ``z`` has the form ``z A + left c`` with ``c`` of
    size ``R × C``. With ``Y = core rightᵀ z`` and ``G = rightᵀ left``, each computed once,

    .. math::
        S (z A + left\,c) = left\,(Y A + core\,G\,c), \qquad
        (aI + bS)^{-1} (z A + left\,c) = z A / a + left\,c',
        \quad (aI + b\,core\,G)\,c' = c - (b/a)\,Y A.

    So a filter of any order touches the ``N`` nodes twice: once in ``Y``, once at its end; and a
    resolvent is an exact solve of size ``R``. :meth:`signal` returns such lazy signals.

    Args:
        left: ``(B, N, R)``, real floating-point.
        right: ``(B, N, R)``; by default the tensor ``left`` itself.
        core: ``(R, R)`` or ``(B, R, R)``; by default the identity.
        is_symmetric: promise that ``S = Sᵀ``; by default true when both factors are one tensor
            and there is no core.
        spectral_bound: a bound of ``|μ|``, if one is known.

    Raises:
        TypeError: if a factor is not real floating-point.
        ValueError: if the shapes do not fit.

    Example:
        >>> q = torch.rand(1, 1000, 4)
        >>> S = LowRankShift(q / 50)
        >>> (S @ torch.ones(1, 1000, 2)).shape, S.rank
        (torch.Size([1, 1000, 2]), 4)
    """

    def __init__(
        self,
        left: Tensor,
        right: Tensor | None = None,
        core: Tensor | None = None,
        *,
        is_symmetric: bool | None = None,
        spectral_bound: float | None = None,
    ) -> None:
        right = left if right is None else right
        _check_factors(left, right, core)
        self.left, self.right, self.core = left, right, core
        self.is_symmetric = (
            right is left and core is None if is_symmetric is None else is_symmetric
        )
        self.spectral_bound = spectral_bound

    @property
    def rank(self) -> int:
        """``R``, the number of columns of the factors: an upper bound of the rank of ``S``."""
        return self.left.shape[-1]

    @property
    def shape(self) -> torch.Size:
        batch, nodes, _ = self.left.shape
        return torch.Size((batch, nodes, nodes))

    @property
    def dtype(self) -> torch.dtype:
        return self.left.dtype

    @property
    def device(self) -> torch.device:
        return self.left.device

    @cached_property
    def gram(self) -> Tensor:
        """``core G = core · rightᵀ · left (B, R, R)``: ``S`` restricted to the span of ``left``.

        Its eigenvalues are the non-zero eigenvalues of ``S`` (and zeros).
        """
        product = _gram(self.left) if self.right is self.left else self.right.mT @ self.left
        return self._through_core(product)

    def project(self, z: Tensor) -> Tensor:
        """``Y = core · rightᵀ z``, shape ``(B, R, C)``."""
        return self._through_core(matmul_real(self.right.mT, z))

    def signal(self, z: Tensor) -> LowRankSignal:
        """``z`` as a lazy signal, on which a whole filter runs in ``R × C`` numbers."""
        return LowRankSignal(self, Base(self, z), 1.0, None)

    def __matmul__(self, z: Signal) -> Signal:
        if isinstance(z, LowRankSignal):
            return z.shifted(self)
        return matmul_real(self.left, self.project(z))

    @property
    def T(self) -> LowRankShift:  # noqa: N802
        core = None if self.core is None else self.core.mT
        return self._like(self.right, self.left, core)

    def solve(self, z: Signal, a: Scalar, b: Scalar) -> Signal:
        if isinstance(z, LowRankSignal):
            return z.solved(self, a, b)
        return self.signal(z).solved(self, a, b).to_dense()

    def to_dense(self) -> Tensor:
        left = self.left if self.core is None else self.left @ self.core
        return left @ self.right.mT

    def to(self, dtype: torch.dtype) -> LowRankShift:
        if dtype == self.dtype:
            return self
        left = self.left.to(dtype)
        right = left if self.right is self.left else self.right.to(dtype)
        return self._like(left, right, None if self.core is None else self.core.to(dtype))

    def __add__(self, other: ShiftOperator) -> ShiftOperator:
        if not isinstance(other, LowRankShift):
            return DenseShift(self.to_dense(), is_symmetric=self.is_symmetric) + other
        require_same_nodes(self, other)
        factors = zip(_plain_factors(self), _plain_factors(other), strict=True)
        left, right = (torch.cat(pair, dim=-1) for pair in factors)
        return LowRankShift(
            left,
            right,
            is_symmetric=self.is_symmetric and other.is_symmetric,
            spectral_bound=added_bounds(self, other),
        )

    def _through_core(self, y: Tensor) -> Tensor:
        core = self.core
        return y if core is None else on_parts(lambda part: core @ part, y)

    def _like(self, left: Tensor, right: Tensor, core: Tensor | None) -> LowRankShift:
        return LowRankShift(
            left,
            right,
            core,
            is_symmetric=self.is_symmetric,
            spectral_bound=self.spectral_bound,
        )

    def __repr__(self) -> str:
        return f"LowRankShift(shape={tuple(self.shape)}, rank={self.rank}, dtype={self.dtype})"


class Base:
    """The one dense tensor ``z (B, N, C)`` behind a family of lazy signals, with its ``Y``."""

    def __init__(self, shift: LowRankShift, z: Tensor) -> None:
        self.shift, self.z = shift, z

    @cached_property
    def projected(self) -> Tensor:
        """``Y = core rightᵀ z``, computed at first use and once."""
        return self.shift.project(self.z)


class LowRankSignal:
    r"""The node signal ``z A + left c`` on a :class:`LowRankShift`, kept as ``A`` and ``c``.

    It has the arithmetic that a filter uses: ``+ − *``, ``shift @``, ``shift.solve``, ``@ W`` for a mixing
    matrix ``W``, and ``.real``, ``.imag``. :meth:`to_dense` gives the tensor ``(B, N, C)``.
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

    def solved(self, shift: LowRankShift, a: Scalar, b: Scalar) -> LowRankSignal:
        """``(a I + b S)⁻¹ (z A + left c)``, exactly, by one solve of size ``R``."""
        self._require(shift)
        if isinstance(a, int | float | complex) and a == 0:
            raise ValueError(
                "a = 0: b S alone has no inverse, since S is low-rank; use a ≠ 0 in (aI + bS)⁻¹"
            )
        right_side = _add(self.coefficients, _times(self.base.projected, self.scale, -b / a))
        scale = self.scale / a
        if right_side is None:
            return self._like(scale, None)
        eye = torch.eye(shift.rank, dtype=shift.dtype, device=shift.device)
        system = a * eye + b * shift.gram
        dtype = torch.promote_types(system.dtype, right_side.dtype)
        return self._like(scale, torch.linalg.solve(system.to(dtype), right_side.to(dtype)))

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
        self._require(other.shift, other.base)
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

    def __matmul__(self, weight: Tensor) -> LowRankSignal:
        c = self.coefficients
        scale = self.scale @ weight if _is_matrix(self.scale) else self.scale * weight
        if _is_zero(self.scale):
            scale = 0.0
        return self._like(scale, None if c is None else c @ weight)

    def _like(self, scale: Scalar, coefficients: Tensor | None) -> LowRankSignal:
        return LowRankSignal(self.shift, self.base, scale, coefficients)

    def _require(self, shift: LowRankShift, base: Base | None = None) -> None:
        if shift is not self.shift or (base is not None and base is not self.base):
            raise ValueError(
                "lazy signals combine only on the shift and the tensor they were made from; "
                "call .to_dense() on one of them first"
            )


def _check_factors(left: Tensor, right: Tensor, core: Tensor | None) -> None:
    for name, factor in {"left": left, "right": right, "core": core}.items():
        if factor is not None:
            require_real_floating(factor, f"the {name} factor of a shift")
    if left.dim() != 3 or left.shape != right.shape:
        raise ValueError(
            "factors have one common shape (B, N, R), "
            f"got left {tuple(left.shape)} and right {tuple(right.shape)}"
        )
    rank = left.shape[-1]
    if core is not None and core.shape[-2:] != (rank, rank):
        raise ValueError(
            f"core has shape (R, R) or (B, R, R) with R = {rank}, got {tuple(core.shape)}"
        )


def _gram(factor: Tensor) -> Tensor:
    """``factorᵀ factor``, computing three of its four blocks: the fourth is a transpose."""
    half = factor.shape[-1] // 2
    first, second = factor[..., :half], factor[..., half:]
    cross = first.mT @ second
    top = torch.cat([first.mT @ first, cross], dim=-1)
    bottom = torch.cat([cross.mT, second.mT @ second], dim=-1)
    return torch.cat([top, bottom], dim=-2)


def _two_products(z: Tensor, mixing: Tensor, left: Tensor, c: Tensor) -> Tensor:
    """``z A + left c`` with the sum inside the second product."""
    own = mix_channels(z, mixing)
    batch = own.shape[0]
    left, c = left.expand(batch, -1, -1), c.expand(batch, -1, -1)
    if is_channel_first(own):
        return torch.baddbmm(own.mT, c.mT, left.mT).mT
    return torch.baddbmm(own, left, c)


def _plain_factors(shift: LowRankShift) -> tuple[Tensor, Tensor]:
    left = shift.left if shift.core is None else shift.left @ shift.core
    return left, shift.right


# A signal's scale A is a number, a zero-dimensional tensor, or a mixing matrix (C, D).


def _is_matrix(scale: Scalar) -> TypeGuard[Tensor]:
    return isinstance(scale, Tensor) and scale.dim() == 2


def _is_zero(scale: Scalar) -> bool:
    return isinstance(scale, int | float | complex) and scale == 0


def _scaled(z: Tensor, scale: Scalar) -> Tensor:
    if _is_matrix(scale):
        return on_parts(lambda part: mix_channels(z, part), scale)
    return z if isinstance(scale, float) and scale == 1.0 else z * scale


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
