"""Wavelet frames: banks of fixed responses from which a signal comes back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from filters.checks import require_integer
from filters.contract import Contract
from filters.operators.shift import ShiftOperator
from filters.operators.signal import Signal, materialise
from filters.shared_work import SharedWork
from filters.spectral_function import SpectralFunction

_GRID = 4096
Gain = Callable[[Tensor], Tensor]


class WaveletFrame(Contract):
    r"""``W z = (g_1(L) z, …, g_J(L) z)``: analysis of a signal by a bank of fixed responses.

    With ``G(λ) = Σ_j g_j(λ)²``, the frame bounds are ``A = min G`` and ``B = max G``:
    ``A ‖z‖² ≤ Σ_j ‖g_j(L) z‖² ≤ B ‖z‖²``. With ``A > 0``, :meth:`reconstruct` gives the signal back.

    Bands share products ``T_k(S) z`` where they are polynomials, and the eigenpairs of a matrix.

    Args:
        bands: the responses ``g_j``, at least one.

    Raises:
        TypeError: if one is no :class:`SpectralFunction`.
        ValueError: if there is none.

    References:
        Hammond, Vandergheynst, Gribonval (2011), *Wavelets on graphs via spectral graph theory*.

    Example:
        >>> from filters import DenseShift
        >>> frame, S = itersine(4), torch.full((6, 6), 1 / 6)
        >>> shift = DenseShift(S, is_symmetric=True)
        >>> z = torch.randn(1, 6, 2)
        >>> bool((frame.reconstruct(frame(z, shift), shift) - z).abs().max() < 1e-5)
        True
    """

    formula = "(g_1(1 − μ), …, g_J(1 − μ))"

    in_channels = out_channels = None
    requires_symmetric = True

    def __init__(self, bands: Sequence[SpectralFunction]) -> None:
        super().__init__()
        if not bands:
            raise ValueError("a frame needs at least one band")
        for band in bands:
            if not isinstance(band, SpectralFunction):
                raise TypeError(f"a band is a SpectralFunction, got {type(band).__name__}")
        self.bands = nn.ModuleList(bands)

    def frame_bounds(self) -> tuple[float, float]:
        """``(A, B)``, over 4096 frequencies in ``[0, 2]``."""
        total = self._total(torch.linspace(0, 2, _GRID, dtype=torch.float64, device="cpu"))
        return float(total.min()), float(total.max())

    def forward(self, z: Tensor, shift: ShiftOperator | Tensor) -> Tensor:
        """``(B, N, C) -> (B, N, J, C)``: one coefficient a node, band and channel."""
        if not all(map(_is_plain, self.bands)):
            return torch.stack([band(z, shift) for band in self.bands], dim=2)
        return super().forward(z, shift).unflatten(-1, (len(self.bands), z.shape[-1]))

    def response(self, lam: Tensor) -> Tensor:
        """``(g_1(λ), …, g_J(λ))``, ``(F,) -> (F, 1, J)``."""
        return super().response(lam)[..., 0]

    def filter_signal(self, shift: ShiftOperator, z: Signal) -> Tensor:
        """The bands side by side, ``(B, N, J C)``; products and eigenpairs are shared."""
        shared = SharedWork(shift, z)
        return torch.cat([materialise(band.filtered(shared)) for band in self._responses()], dim=-1)

    def reconstruct(self, coefficients: Tensor, shift: ShiftOperator | Tensor) -> Tensor:
        """``(Σ_j g_j²)⁻¹ Σ_j g_j(L) c_j``, the least-squares signal: ``(B, N, J, C) -> (B, N, C)``.

        Raises:
            ValueError: if the bank is no frame (``A`` is 0), or the number of bands does not fit.
        """
        if coefficients.dim() != 4 or coefficients.shape[2] != len(self.bands):
            raise ValueError(
                f"coefficients have shape (B, N, J={len(self.bands)}, C), got {tuple(coefficients.shape)}"
            )
        lower, upper = self.frame_bounds()
        if lower <= 1e-8 * upper:
            raise ValueError(
                f"these bands are no frame: their bounds are A = {lower:.1e}, B = {upper:.1e}, so some "
                "frequencies are lost; add a band that passes them, for example Heat()"
            )
        bands = zip(self.bands, coefficients.unbind(2), strict=True)
        adjoint = torch.stack([band(c, shift) for band, c in bands]).sum(0)
        if upper - lower < 1e-12 * upper:  # tight
            return adjoint / upper
        return SpectralFunction(lambda lam: 1 / self._total(lam), name="1 / Σ g²")(adjoint, shift)

    def _total(self, lam: Tensor) -> Tensor:
        return torch.stack([band.gain(lam) ** 2 for band in self._responses()]).sum(0)

    def _responses(self) -> list[SpectralFunction]:
        return cast("list[SpectralFunction]", list(self.bands))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(str, self.bands))})"


def _is_plain(band: nn.Module) -> bool:
    """Whether a call of the band is that of any response: no method of its own, and no hook."""
    kind = cast("type[SpectralFunction]", type(band))
    plain = kind.forward is Contract.forward and kind.filter_signal is SpectralFunction.filter_signal
    return plain and not (band._forward_hooks or band._forward_pre_hooks or band._backward_hooks)


def frame_of(name: str, responses: Sequence[Gain], order: int) -> WaveletFrame:
    """The frame of these responses, its bands named and numbered."""
    names = (f"{name} band {j + 1} of {len(responses)}" for j in range(len(responses)))
    return WaveletFrame([SpectralFunction(g, order, name) for g, name in zip(responses, names, strict=True)])


def itersine(bands: int = 6, order: int = 60) -> WaveletFrame:
    r"""The tight frame of ``g_j(λ) = sin(½ π cos²(π x_j)) · 1{|x_j| ≤ ½}``, ``x_j = (λ − λ_j) / (2 Δ)``.

    Bands are centred at ``λ_j = j Δ`` with ``Δ = 2 / (J − 1)`` and overlap by half; their squares sum to 1
    everywhere, so that ``A = B = 1``.

    Args:
        bands: ``J``, at least 2.
        order: degree of the approximation where a shift has no exact form.

    Raises:
        ValueError: if ``bands`` is below 2.

    References:
        Perraudin et al. (2014), *GSPBOX*, itersine kernel. Deviation: the first and last band are centred on
        the ends of the spectrum.

    Example:
        >>> [round(bound, 9) for bound in itersine(5).frame_bounds()]
        [1.0, 1.0]
    """
    bands = require_integer("bands", bands, 2)
    width = 4 / (bands - 1)
    centres = [index * width / 2 for index in range(bands)]
    return frame_of("itersine", [partial(_itersine, centre=centre, width=width) for centre in centres], order)


def _itersine(lam: Tensor, centre: float, width: float) -> Tensor:
    x = (lam - centre) / width
    inside = torch.sin(0.5 * torch.pi * torch.cos(torch.pi * x).square())
    return torch.where(x.abs() <= 0.5, inside, torch.zeros_like(inside))
