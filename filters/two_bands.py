"""Tight frames of two bands: a low-pass ``cos φ(λ)`` and a high-pass ``sin φ(λ)``, by name."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from filters.checks import require_integer, require_positive
from filters.wavelets import Gain, WaveletFrame, frame_of


def held(a: float = 2 / 3, order: int = 60) -> WaveletFrame:
    r"""The tight frame of ``sin φ`` and ``cos φ`` with ``φ = 2π(−1 + 24u − 144u² + 256u³)``, ``u = λ / 8a``.

    Between ``a`` and ``2a``; below, the first response is 1 and the second 0; above, the other way round.

    Args:
        a: end of the flat part of the low-pass, in ``(0, 2)``.
        order: degree of the approximation where a shift has no exact form.

    Raises:
        ValueError: if ``a`` is not positive.

    References:
        Held, Storath, Massopust, Forster (2010), *Steerable wavelet frames based on the Riesz transform*.
        As PyGSP's ``Held``.

    Example:
        >>> [round(bound, 9) for bound in held().frame_bounds()]
        [1.0, 1.0]
    """
    a = require_positive("a", a)
    return _two_bands("Held", partial(_held_angle, a=a), order)


def papadakis(a: float = 0.75, order: int = 60) -> WaveletFrame:
    r"""The tight frame of ``√(½(1 − sin φ))`` and ``√(½(1 + sin φ))`` with ``φ = 3πλ / 2a``.

    Between ``a`` and ``5a/3``; below, the first response is 1 and the second 0; above, the other way round.

    Args:
        a: end of the flat part of the low-pass, in ``(0, 2)``.
        order: degree of the approximation where a shift has no exact form.

    Raises:
        ValueError: if ``a`` is not positive.

    References:
        Romero, Alexander, Baid, Jain, Papadakis (2009), *The geometry and the analytic properties of
        isotropic multiresolution analysis*. As PyGSP's ``Papadakis``.

    Example:
        >>> [round(bound, 9) for bound in papadakis().frame_bounds()]
        [1.0, 1.0]
    """
    a = require_positive("a", a)
    return _two_bands("Papadakis", partial(_papadakis_angle, a=a), order)


def simoncelli(a: float = 2 / 3, order: int = 60) -> WaveletFrame:
    r"""The tight frame of ``cos φ`` and ``sin φ`` with ``φ = ½π log₂(λ / a)``.

    Between ``a`` and ``2a``; below, the first response is 1 and the second 0; above, the other way round.

    Args:
        a: end of the flat part of the low-pass, in ``(0, 2)``.
        order: degree of the approximation where a shift has no exact form.

    Raises:
        ValueError: if ``a`` is not positive.

    References:
        Portilla, Simoncelli (2000), *A parametric texture model based on joint statistics of complex wavelet
        coefficients*. As PyGSP's ``Simoncelli``.

    Example:
        >>> [round(bound, 9) for bound in simoncelli().frame_bounds()]
        [1.0, 1.0]
    """
    a = require_positive("a", a)
    return _two_bands("Simoncelli", partial(_simoncelli_angle, a=a), order)


def regular(degree: int = 2, order: int = 60) -> WaveletFrame:
    r"""The tight frame of ``sin φ`` and ``cos φ`` with ``φ = ¼π(1 + s_d)``, ``s_d = sin(½π s_{d−1})``.

    From ``s_0 = λ − 1`` on: the higher the degree ``d``, the flatter both ends.

    Args:
        degree: ``d ≥ 0``.
        order: degree of the approximation where a shift has no exact form.

    Raises:
        ValueError: if ``degree`` is negative.

    References:
        Shuman, Faraji, Vandergheynst (2016), *A multiscale pyramid transform for graph signals*. Deviation:
        PyGSP's ``Regular`` computes degree ``d − 1`` where it is asked for ``d ≥ 2``.

    Example:
        >>> [round(bound, 9) for bound in regular().frame_bounds()]
        [1.0, 1.0]
    """
    degree = require_integer("degree", degree, 0)
    return _two_bands("regular", partial(_regular_angle, degree=degree), order, low=False)


def _two_bands(name: str, angle: Gain, order: int, low: bool = True) -> WaveletFrame:
    """``cos φ`` and ``sin φ``, of an angle ``φ`` from 0 to ``½π``; ``sin φ`` first if not ``low``."""
    responses: list[Gain] = [partial(_cosine, angle=angle), partial(_sine, angle=angle)]
    return frame_of(name, responses if low else responses[::-1], order)


def _cosine(lam: Tensor, angle: Gain) -> Tensor:
    return torch.cos(angle(lam))


def _sine(lam: Tensor, angle: Gain) -> Tensor:
    return torch.sin(angle(lam))


def _held_angle(lam: Tensor, a: float) -> Tensor:
    u = lam.clamp(a, 2 * a) / (8 * a)
    return 0.5 * math.pi - 2 * math.pi * (-1 + u * (24 + u * (-144 + 256 * u)))


def _papadakis_angle(lam: Tensor, a: float) -> Tensor:
    return 0.5 * (1.5 * math.pi / a * lam.clamp(a, 5 * a / 3) - 1.5 * math.pi)


def _simoncelli_angle(lam: Tensor, a: float) -> Tensor:
    return 0.5 * math.pi * torch.log2(lam.clamp(a, 2 * a) / a)


def _regular_angle(lam: Tensor, degree: int) -> Tensor:
    s = lam - 1
    for _ in range(degree):
        s = torch.sin(0.5 * math.pi * s)
    return 0.25 * math.pi * (1 + s)
