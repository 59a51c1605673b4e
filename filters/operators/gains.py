"""A function of a symmetric matrix, by what it is at the eigenvalues."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_LOCAL, _GLOBAL = 32, 8
"""Units of rounding of ``g`` in which a difference quotient and a mean slope agree: of the values there and
of what rounding ``λ`` makes of them; and, since ``g`` may cancel inside, of its greatest value on the
graph."""


class Gains(NamedTuple):
    """The rounding of ``g``; ``λ (B, K)``, ``g(λ)``, ``g'(λ)``; the same at the frequency 1 ``(B, 1)``.

    The frequency 1 is that of the eigenvalues ``μ = 0`` which the eigenpairs leave out.
    """

    rounding: float
    lam: Tensor
    value: Tensor
    slope: Tensor
    lam_outside: Tensor
    value_outside: Tensor
    slope_outside: Tensor

    def differences(self) -> Tensor:
        """``Γ_ij = (f(μ_i) − f(μ_j)) / (μ_i − μ_j)`` with ``f(μ) = g(1 − μ)``, ``(B, K, K)``."""
        own = (self.lam, self.value, self.slope, self._noise(self.lam, self.value, self.slope))
        return -_divided(*(x.unsqueeze(-1) for x in own), *(x.unsqueeze(-2) for x in own))

    def differences_outside(self) -> Tensor:
        """``(f(μ_i) − f(0)) / μ_i``, ``(B, K, 1)``: against the eigenvalues left out."""
        own = (self.lam, self.value, self.slope)
        outside = (self.lam_outside, self.value_outside, self.slope_outside)
        return -_divided(*own, self._noise(*own), *outside, self._noise(*outside)).unsqueeze(-1)

    def _noise(self, lam: Tensor, value: Tensor, slope: Tensor) -> Tensor:
        """What rounding makes of the values, with a margin."""
        greatest = torch.maximum(self.value.abs().amax(-1, keepdim=True), self.value_outside.abs())
        return self.rounding * (_LOCAL * (value.abs() + (lam * slope).abs()) + _GLOBAL * greatest)


def _divided(
    x: Tensor, fx: Tensor, dx: Tensor, ex: Tensor, y: Tensor, fy: Tensor, dy: Tensor, ey: Tensor
) -> Tensor:
    """``(f(x) − f(y)) / (x − y)``; the mean slope where the two agree up to the rounding ``e`` of ``f``.

    A quotient loses its digits as its points come close, a mean slope as they part. Where they agree within
    the error of the former, the latter is as good or better; elsewhere the quotient has its digits, at a jump
    of ``f`` too. So no distance has to be chosen, which would have to know how stiff ``f`` is.
    """
    apart, rise, mean = x - y, fx - fy, 0.5 * (dx + dy)
    smooth = ((rise - mean * apart).abs() <= torch.maximum(ex, ey)) | (apart == 0)
    return torch.where(smooth, mean, rise / apart.masked_fill(smooth, 1.0))
