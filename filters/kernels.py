"""The named fixed responses."""

import torch
from torch import Tensor

from filters.checks import require_positive
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
