"""The two single-term filters behind the classical nonlocal blocks."""

from collections.abc import Iterator

import torch

from filters.base import Filter
from filters.checks import Device
from filters.operators.shift import ShiftOperator
from filters.operators.signal import Signal


class _SingleTerm(Filter):
    """``y = g(S)^K z W`` with one fixed ``g`` of degree 1."""

    base: str
    """``g`` over the eigenvalue ``μ``, as ``describe()`` writes it."""

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
        self.formula = f"{_power(self.base, self.order)}W"

    @property
    def uses_graph(self) -> bool:
        return self.order > 0


class Aggregation(_SingleTerm):
    r"""``y = S^K z W``: every node collects from those ``K`` steps away. Response ``(1 − λ)^K W``.

    Order 1 is the filter of the nonlocal block (Wang et al. 2018), A² (Chen et al. 2018) and criss-cross
    attention (Huang et al. 2019).

    Args:
        in_channels: channels of ``z (B, N, in)``.
        out_channels: channels of ``y (B, N, out)``.
        order: ``K ≥ 0``.
        device, dtype: of the parameters; see :class:`Filter`.

    Raises:
        ValueError: if a number is out of range.

    References:
        Wang, Girshick, Gupta, He (2018), *Non-local Neural Networks*, for order 1; Wu, Souza, Zhang, Fifty,
        Yu, Weinberger (2019), *Simplifying Graph Convolutional Networks*.

    Example:
        >>> import torch
        >>> Aggregation(3, 5)(torch.randn(2, 4, 3), torch.eye(4)).shape
        torch.Size([2, 4, 5])
    """

    base = "μ"

    def terms(self, shift: ShiftOperator, z: Signal) -> Iterator[Signal]:
        for _ in range(self.order):
            z = shift(z)
        yield z


class Diffusion(_SingleTerm):
    r"""``y = (S − I)^K z W = (−L)^K z W``: ``K`` steps of diffusion. Response ``(−λ)^K W``.

    Order 1 is the filter of the nonlocal stage (Tao et al. 2018).

    Args:
        in_channels: channels of ``z (B, N, in)``.
        out_channels: channels of ``y (B, N, out)``.
        order: ``K ≥ 0``.
        device, dtype: of the parameters; see :class:`Filter`.

    Raises:
        ValueError: if a number is out of range.

    References:
        Tao, Sun, Du, Liu (2018), *Nonlocal Neural Networks, Nonlocal Diffusion and Nonlocal Modeling*.

    Example:
        >>> import torch
        >>> Diffusion(3, 5)(torch.randn(2, 4, 3), torch.eye(4)).abs().max().item()
        0.0
    """

    base = "(μ − 1)"

    def terms(self, shift: ShiftOperator, z: Signal) -> Iterator[Signal]:
        for _ in range(self.order):
            z = shift(z) - z
        yield z


def _power(base: str, exponent: int) -> str:
    """``base^exponent`` as a factor, for people."""
    return {0: "", 1: f"{base} "}.get(exponent, f"{base}^{exponent} ")
