"""Frames by name: banks of fixed responses over ``λ ∈ [0, 2]``, most of them tight."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from filters.checks import require_integer, require_positive
from filters.spectral_function import SpectralFunction
from filters.two_bands import held, papadakis, regular, simoncelli
from filters.wavelets import Gain, WaveletFrame, frame_of

__all__ = [
    "abspline",
    "gabor",
    "half_cosine",
    "held",
    "mexican_hats",
    "meyer",
    "papadakis",
    "regular",
    "simoncelli",
    "simple_tight",
]

_TOP = 2.0
"""The greatest frequency of a normalised graph, to which frames of other packages are scaled."""


def half_cosine(bands: int = 6, order: int = 60) -> WaveletFrame:
    r"""The tight frame of translates ``½ + ½ cos 2π(x_j − ½)``, ``x_j = (λ − (j − 3) w/3) / w ∈ [0, 1]``.

    ``w = 6 / (J − 2)``: each band overlaps with two on either side. ``A = B = 9/8``.

    Args:
        bands: ``J``, at least 3.
        order: degree of the approximation where a shift has no exact form.

    Raises:
        ValueError: if ``bands`` is below 3.

    References:
        Shuman, Wiesmeyr, Holighaus, Vandergheynst (2015), *Spectrum-adapted tight graph wavelet and
        vertex-frequency frames*. As PyGSP's ``HalfCosine``.

    Example:
        >>> [round(bound, 9) for bound in half_cosine(6).frame_bounds()]
        [1.125, 1.125]
    """
    bands = require_integer("bands", bands, 3)
    width = 3 * _TOP / (bands - 2)
    starts = [width / 3 * (j - 2) for j in range(bands)]
    return frame_of("half cosine", [partial(_hann, start=start, width=width) for start in starts], order)


def meyer(bands: int = 6, order: int = 60) -> WaveletFrame:
    r"""The tight frame of Meyer's wavelets: a low-pass, and ``J − 1`` octaves.

    With ``x = s_j λ``, ``s_j = ⅔ 2^{J−1−j}`` and ``v(t) = t⁴ (35 − 84t + 70t² − 20t³)``: wavelets rise as
    ``sin(½π v(3x/2 − 1))`` on ``[⅔, 4/3)`` and fall as ``cos(½π v(3x/4 − 1))`` on ``[4/3, 8/3)``; the
    low-pass is 1 up to ``⅔`` and falls as the first wavelet rises. ``A = B = 1`` on ``[0, 2]``.

    Args:
        bands: ``J``, at least 2.
        order: degree of the approximation where a shift has no exact form.

    Raises:
        ValueError: if ``bands`` is below 2.

    References:
        Leonardi, Van De Ville (2011), *Wavelet frames on graphs defined by FMRI functional connectivity*. As
        PyGSP's ``Meyer``.

    Example:
        >>> [round(bound, 9) for bound in meyer(4).frame_bounds()]
        [1.0, 1.0]
    """
    bands = require_integer("bands", bands, 2)
    scales = [4 / (3 * _TOP) * 2.0**k for k in range(bands - 2, -1, -1)]
    waves = [partial(_meyer_wavelet, scale=scale) for scale in scales]
    return frame_of("Meyer", [partial(_meyer_low, scale=scales[0]), *waves], order)


def simple_tight(bands: int = 6, order: int = 60) -> WaveletFrame:
    r"""The tight frame of ``h`` and ``√(1 − h²)`` with ``h(t) = sin²(½πt)``: octaves and a low-pass.

    With ``x = s_j λ`` and ``s_j = ¼ 2^{J−1−j}``: wavelets rise as ``h(4x − 1)`` on ``[¼, ½)`` and fall as
    ``√(1 − h(2x − 1)²)`` on ``[½, 1)``; the low-pass is 1 up to ``¼`` and falls as the first wavelet rises.

    Args:
        bands: ``J``, at least 2.
        order: degree of the approximation where a shift has no exact form.

    Raises:
        ValueError: if ``bands`` is below 2.

    References:
        Leonardi, Van De Ville (2013), *Tight wavelet frames on multislice graphs*. As PyGSP's
        ``SimpleTight``.

    Example:
        >>> [round(bound, 9) for bound in simple_tight(4).frame_bounds()]
        [1.0, 1.0]
    """
    bands = require_integer("bands", bands, 2)
    scales = [1 / (2 * _TOP) * 2.0**k for k in range(bands - 2, -1, -1)]
    waves = [partial(_simple_wavelet, scale=scale) for scale in scales]
    return frame_of("simple tight", [partial(_simple_low, scale=scales[0]), *waves], order)


def abspline(bands: int = 6, low_pass: float = 20.0, order: int = 60) -> WaveletFrame:
    r"""The frame of spline wavelets ``g(s_j λ)``: ``x²`` to 1, a cubic to 2, then ``4/x²``; and a low-pass.

    The cubic ``−5 + 11x − 6x² + x³`` joins the two with its slope. Scales are spaced evenly by logarithm from
    ``low_pass`` to ½; the low-pass is ``γ exp(−(λ / 0.6 λ_min)⁴)`` with ``λ_min = 2 / low_pass`` and the
    greatest value ``γ = 1 + 2/√27`` of a wavelet.

    Args:
        bands: ``J``, at least 2, one of them the low-pass.
        low_pass: ratio of the greatest frequency to that below which the low-pass is.
        order: degree of the approximation where a shift has no exact form.

    Raises:
        ValueError: if ``bands`` is below 2 or ``low_pass`` is not positive.

    References:
        Hammond, Vandergheynst, Gribonval (2011), *Wavelets on graphs via spectral graph theory*. As PyGSP's
        ``Abspline``.

    Example:
        >>> lower, upper = abspline().frame_bounds()
        >>> lower > 0.2
        True
    """
    least, scales = _scales(bands, low_pass)
    waves = [partial(_spline, scale=scale) for scale in scales]
    low = partial(_quartic, height=1 + 2 / math.sqrt(27), width=0.6 * least)
    return frame_of("abspline", [low, *waves], order)


def mexican_hats(bands: int = 6, low_pass: float = 20.0, order: int = 60) -> WaveletFrame:
    r"""The frame of ``s_j λ exp(−s_j λ)`` and the low-pass ``1.2 e⁻¹ exp(−(λ / 0.4 λ_min)⁴)``.

    Scales are spaced evenly by logarithm from ``low_pass`` to ½; ``λ_min = 2 / low_pass``.

    Args:
        bands: ``J``, at least 2, one of them the low-pass.
        low_pass: ratio of the greatest frequency to that below which the low-pass is.
        order: degree of the approximation where a shift has no exact form.

    Raises:
        ValueError: if ``bands`` is below 2 or ``low_pass`` is not positive.

    References:
        Hammond, Vandergheynst, Gribonval (2011). As PyGSP's ``MexicanHat``; :class:`MexicanHat` is one of
        its bands, with the greatest gain 1.

    Example:
        >>> lower, upper = mexican_hats().frame_bounds()
        >>> lower > 0.05
        True
    """
    least, scales = _scales(bands, low_pass)
    waves = [partial(_hat, scale=scale) for scale in scales]
    return frame_of("mexican hat", [partial(_quartic, height=1.2 / math.e, width=0.4 * least), *waves], order)


def gabor(response: SpectralFunction, frequencies: Sequence[float], order: int = 60) -> WaveletFrame:
    r"""``g_j(λ) = g(λ − λ_j)``, a bank of translates: how much of each frequency there is about each node.

    Args:
        response: ``g``, asked at ``λ − λ_j``, which may be negative.
        frequencies: ``λ_j``; PyGSP's ``Gabor`` takes all eigenvalues of the graph.
        order: degree of the approximation where a shift has no exact form.

    Raises:
        TypeError: if ``response`` is no :class:`SpectralFunction`.
        ValueError: if there are no frequencies.

    References:
        Shuman, Ricaud, Vandergheynst (2016), *Vertex-frequency analysis on graphs*.

    Example:
        >>> window = SpectralFunction(lambda lam: torch.exp(-20 * lam.square()))
        >>> bank = gabor(window, [0.0, 0.5, 1.0, 1.5, 2.0])
        >>> len(bank.bands), float(bank.bands[2].response(torch.tensor([1.0])))
        (5, 1.0)
    """
    if not isinstance(response, SpectralFunction):
        raise TypeError(f"response is a SpectralFunction, got {type(response).__name__}")
    translates: list[Gain] = [partial(_translated, response=response, by=float(lam)) for lam in frequencies]
    return frame_of("Gabor", translates, order)


def _hann(lam: Tensor, start: float, width: float) -> Tensor:
    x = (lam - start) / width
    return torch.where((x >= 0) & (x <= 1), 0.5 - 0.5 * torch.cos(2 * math.pi * x), 0.0)


def _rise(x: Tensor, start: float) -> Tensor:
    """Meyer's angle, from 0 at ``start`` to ``½π`` at twice that."""
    t = (x / start - 1).clamp(0, 1)
    return 0.5 * math.pi * t**4 * (35 + t * (-84 + t * (70 - 20 * t)))


def _meyer_low(lam: Tensor, scale: float) -> Tensor:
    return torch.cos(_rise(scale * lam, 2 / 3))


def _meyer_wavelet(lam: Tensor, scale: float) -> Tensor:
    x = scale * lam
    return torch.where(x < 4 / 3, torch.sin(_rise(x, 2 / 3)), torch.cos(_rise(x, 4 / 3)))


def _squared_sine(x: Tensor, start: float) -> tuple[Tensor, Tensor]:
    """``h`` and ``√(1 − h²) = cos(½πt) √(1 + h)`` for ``t`` from 0 at ``start`` to 1 at twice that."""
    t = 0.5 * math.pi * (x / start - 1).clamp(0, 1)
    h = torch.sin(t).square()
    return h, torch.cos(t) * torch.sqrt(1 + h)


def _simple_low(lam: Tensor, scale: float) -> Tensor:
    return _squared_sine(scale * lam, 0.25)[1]


def _simple_wavelet(lam: Tensor, scale: float) -> Tensor:
    x = scale * lam
    return torch.where(x < 0.5, _squared_sine(x, 0.25)[0], _squared_sine(x, 0.5)[1])


def _scales(bands: int, low_pass: float) -> tuple[float, list[float]]:
    """``λ_min``, and ``J − 1`` scales: of the first, the wavelet is greatest at ``λ_min``."""
    bands, low_pass = require_integer("bands", bands, 2), require_positive("low_pass", low_pass)
    logarithms = torch.linspace(math.log(low_pass), math.log(1 / _TOP), bands - 1, dtype=torch.float64)
    return _TOP / low_pass, logarithms.exp().tolist()


def _spline(lam: Tensor, scale: float) -> Tensor:
    x = scale * lam
    middle = -5 + x * (11 + x * (-6 + x))
    above = 4 / x.clamp_min(1.0).square()
    return torch.where(x < 1, x.square(), torch.where(x < 2, middle, above))


def _hat(lam: Tensor, scale: float) -> Tensor:
    return scale * lam * torch.exp(-scale * lam)


def _quartic(lam: Tensor, height: float, width: float) -> Tensor:
    return height * torch.exp(-((lam / width) ** 4))


def _translated(lam: Tensor, response: SpectralFunction, by: float) -> Tensor:
    return response.gain(lam - by)
