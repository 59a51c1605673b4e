"""Autoregressive moving-average filters: a parallel bank of first-order ones."""

from collections.abc import Iterator

import torch
from torch import Tensor

from filters.base import Filter
from filters.checks import Device, require_integer
from filters.operators.shift import ShiftOperator
from filters.operators.signal import Signal

MARGIN = 0.01
"""``|ψ| ≤ 1 − MARGIN``: the gain of one term is at most ``1 / MARGIN``."""


class ARMA(Filter):
    r"""``y = Σ_{k=1}^{K} (I − ψ_k S)⁻¹ z W_k``, with learned ``|ψ_k| < 1``.

    A bank of ``K`` filters ARMA₁ in parallel, each with the response ``1 / (1 − ψ_k (1 − λ))``: a low-pass
    for ``ψ > 0``, a high-pass for ``ψ < 0``, with a pole outside of the spectrum at ``μ = 1/ψ``. Stable by
    construction on shifts with spectrum in ``[−1, 1]``: ``ψ = (1 − 0.01) tanh(·)``.

    Args:
        in_channels: channels of ``z (B, N, in)``.
        out_channels: channels of ``y (B, N, out)``.
        order: ``K ≥ 1``, number of poles.
        iterations: ``None`` for the exact filter; or ``T ≥ 0`` steps of ``y ← ψ S y + z`` from ``y = z``,
            whose limit is the exact one, for graphs on which only ``S z`` is known or wanted.
        device, dtype: of the parameters; see :class:`Filter`.

    Raises:
        ValueError: if a number is out of range.

    References:
        Isufi, Loukas, Simonetto, Leus (2017), *Autoregressive Moving Average Graph Filtering*. Deviations:
        real poles; matrices ``W_k`` in place of the numbers ``φ_k``. (Bianchi et al. 2019, PyG's
        ``ARMAConv``, put a nonlinearity between finitely many steps: that one runs as
        ``PyGFilter(ARMAConv(…))``.)

    Example:
        >>> f = ARMA(3, 5, order=4)
        >>> f(torch.randn(2, 10, 3), torch.eye(10)).shape, bool((f.psi.abs() < 1).all())
        (torch.Size([2, 10, 5]), True)
    """

    formula = "Σ_k W_k / (1 − ψ_k μ)"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        order: int = 1,
        iterations: int | None = None,
        *,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        require_integer("order", order, 1, "the number of poles of an ARMA bank")
        if iterations is not None:
            iterations = require_integer("iterations", iterations, 0)
        super().__init__(in_channels, out_channels, order, terms=order, device=device, dtype=dtype)
        self.iterations = iterations
        self.raw_psi = self._parameter(self._start())
        self._built(ARMA)

    @property
    def uses_graph(self) -> bool:
        return self.iterations != 0

    @property
    def psi(self) -> Tensor:
        """``ψ``, ``(order,)``."""
        return (1 - MARGIN) * self.raw_psi.tanh()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw ``W`` as every filter does; spread ``ψ`` evenly from 0.75 to −0.75 (one pole: 0.5)."""
        super().reset_parameters()
        self.raw_psi.copy_(self._start())

    def _start(self) -> Tensor:
        most = 0.75 if self.order > 1 else 0.5
        start = torch.linspace(most, -most, self.order, dtype=torch.float64, device="cpu")
        return (start / (1 - MARGIN)).atanh()

    def terms(self, shift: ShiftOperator, z: Signal) -> Iterator[Signal]:
        for psi in self.psi.to(shift.dtype).unbind():
            if self.iterations is None:
                yield shift.solve(z, 1.0, -psi)
            else:
                y = z
                for _ in range(self.iterations):
                    y = psi * shift(y) + z
                yield y

    def extra_repr(self) -> str:
        steps = "" if self.iterations is None else f", iterations={self.iterations}"
        return super().extra_repr() + steps
