"""The two single-term filters behind the classical nonlocal blocks."""

from collections.abc import Iterator

from filters.base import Filter
from filters.shift import ShiftOperator, Signal


class _SingleTerm(Filter):
    """``y = g(S) z W`` with one fixed ``g`` of degree 1."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, order=1)

    @property
    def num_terms(self) -> int:
        return 1

    def extra_repr(self) -> str:
        return f"{self.in_channels}, {self.out_channels}"


class Aggregation(_SingleTerm):
    r"""``y = S z W``: every node collects from its neighbours. Response ``(1 − λ) W``.

    The filter of the nonlocal block (Wang et al. 2018), A² (Chen et al. 2018) and criss-cross attention
    (Huang et al. 2019).

    Args:
        in_channels: channels of ``z (B, N, in)``.
        out_channels: channels of ``y (B, N, out)``.

    Example:
        >>> import torch
        >>> Aggregation(3, 5)(torch.randn(2, 4, 3), torch.eye(4)).shape
        torch.Size([2, 4, 5])
    """

    def terms(self, shift: ShiftOperator, z: Signal) -> Iterator[Signal]:
        yield shift(z)


class Diffusion(_SingleTerm):
    r"""``y = (S − I) z W = −L z W``: one step of diffusion. Response ``−λ W``.

    The filter of the nonlocal stage (Tao et al. 2018).

    Args:
        in_channels: channels of ``z (B, N, in)``.
        out_channels: channels of ``y (B, N, out)``.

    Example:
        >>> import torch
        >>> Diffusion(3, 5)(torch.randn(2, 4, 3), torch.eye(4)).abs().max().item()
        0.0
    """

    def terms(self, shift: ShiftOperator, z: Signal) -> Iterator[Signal]:
        yield shift(z) - z
