r"""Normalisation by degrees, at any scale of the weights.

``D⁻¹ A`` and ``D^{-1/2} A D^{-1/2}`` do not depend on the scale of ``A``, though weights, degrees and their
powers overflow or vanish. So numbers are brought close to 1 first, by powers of two, which round nothing: a
whole sample where one factor does, every node by itself where a graph may have parts of very different scale.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from filters.export import is_exporting
from filters.operators.ranks import ALL_HERE, Ranks


class _Bits(NamedTuple):
    """How a type of numbers ``2^(e − bias) · 1.m`` is laid out: ``e`` above ``digits`` bits of ``m``."""

    integer: torch.dtype
    digits: int
    bias: int

    @property
    def exponents(self) -> int:
        """The bits of ``e``."""
        return (2 * self.bias + 1) << self.digits


_BITS = {
    torch.float64: _Bits(torch.int64, 52, 1023),
    torch.float32: _Bits(torch.int32, 23, 127),
    torch.float16: _Bits(torch.int16, 10, 15),
    torch.bfloat16: _Bits(torch.int16, 7, 127),
}


def power_below(x: Tensor) -> Tensor:
    r"""``2^{⌊log₂ x⌋}`` of ``x ≥ 0``, a constant; at least the smallest normal number, and 1 for 0.

    Example:
        >>> power_below(torch.tensor([5.0, 0.3, 0.0]))
        tensor([4.0000, 0.2500, 1.0000])
    """
    x = x.detach()
    if is_exporting():  # ONNX has no bits of numbers; one more or less is as good
        power = torch.exp2(torch.log2(x).floor())
    else:
        bits = _BITS[x.dtype]
        power = (x.view(bits.integer) & bits.exponents).view(x.dtype)
    return power.clamp_min(torch.finfo(x.dtype).tiny).masked_fill(x == 0, 1.0)


def root_below(x: Tensor) -> Tensor:
    r"""``2^{⌊½ log₂ x⌋}`` of ``x ≥ 0``, a constant; 1 where ``x`` is 0."""
    return root_below_positive(x).masked_fill(x == 0, 1.0)


def root_below_positive(x: Tensor) -> Tensor:
    r"""The same of ``x > 0``, in fewer steps: on a GPU each of them is the start of a kernel."""
    x = x.detach()
    if is_exporting():
        return torch.exp2((0.5 * torch.log2(x)).floor())
    bits = _BITS[x.dtype]
    halved = (x.view(bits.integer) >> 1) + (bits.bias << (bits.digits - 1))  # ⌊(e + bias) / 2⌋, and a rest
    return (halved & bits.exponents).view(x.dtype)


def to_unit_scale(*parts: Tensor, ranks: Ranks = ALL_HERE) -> tuple[Tensor, ...]:
    """The tensors ``(B, N, R)``, each sample divided by one power of two, close to its greatest modulus."""
    greatest = torch.stack([part.detach().abs().amax(dim=(1, 2), keepdim=True) for part in parts]).amax(0)
    inverse = power_below(ranks.greatest(greatest)).reciprocal()
    return tuple(part * inverse for part in parts)


def inverse_degree(degree: Tensor) -> Tensor:
    """``d⁻¹``, and 0 where ``d = 0`` (an isolated node), with finite gradients everywhere."""
    return _scaled_power(degree, torch.reciprocal, 2)


def inverse_sqrt_degree(degree: Tensor) -> Tensor:
    r"""``d^{-1/2}``, and 0 where ``d = 0`` (an isolated node), with finite gradients everywhere.

    ``d = 4^p m`` and ``d^{-1/2} = 2^{-p} m^{-1/2}``: in the backward pass factors follow each other that are
    each close to ``d^{-1/2}``, where ``d^{-3/2}`` alone would overflow.

    Args:
        degree: ``d ≥ 0``, real floating-point, any shape. A negative number counts as 0.

    Raises:
        TypeError: if degrees are integers.

    References:
        Chung (1997), *Spectral Graph Theory*.

    Example:
        >>> inverse_sqrt_degree(torch.tensor([4.0, 0.0]))
        tensor([0.5000, 0.0000])
    """
    return _scaled_power(degree, torch.rsqrt, 1)


def _scaled_power(degree: Tensor, power: Callable[[Tensor], Tensor], roots: int) -> Tensor:
    """``power(d / r²) / r^roots`` with a power of two ``r`` close to ``√d``."""
    isolated = degree <= 0
    root = root_below_positive(degree.clamp_min(torch.finfo(degree.dtype).tiny))
    value = power((degree / root / root).masked_fill(isolated, 1.0)).masked_fill(isolated, 0.0)
    for _ in range(roots):
        value = value / root
    return value


def by_rows(weight: Tensor, row: Tensor, num_nodes: int) -> Tensor:
    r"""``w_e / d_i`` of entries ``e`` in rows ``i``, with ``d_i`` the sum of a row.

    Args:
        weight: ``w (E,)``, non-negative.
        row: ``(E,)``.
        num_nodes: ``N``.

    Example:
        >>> by_rows(torch.tensor([1e-40, 3e-40]), torch.tensor([0, 0]), 1)
        tensor([0.2500, 0.7500])
    """
    root = root_below(greatest(weight, row, num_nodes))[row]
    unit = weight / root / root
    return unit * inverse_degree(added(unit, row, num_nodes))[row]


def by_rows_and_columns(weight: Tensor, row: Tensor, column: Tensor, num_nodes: int) -> Tensor:
    r"""``w_e / √(d_i d'_j)`` of entries ``e`` in rows ``i`` and columns ``j``, with the sums of both.

    With powers of two ``r_i² ≈ max_e w_e`` of a row, ``c_j`` of a column and ``s = min(r_i, c_j)``, all that
    is computed is made of ``u = w / s² < 4`` and of ``s / r_i, s / c_j ≤ 1``, and so are the gradients.

    Args:
        weight: ``w (E,)``, non-negative.
        row: ``i (E,)``.
        column: ``j (E,)``.
        num_nodes: ``N``.

    Example:
        >>> places = torch.tensor([0, 1, 2, 3]), torch.tensor([1, 0, 3, 2])  # two edges, both ways
        >>> by_rows_and_columns(torch.tensor([1e30, 1e30, 1e-30, 1e-30]), *places, 4)
        tensor([1., 1., 1., 1.])
    """
    roots = [root_below(greatest(weight, index, num_nodes))[index] for index in (row, column)]
    common = torch.minimum(*roots)
    value = unit = weight / common / common
    for index, root in zip((row, column), roots, strict=True):
        ratio = common / root
        degree = added(unit * ratio * ratio, index, num_nodes)
        value = value * ratio * inverse_sqrt_degree(degree)[index]
    return value


def added(values: Tensor, index: Tensor, size: int) -> Tensor:
    """Sums ``(size,)`` of the values of each index."""
    return values.new_zeros(size).index_add(0, index, values)


def greatest(values: Tensor, index: Tensor, size: int) -> Tensor:
    """The greatest of the values ``≥ 0`` of each index ``(size,)``, a constant; 0 where there is none."""
    return values.new_zeros(size).scatter_reduce(0, index, values.detach(), "amax")
