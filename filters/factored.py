"""Polynomial filters as products of first-order ones."""

from collections.abc import Iterator

import torch
from torch import Tensor

from filters.base import Filter
from filters.checks import Device
from filters.operators.shift import ShiftOperator
from filters.operators.signal import Signal, mix


class Factored(Filter):
    r"""``y = Π_{k=1}^{K} (1 − L Φ_k) z W`` with diagonal ``Φ_k = diag(φ_k)`` over the channels.

    Channel ``c`` has the response ``Π_k (1 − φ_kc λ)``: a polynomial by its zeros ``1/φ_kc``, each channel
    with its own. The start is a low-pass, ``φ_kc = (k − ½) / 2K``, at which no factor changes its sign on
    ``[0, 2]`` and no two are alike.

    Args:
        in_channels: channels of ``z (B, N, in)``.
        out_channels: channels of ``y (B, N, out)``.
        order: ``K ≥ 0``, number of factors.
        device, dtype: of the parameters; see :class:`Filter`.

    Raises:
        ValueError: if a number is out of range.

    References:
        Dong, Ding, Jalaian, Ji, Li (2021), *AdaGNN: Graph Neural Networks with Adaptive Frequency Response
        Filter*. Deviations: one matrix ``W`` behind all factors; theirs begins at ``φ = 0``, where all
        factors have one gradient and stay alike.

    Example:
        >>> f = Factored(3, 5, order=4)
        >>> f(torch.randn(2, 10, 3), torch.eye(10)).shape, f.slopes.shape
        (torch.Size([2, 10, 5]), torch.Size([4, 3]))
    """

    formula = "Π_k (1 − λ Φ_k) W"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        order: int = 1,
        *,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, order, terms=1, device=device, dtype=dtype)
        self.slopes = self._parameter(self._start())
        self._built(Factored)

    @property
    def uses_graph(self) -> bool:
        return self.order > 0

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw ``W`` as every filter does; put the factors at their start."""
        super().reset_parameters()
        self.slopes.copy_(self._start())

    def _start(self) -> Tensor:
        each = (torch.arange(self.order, dtype=torch.float64, device="cpu") + 0.5) / (2 * max(self.order, 1))
        return each.unsqueeze(-1).expand(-1, self.in_channels)

    def terms(self, shift: ShiftOperator, z: Signal) -> Iterator[Signal]:
        for slopes in self.slopes.to(shift.dtype).unbind():
            z = z - mix(z - shift(z), slopes.diag())
        yield z
