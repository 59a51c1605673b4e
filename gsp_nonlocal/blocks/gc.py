"""The global context block."""

from __future__ import annotations

import torch
from torch import nn

from filters import Aggregation
from filters.checks import require_integer
from gsp_nonlocal.affinity import GlobalContext
from gsp_nonlocal.blocks.nonlocal_block import NonlocalBlock
from gsp_nonlocal.creation import Device
from gsp_nonlocal.nodes import Bias


class GC(NonlocalBlock):
    r"""``x + γ (relu(norm(S x W + b)) W' + b')``, ``S = 1 uᵀ``, ``u = softmax(x w)``: global context.

    Args:
        channels: ``C`` of the map ``x (B, C, *spatial)``.
        inner_channels: width of the bottleneck, at least 2; by default ``channels // 16``, at least 4.
        gate, device, dtype: see :class:`NonlocalBlock`.

    Raises:
        TypeError: if a number is no integer; at the call, see :class:`NonlocalBlock`.
        ValueError: if ``channels`` is below 1, or ``inner_channels`` below 2; at the call, see
            :class:`NonlocalBlock`.

    References:
        Cao, Xu, Lin, Wei, Hu (2019), *GCNet: Non-local Networks Meet Squeeze-Excitation Networks and Beyond*.

    Example:
        >>> import torch
        >>> GC(64)(torch.randn(1, 64, 14, 14)).shape
        torch.Size([1, 64, 14, 14])
    """

    def __init__(
        self,
        channels: int,
        inner_channels: int | None = None,
        *,
        gate: bool = True,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        channels = require_integer("channels", channels)
        inner = max(channels // 16, 4) if inner_channels is None else inner_channels
        if require_integer("inner_channels", inner) < 2:
            raise ValueError(f"inner_channels must be at least 2, got {inner}: its layer norm would be 0")
        super().__init__(
            channels,
            inner,
            affinity=GlobalContext,
            filter=lambda c, _: Aggregation(c, inner),
            norm=lambda _: nn.Sequential(Bias(inner), nn.GroupNorm(1, inner)),  # rows alike: a layer norm
            activation=lambda: nn.Sequential(nn.ReLU(), nn.Conv1d(inner, channels, 1)),
            value=None,
            gate=gate,
            device=device,
            dtype=dtype,
        )
