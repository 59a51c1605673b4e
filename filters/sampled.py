"""Values and slopes of a response at computed frequencies, which stand for exact ones."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_SIMPLE = (720720, 5040, 10000)
"""Multiples of 1 to 16, of 1 to 10, and decimals of four digits: 1/2, 4/3 and 0.35 lie on these grids."""

_CHANCE = 0.03
"""The share of all numbers that may lie within rounding of a grid; with more, that says nothing."""

_NOISE = 64
"""Units of rounding by which the values of a response without a jump may miss its slope."""

ScalarResponse = Callable[[Tensor], Tensor]
"""``g``: frequencies ``(F,)`` to gains ``(F,)``."""


def within(lam: Tensor, width: Tensor) -> Tensor:
    """Frequencies, those that left ``[0, 2]`` by a few times their rounding ``width`` put back."""
    inside = lam.clamp(0, 2)
    return torch.where((lam - inside).abs() <= 4 * width, inside, lam)


def values(g: ScalarResponse, lam: Tensor) -> Tensor:
    """``g`` at frequencies of any shape, in their data type."""
    return g(lam.flatten()).to(lam.dtype).view_as(lam)


def rounding(g: ScalarResponse, lam: Tensor) -> float:
    """The unit of rounding in which ``g`` computes, given ``lam``; steps of integers have that of ``lam``."""
    dtype = g(lam.flatten()[:1]).dtype
    return torch.finfo(dtype if dtype.is_floating_point else lam.dtype).eps


def values_and_slopes(g: ScalarResponse, lam: Tensor, width: Tensor, unit: float) -> tuple[Tensor, Tensor]:
    """``g(λ)`` and ``g'(λ)`` at eigenvalues known up to ``width``, all of which broadcast to ``(B, K)``.

    Where ``g`` jumps within ``width`` of ``λ``, the eigenvalue counts as one at the jump (:func:`at_jumps`),
    so that equal eigenvalues have equal gains, however rounding has spread them. Slopes are 0 where ``g`` is
    piecewise constant.

    Args:
        g: a response, of operations that forward-mode differentiation knows.
        lam: frequencies.
        width: what rounding may have added to them.
        unit: see :func:`rounding`.
    """
    value, slope, jumps = _around_jumps(g, within(lam, width), width, unit)
    return torch.where(jumps, value[3], value[0]), slope[0]


def _around_jumps(
    g: ScalarResponse, lam: Tensor, width: Tensor, unit: float
) -> tuple[Tensor, Tensor, Tensor]:
    """``g`` and ``g'`` at ``λ`` and at the three places of :func:`_around`, and where ``g`` jumps between.

    There it changes by more than its slopes and its rounding allow; near a zero of ``g``, too, where any
    change is great beside its value.
    """
    places = torch.stack([lam, *_around(lam, width)])
    value, slope = _value_and_slope(g, places)
    spread = value.amax(0) - value.amin(0)
    reach = 2 * width * slope.abs().amax(0)
    noise = _NOISE * unit * value.abs().amax(0)
    return value, slope, (spread > 2 * reach + noise) | (~reach.isfinite() & (spread > 0))


def _value_and_slope(g: ScalarResponse, lam: Tensor) -> tuple[Tensor, Tensor]:
    """``g`` and ``g'``: by differentiating ``g``; by central differences where PyTorch cannot."""
    try:
        value, slope, *_ = torch.func.jvp(lambda at: values(g, at), (lam,), (torch.ones_like(lam),))
        return value, slope
    except RuntimeError:  # no forward-mode derivative of an operation (heaviside), or NumPy
        step = torch.finfo(lam.dtype).eps ** (1 / 3)
        below, above = _neighbours(lam, step * torch.ones_like(lam))
        return values(g, lam), (values(g, above) - values(g, below)) / (above - below)


def at_jumps(g: ScalarResponse, lam: Tensor) -> Tensor:
    """``g(λ)``, where a jump is as near to ``λ`` as its rounding: the value at the jump.

    That is ``g`` at the fraction or decimal that lies there, such as 0, 1, 4/3 or 0.35; at a jump elsewhere
    the value below it.
    """
    width = 4 * torch.finfo(lam.dtype).eps * torch.ones_like(lam)
    lam = within(lam, width)
    with torch.no_grad():
        value, _, jumps = _around_jumps(g, lam.detach(), width, rounding(g, lam))
    return torch.where(jumps, value[3], values(g, lam))


def _around(lam: Tensor, width: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """``λ − w``, ``λ + w``, and a simple number between them if there is one, else ``λ − w``."""
    below, above = _neighbours(lam, width)
    simple = below
    for grid in _SIMPLE:
        near = (lam * grid).round() / grid
        simple = torch.where(((near - lam).abs() <= width) & (width * grid < _CHANCE), near, simple)
    return below, above, simple


def _neighbours(lam: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
    """``λ − w`` and ``λ + w``, which leave ``[0, 2]`` only where ``λ`` has."""
    return (lam - width).maximum(lam.clamp(max=0)), (lam + width).minimum(lam.clamp(min=2))
