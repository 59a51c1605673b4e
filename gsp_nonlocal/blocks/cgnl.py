"""The compact generalised nonlocal block."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from filters import Aggregation
from filters.checks import require_integer
from gsp_nonlocal.affinity import TaylorRBF
from gsp_nonlocal.blocks.nonlocal_block import NonlocalBlock, default_inner_channels
from gsp_nonlocal.creation import Device
from gsp_nonlocal.nodes import PositionsAndChannels


class CGNL(NonlocalBlock):
    r"""``x + γ · norm(S z W)``: nodes are the channels of positions, ``S`` the RBF's Taylor series.

    Args:
        channels: ``C`` of the map ``x (B, C, *spatial)``.
        inner_channels: ``r``; by default ``channels // 2``.
        groups: of channels, each with a graph of its own; divides ``channels`` and ``inner_channels``.
        order: degree of the series; the rank of ``S`` is ``order + 1``.
        gamma: of the RBF.
        gate, device, dtype: see :class:`NonlocalBlock`.

    Raises:
        TypeError: if a number is no integer, or ``gamma`` no real number; at the call, see
            :class:`NonlocalBlock`.
        ValueError: if a number is out of range, ``groups`` does not divide ``channels`` and
            ``inner_channels``, or ``gamma`` is not positive and finite; at the call, see
            :class:`NonlocalBlock`.

    The series grows with the features, to the power ``2 · order``. Where the filter's result exceeds 10¹⁸,
    the variance of the group norm overflows float32, in PyTorch without a word: keep ``γ ‖features‖²`` below
    about 10⁶ (10³ at order 3), or use float64.

    References:
        Yue et al. (2018), *Compact Generalized Non-local Network*.

    Example:
        >>> import torch
        >>> CGNL(64, groups=4)(torch.randn(1, 64, 14, 14)).shape
        torch.Size([1, 64, 14, 14])
    """

    def __init__(
        self,
        channels: int,
        inner_channels: int | None = None,
        *,
        groups: int = 1,
        order: int = 2,
        gamma: float = 1e-4,
        gate: bool = True,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        inner = default_inner_channels(channels) if inner_channels is None else inner_channels
        inner = require_integer("inner_channels", inner)
        vertices = PositionsAndChannels(groups)
        vertices.channels(inner, channels)  # refuses groups that do not divide
        affinity = partial(TaylorRBF, order=order, gamma=gamma, unit_norm=True, vertices=vertices)
        super().__init__(
            channels,
            inner,
            affinity=affinity,
            filter=_scalar_aggregation,
            norm=lambda c: nn.Sequential(
                nn.Conv1d(inner, c, 1, groups=groups, bias=False), nn.GroupNorm(groups, c)
            ),
            activation=nn.Identity,
            vertices=vertices,
            gate=gate,
            device=device,
            dtype=dtype,
        )


def _scalar_aggregation(in_channels: int, out_channels: int) -> Aggregation:
    """``S z``, times a weight that starts at 1."""
    aggregation = Aggregation(in_channels, out_channels)
    nn.init.ones_(aggregation.weight)
    return aggregation
