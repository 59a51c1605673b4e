"""The asymmetric nonlocal block."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from filters import Aggregation
from gsp_nonlocal.affinity import PyramidAttention
from gsp_nonlocal.blocks.nonlocal_block import NonlocalBlock
from gsp_nonlocal.creation import Device
from gsp_nonlocal.nodes import Bias, PointwiseProjection


class ANL(NonlocalBlock):
    r"""``x + γ (S (x W_g + b) W + b')``, ``S = softmax(q (P q)ᵀ/√r) P``: the asymmetric nonlocal block.

    Args:
        channels: ``C`` of the map ``x (B, C, *spatial)``.
        inner_channels: ``r``; by default ``channels // 2``.
        sizes: levels of the pyramid ``P`` of pooled positions.
        gate, device, dtype: see :class:`NonlocalBlock`.

    Raises:
        TypeError: if a number or a level is no integer; at the call, see :class:`NonlocalBlock`.
        ValueError: if a number is below 1, or ``sizes`` is no sequence of one or more levels of at least 1;
            at the call, see :class:`NonlocalBlock`.

    References:
        Zhu et al. (2019), *Asymmetric Non-local Neural Networks for Semantic Segmentation* (APNB).
        Deviation: the sum ``x + …`` of Zhu et al. (2021) in place of a concatenation.

    Example:
        >>> import torch
        >>> ANL(64)(torch.randn(1, 64, 14, 14)).shape
        torch.Size([1, 64, 14, 14])
    """

    def __init__(
        self,
        channels: int,
        inner_channels: int | None = None,
        *,
        sizes: Sequence[int] = (1, 3, 6, 8),
        gate: bool = True,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            channels,
            inner_channels,
            affinity=partial(PyramidAttention, sizes=sizes),
            filter=Aggregation,
            norm=Bias,
            activation=nn.Identity,
            value=partial(PointwiseProjection, bias=True),
            gate=gate,
            device=device,
            dtype=dtype,
        )
