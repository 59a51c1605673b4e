"""Cayley filters: rational, with a learned spectral zoom."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from filters.base import Filter
from filters.checks import Device, require_order, require_positive
from filters.operators.shift import ShiftOperator
from filters.operators.signal import Signal


class Cayley(Filter):
    r"""``y = z W_0 + Σ_h Σ_{j=1}^{K} (Re C_h^j z) U_{hj} + (Im C_h^j z) V_{hj}``,
    ``C_h = (hL − iI)(hL + iI)⁻¹``.

    The Cayley transform puts real frequencies ``λ`` on the unit circle, ``|C_h(λ)| = 1``, so that no power of
    it grows; on directed graphs, whose frequencies are complex, powers may. The zoom ``h > 0`` is learned;
    it says which frequencies are spread: small ones by a large ``h``. For one zoom the response is
    ``c_0 + 2 Re Σ c_j C_h(λ)^j`` with ``c_j = (U_j − i V_j) / 2``.

    One factorisation a zoom where the shift has a closed form (``LowRankShift``: of size ``R``,
    ``DenseShift``: ``N``), by iteration elsewhere, slower for a large zoom: about ``√h`` steps.

    Args:
        in_channels: channels of ``z (B, N, in)``.
        out_channels: channels of ``y (B, N, out)``.
        order: ``K ≥ 0``, powers of each Cayley transform.
        zoom: start of ``h``, a positive number; or several, for as many transforms. Kept as ``log h``.
        device, dtype: of the parameters; see :class:`Filter`.

    Raises:
        ValueError: if a number is out of range.

    References:
        Levie, Monti, Bresson, Bronstein (2017), *CayleyNets*. Deviations: matrices in place of the numbers
        ``c_j``; several zooms; exact solves where they use Jacobi's iteration.

    Example:
        >>> f = Cayley(3, 5, order=2, zoom=(0.5, 5.0))
        >>> f(torch.randn(2, 10, 3), torch.eye(10)).shape, len(f.weight)
        (torch.Size([2, 10, 5]), 9)
        >>> [round(h, 2) for h in f.zoom.tolist()]
        [0.5, 5.0]
    """

    formula = "W_0 + Σ_j Re C(μ)^j U_j + Im C(μ)^j V_j"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        order: int = 1,
        zoom: float | Sequence[float] = 1.0,
        *,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        zooms = list(zoom) if isinstance(zoom, Sequence) and not isinstance(zoom, str) else [zoom]
        if not zooms:
            raise ValueError(f"zoom must be a positive number, or several, got {zoom}")
        start = tuple(require_positive("zoom", h) for h in zooms)
        order = require_order(order)
        terms = 1 + 2 * order * len(start)
        super().__init__(in_channels, out_channels, order, terms=terms, device=device, dtype=dtype)
        self.start = start
        self.log_zoom = self._parameter(self._start())
        self._built(Cayley)

    @property
    def uses_graph(self) -> bool:
        return self.order > 0

    @property
    def zoom(self) -> Tensor:
        """``h``, ``(zooms,)``."""
        return self.log_zoom.exp()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw ``W`` as every filter does; put the zooms at their start."""
        super().reset_parameters()
        self.log_zoom.copy_(self._start())

    def _start(self) -> Tensor:
        return torch.tensor(self.start, dtype=torch.float64, device="cpu").log()

    def terms(self, shift: ShiftOperator, z: Signal) -> Iterator[Signal]:
        yield z
        for h in self.zoom.to(shift.dtype).unbind():
            one = torch.ones_like(h)  # complex tensors: compilers do without complex numbers
            inverse = shift.resolvent(torch.complex(h, one), -h)  # (hL + iI)⁻¹
            factor = torch.complex(0 * one, -2 * one)
            y = z
            for _ in range(self.order):
                y = y + factor * inverse(y)  # C = I − 2i (hL + iI)⁻¹
                yield y.real
                yield y.imag

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, zoom={', '.join(f'{h:g}' for h in self.zoom.tolist())}"
