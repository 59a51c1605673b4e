"""The named fixed responses."""

import torch
from torch import Tensor

from filters.checks import require_number, require_positive
from filters.spectral_function import SpectralFunction


class _Kernel(SpectralFunction):
    """A response with one positive number; a subclass writes :meth:`gain`."""

    symbol: str

    def __init__(self, value: float, order: int) -> None:
        value = require_positive(self.symbol, value)
        super().__init__(order=order, name=f"{type(self).__name__}({self.symbol}={value:g})")
        self.value = value
        self._interpolate()


class Heat(_Kernel):
    r"""``y = exp(−τ L) z``: heat that has spread for the time ``τ``. Response ``exp(−τ λ)``.

    Args:
        tau: diffusion time ``τ > 0``, in units of the normalised Laplacian.
        order: see :class:`SpectralFunction`.

    Raises:
        TypeError: if ``tau`` is no real number, or requires a gradient; if ``order`` is no integer.
        ValueError: if ``tau`` is not positive and finite, in float32 too, or ``order`` is negative; at the
            call, as :class:`SpectralFunction`.

    References:
        Kondor, Lafferty (2002), *Diffusion Kernels on Graphs and Other Discrete Input Spaces*.

    Example:
        >>> Heat(0.5).response(torch.tensor([0.0, 2.0])).flatten()
        tensor([1.0000, 0.3679])
    """

    symbol = "tau"

    def __init__(self, tau: float = 1.0, order: int = 40) -> None:
        super().__init__(tau, order)

    def gain(self, lam: Tensor) -> Tensor:
        return torch.exp(-self.value * lam)


class Tikhonov(_Kernel):
    r"""``y = argmin_y ‖y − z‖² + α yᵀ L y = (I + α L)⁻¹ z``: the smoothed signal. Response ``1 / (1 + α λ)``.

    Args:
        alpha: weight ``α > 0`` of the smoothness.
        order: see :class:`SpectralFunction`.

    Raises:
        TypeError: if ``alpha`` is no real number, or requires a gradient; if ``order`` is no integer.
        ValueError: if ``alpha`` is not positive and finite, in float32 too, or ``order`` is negative; at the
            call, as :class:`SpectralFunction`.

    References:
        Belkin, Matveeva, Niyogi (2004), *Regularization and Semi-supervised Learning on Large Graphs*.

    Example:
        >>> Tikhonov(1.0).response(torch.tensor([0.0, 1.0])).flatten()
        tensor([1.0000, 0.5000])
    """

    symbol = "alpha"

    def __init__(self, alpha: float = 1.0, order: int = 40) -> None:
        super().__init__(alpha, order)

    def gain(self, lam: Tensor) -> Tensor:
        return 1 / (1 + self.value * lam)


class IdealLowPass(_Kernel):
    r"""``y = Σ_{λ_i ≤ c} u_i u_iᵀ z``: the part of ``z`` below the cut-off ``c``. Response 1 up to ``c``, 0
    above.

    No polynomial comes close to the jump: on shifts without an exact form, expect the warning of
    :class:`SpectralFunction`.

    Args:
        cutoff: graph frequency ``c > 0``.
        order: see :class:`SpectralFunction`.

    Raises:
        TypeError: if ``cutoff`` is no real number, or requires a gradient; if ``order`` is no integer.
        ValueError: if ``cutoff`` is not positive and finite, in float32 too, or ``order`` is negative; at the
            call, as :class:`SpectralFunction`.

    References:
        Pesenson (2008), *Sampling in Paley-Wiener spaces on combinatorial graphs*.

    Example:
        >>> IdealLowPass(0.5).response(torch.tensor([0.0, 0.5, 0.6])).flatten()
        tensor([1., 1., 0.])
    """

    symbol = "cutoff"

    def __init__(self, cutoff: float = 0.5, order: int = 40) -> None:
        super().__init__(cutoff, order)

    def gain(self, lam: Tensor) -> Tensor:
        return (lam <= self.value).to(lam.dtype)


class MexicanHat(_Kernel):
    r"""``y = e · sL · exp(−sL) z``: a band-pass about ``λ = 1/s``, where its gain is 1.

    Args:
        scale: ``s > 0``.
        order: see :class:`SpectralFunction`.

    Raises:
        TypeError: if ``scale`` is no real number, or requires a gradient; if ``order`` is no integer.
        ValueError: if ``scale`` is not positive and finite, in float32 too, or ``order`` is negative; at the
            call, as :class:`SpectralFunction`.

    References:
        Hammond, Vandergheynst, Gribonval (2011), the wavelets of the spectral graph wavelet transform.

    Example:
        >>> MexicanHat(2.0).response(torch.tensor([0.0, 0.5])).flatten()
        tensor([0., 1.])
    """

    symbol = "scale"

    def __init__(self, scale: float = 1.0, order: int = 40) -> None:
        super().__init__(scale, order)

    def gain(self, lam: Tensor) -> Tensor:
        scaled = self.value * lam
        return scaled * torch.exp(1 - scaled)


class _Band(SpectralFunction):
    """A response with two ends, one of which may be left out."""

    def __init__(self, low: float | None, high: float | None, order: int, settings: str = "") -> None:
        self_low, self_high = (_end(name, value) for name, value in (("low", low), ("high", high)))
        if self_low is not None and self_high is not None and self_low > self_high:
            raise ValueError(f"low = {self_low:g} is above high = {self_high:g}: no frequency lies between")
        ends = f"low={_shown(self_low)}, high={_shown(self_high)}"
        super().__init__(order=order, name=f"{type(self).__name__}({ends}{settings})")
        self.low, self.high = self_low, self_high


class Rectangular(_Band):
    r"""``y = Σ_{a ≤ λ_i ≤ b} u_i u_iᵀ z``: the part of ``z`` between two frequencies. Response 1 or 0.

    No polynomial comes close to the jumps: on shifts without an exact form, expect the warning of
    :class:`SpectralFunction`.

    Args:
        low: ``a``; ``None`` for a low-pass.
        high: ``b``; ``None`` for a high-pass. PyGSP's ``band_max`` is ``b / 2``.
        order: see :class:`SpectralFunction`.

    Raises:
        ValueError: if an end is not finite, or ``a > b``.

    References:
        Defferrard, Martin, Pena, Perraudin (2017), *PyGSP*, its ``Rectangular``. Deviation: ``b`` is a
        frequency of ``λ ∈ [0, 2]``, theirs a share of ``λ_max``.

    Example:
        >>> Rectangular(0.2, 1.0).response(torch.tensor([0.0, 0.5, 2.0])).flatten()
        tensor([0., 1., 0.])
    """

    def __init__(self, low: float | None = None, high: float | None = 0.4, order: int = 40) -> None:
        super().__init__(low, high, order)
        self._interpolate()

    def gain(self, lam: Tensor) -> Tensor:
        inside = torch.ones_like(lam, dtype=torch.bool)
        if self.low is not None:
            inside = inside & (lam >= self.low)
        if self.high is not None:
            inside = inside & (lam <= self.high)
        return inside.to(lam.dtype)


class ExponentialWindow(_Band):
    r"""``y = g(L) z``, a band whose ends fall smoothly, from 1 to 0 over two units of frequency.

    .. math::
        g(λ) = w(½ − ½(λ − b)) \, w(½ + ½(λ − a)), \qquad w(x) = \frac{e(x)}{e(x) + e(1 − x)}, \quad
        e(x) = \exp(−s / x) \; (x > 0), \; 0 \; (x ≤ 0).

    Args:
        low: ``a``, where the gain is ½; ``None`` for a low-pass.
        high: ``b``, where the gain is ½; ``None`` for a high-pass. PyGSP's ``band_max`` is ``b / 2``.
        slope: ``s > 0``, how steep the ends are.
        order: see :class:`SpectralFunction`.

    Raises:
        ValueError: if an end is not finite, ``a > b``, or ``slope`` is not positive.

    References:
        Defferrard, Martin, Pena, Perraudin (2017), *PyGSP*, its ``Expwin``. Deviation: ``b`` is a
        frequency of ``λ ∈ [0, 2]``, theirs a share of ``λ_max``.

    Example:
        >>> ExponentialWindow(None, 1.0).response(torch.tensor([0.0, 1.0, 2.0])).flatten()
        tensor([1.0000, 0.5000, 0.0000])
    """

    def __init__(
        self, low: float | None = None, high: float | None = 0.4, slope: float = 1.0, order: int = 40
    ) -> None:
        slope = require_positive("slope", slope)
        super().__init__(low, high, order, settings=f", slope={slope:g}")
        self.slope = slope
        self._interpolate()

    def gain(self, lam: Tensor) -> Tensor:
        total = torch.ones_like(lam)
        if self.low is not None:
            total = total * self._window(0.5 + 0.5 * (lam - self.low))
        if self.high is not None:
            total = total * self._window(0.5 - 0.5 * (lam - self.high))
        return total

    def _window(self, x: Tensor) -> Tensor:
        """``1 / (1 + exp(s/x − s/(1 − x)))`` between 0 and 1."""
        inside = x.clamp(1e-6, 1 - 1e-6)  # neither 0 nor 1, where quotients and their slopes are infinite
        value = torch.sigmoid(self.slope / (1 - inside) - self.slope / inside)
        return torch.where(x <= 0, 0.0, torch.where(x >= 1, 1.0, value))


class Wave(SpectralFunction):
    r"""``y = cos(t arccos(I − ¼ s² L)) z``: a wave that began as ``z`` at rest, after ``t`` steps.

    Response ``cos(2 t arcsin(s √(λ/8)))``; of whole ``t``, Chebyshev's polynomial ``T_t(1 − s² λ / 4)``: the
    solution of ``f(t + 1) = 2 f(t) − f(t − 1) − ½ s² L f(t)``.

    Args:
        time: ``t > 0``.
        speed: ``s``, in ``(0, 2)``: the wave is stable there.
        order: see :class:`SpectralFunction`.

    Raises:
        ValueError: if a number is out of range.

    References:
        Grassi, Loukas, Perraudin, Ricaud (2018), *A time-vertex signal processing framework*. As PyGSP's
        ``Wave``, whose frequencies are divided by the greatest, 2 here.

    Example:
        >>> Wave(2.0, 1.0).response(torch.tensor([0.0, 2.0])).flatten()
        tensor([ 1.0000, -0.5000])
    """

    def __init__(self, time: float = 10.0, speed: float = 1.0, order: int = 40) -> None:
        time, speed = require_positive("time", time), require_positive("speed", speed)
        if speed >= 2:
            raise ValueError(f"speed must be below 2, got {speed:g}: a faster wave grows without bound")
        super().__init__(order=order, name=f"Wave(time={time:g}, speed={speed:g})")
        self.time, self.speed = time, speed
        self._interpolate()

    def gain(self, lam: Tensor) -> Tensor:
        share = self.speed**2 * lam / 8
        near = share.abs() * max(1.0, self.time**2) < 1e-9  # the root has no slope at 0, the cosine has
        angle = 2 * self.time * torch.asin(torch.sqrt(share.masked_fill(near, 0.25)))
        return torch.where(near, 1 - 2 * self.time**2 * share, torch.cos(angle))


def _end(name: str, value: float | None) -> float | None:
    return None if value is None else require_number(name, value)


def _shown(value: float | None) -> str:
    return "None" if value is None else f"{value:g}"
