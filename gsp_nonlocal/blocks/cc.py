"""Criss-cross attention."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from filters import Aggregation
from filters.checks import require_integer
from gsp_nonlocal.affinity import CrissCross
from gsp_nonlocal.blocks.nonlocal_block import NonlocalBlock
from gsp_nonlocal.creation import Device
from gsp_nonlocal.nodes import Bias


class CC(NonlocalBlock):
    r"""``x ← x + γ (S x W + b)``, ``recurrence`` times: criss-cross attention, ``γ`` learned from 0.

    Two recurrences join every pair of positions, by way of a corner.

    Args:
        channels: ``C`` of the map ``x (B, C, H, W)``.
        inner_channels: ``r``; by default ``channels // 8``.
        recurrence: how often the block is applied, with the same weights.
        bias: of the embeddings.
        device, dtype: see :class:`NonlocalBlock`.

    Raises:
        TypeError: if a number is no integer, or ``bias`` is neither ``True`` nor ``False``; at the call, see
            :class:`NonlocalBlock`.
        ValueError: if a number is below 1; at the call, for a map that is not two-dimensional, and see
            :class:`NonlocalBlock`.

    References:
        Huang et al. (2019), *CCNet: Criss-Cross Attention for Semantic Segmentation*.

    Example:
        >>> import torch
        >>> CC(64)(torch.randn(1, 64, 14, 14)).shape
        torch.Size([1, 64, 14, 14])
    """

    def __init__(
        self,
        channels: int,
        inner_channels: int | None = None,
        *,
        recurrence: int = 2,
        bias: bool = True,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        channels = require_integer("channels", channels)
        super().__init__(
            channels,
            max(channels // 8, 1) if inner_channels is None else inner_channels,
            affinity=partial(CrissCross, bias=bias),
            filter=Aggregation,
            norm=Bias,
            activation=nn.Identity,
            value=None,
            recurrence=recurrence,
            device=device,
            dtype=dtype,
        )
