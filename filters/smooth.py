"""A smooth response as the polynomial that it is, up to rounding."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from filters.chebyshev import chebyshev_interpolation, chebyshev_nodes
from filters.sampled import values

DEGREES = (16, 32, 64, 128)
"""Degrees that are tried. Beyond, and with a response of another kind, eigenpairs cost less."""

_SPAN = 2.0**-6
"""What a response keeps everywhere of its greatest gain, in its value or slope: a sum of terms of that size
loses what is far smaller to their rounding."""


class Smooth(NamedTuple):
    """``g(λ) = Σ_k c_k T_k(1 − λ)`` on ``[0, 2]``, up to what rounding of the shift makes of ``g``.

    Attributes:
        coefficients: ``c_k``.
        at: frequencies ``(K + 1,)`` that determine it.
        values: ``g`` there.
    """

    coefficients: list[float]
    at: Tensor
    values: Tensor

    def is_still(self, gain: Callable[[Tensor], Tensor]) -> bool:
        """Whether it is ``gain`` that was interpolated: settings of a filter may have changed since."""
        return torch.equal(values(gain, self.at), self.values)

    @staticmethod
    def of(gain: Callable[[Tensor], Tensor], dtype: torch.dtype) -> Smooth | None:
        """The polynomial of the least degree that is ``gain`` to the rounding of ``dtype``, if one is.

        An error ``ε`` of a shift's entries is one of ``ε |g'(λ)|`` in the response, and rounding the result
        one of ``ε |g(λ)|``. At all of some thousand frequencies, those that are written as short fractions
        and decimals among them, the polynomial is closer than a quarter of both (and than the rounding of
        its own sum, in float64). As in Chebfun, the degree is doubled until it is enough, and what is small
        is cut off.
        """
        with torch.device("cpu"), torch.no_grad():
            lam = _grid()
            value = values(gain, lam)
            (slope,) = torch.gradient(value, spacing=(lam,))
            weight = value.abs() + slope.abs()
            greatest = value.abs().max()
            if not (weight >= _SPAN * greatest).all() or not weight.isfinite().all():
                return None
            unit, own = (torch.finfo(kind).eps for kind in (dtype, torch.float64))
            allowed = (unit / 4 * weight).clamp(min=32 * own * float(greatest))
            return next((one for degree in DEGREES if (one := _cut(gain, degree, lam, value, allowed))), None)


def _cut(
    gain: Callable[[Tensor], Tensor], degree: int, lam: Tensor, wanted: Tensor, allowed: Tensor
) -> Smooth | None:
    """The interpolant, cut at the first degree that is close enough."""
    at = 1 - chebyshev_nodes(degree)
    found = values(gain, at)
    coefficients = chebyshev_interpolation(degree) @ found
    angles = torch.arccos((1 - lam).clamp(-1, 1)).unsqueeze(-1)
    partial = (torch.cos(angles * torch.arange(degree + 1)) * coefficients).cumsum(-1)
    close = ((partial - wanted.unsqueeze(-1)).abs() <= allowed.unsqueeze(-1)).all(0)
    if not close.any():
        return None
    return Smooth(coefficients[: int(close.nonzero()[0]) + 1].tolist(), at, found)


def _grid() -> Tensor:
    """Frequencies in ``[0, 2]``: evenly spaced, and the numbers at which a response may be cut."""
    parts = [torch.arange(2 * steps + 1, dtype=torch.float64) / steps for steps in (720, 1000, 1024)]
    return torch.cat(parts).unique()
