"""A response as a polynomial, and how far the two are apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from filters.chebyshev import chebyshev_interpolation, chebyshev_nodes
from filters.sampled import values

_GRID = 4096
_POOR = 1e-2  # an approximation worse than this share of the greatest gain is warned of


class Interpolant(NamedTuple):
    """``p(λ) = Σ_k c_k T_k(1 − λ)``, equal to a response at the Chebyshev nodes.

    Attributes:
        coefficients: ``c_k``.
        error: ``max |g(λ) − p(λ)|`` over 4096 frequencies in ``[0, 2]``.
        is_poor: whether that is a large share of the greatest gain.
    """

    coefficients: list[float]
    error: float
    is_poor: bool

    @staticmethod
    def of(gain: Callable[[Tensor], Tensor], order: int, name: str) -> Interpolant:
        """The interpolant of degree ``order``, found on the CPU in float64; ``name`` is for messages.

        Raises:
            TypeError: if ``gain`` gives no real tensor.
            ValueError: if it gives another shape, or NaN or infinite values on ``[0, 2]``.
        """
        with torch.device("cpu"):  # whatever the default: these are numbers, not parameters
            lam = torch.linspace(0, 2, _GRID, dtype=torch.float64)
            _check(gain(lam), lam, name)
            coefficients = chebyshev_interpolation(order) @ values(gain, 1 - chebyshev_nodes(order))
            gains = values(gain, lam)
            error = float((gains - _polynomial(coefficients, lam)).abs().max())
            return Interpolant(coefficients.tolist(), error, error > _POOR * float(gains.abs().max()))


def _polynomial(coefficients: Tensor, lam: Tensor) -> Tensor:
    angles = torch.arccos((1 - lam).clamp(-1, 1)).unsqueeze(-1)
    return torch.cos(angles * torch.arange(len(coefficients))) @ coefficients


def _check(gains: object, lam: Tensor, name: str) -> None:
    """Refuse what is no response."""
    if not isinstance(gains, Tensor):
        raise TypeError(f"a response returns a tensor, {name} returned {type(gains).__name__}")
    if gains.is_complex():
        raise TypeError(f"a response is real, {name} returned {gains.dtype}")
    if gains.shape != lam.shape:
        raise ValueError(
            f"a response maps frequencies (F,) to gains (F,): {name} gave {tuple(gains.shape)} for "
            f"{tuple(lam.shape)}"
        )
    wrong = ~torch.isfinite(gains)
    if wrong.any():
        raise ValueError(
            f"{name} is NaN or infinite at λ = {lam[wrong][0]:.3g}; a response is finite on [0, 2]"
        )
