"""The nonlocal block."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from filters import Aggregation
from gsp_nonlocal.affinity import Affinity, EmbeddedGaussian
from gsp_nonlocal.blocks.nonlocal_block import NonlocalBlock, NormFactory
from gsp_nonlocal.creation import Device
from gsp_nonlocal.shifts.pooled import PoolKind


class NL(NonlocalBlock):
    r"""``x + γ · relu(norm(S x W_g W))``, ``S = softmax(θ φᵀ)``: the nonlocal block.

    Args:
        channels: ``C`` of the map ``x (B, C, *spatial)``.
        inner_channels: ``r``; by default ``channels // 2``.
        stages: units that share one affinity.
        affinity: another one of the four kinds, or any: ``Gaussian``, ``DotProduct``, ``Concatenation``.
        sub_sample: ``"max"`` or ``"average"``: keys and values are pooled by 2, so that an image costs a
            quarter. With ``"max"`` the block leaves the graph-filter view: max pooling is not linear, so no
            matrix, spectrum or response does the same. Average pooling stays inside.
        norm: called ``norm(channels)``, acts on ``(B, C, N)``.
        gate, device, dtype: see :class:`NonlocalBlock`.

    Raises:
        TypeError: if a number is no integer, or a factory is none or makes something else; for
            ``sub_sample`` with an affinity that does not know it; at the call, see :class:`NonlocalBlock`.
        ValueError: if a number is below 1, ``sub_sample`` is unknown or does not go with the affinity, or
            ``norm`` is one of maps; at the call, see :class:`NonlocalBlock`; there also for a map that is
            smaller than the pooling window.

    References:
        Wang, Girshick, Gupta, He (2018), *Non-local Neural Networks*. Deviation: the ReLU after the norm is
        that of Zhu et al. (2021).

    Example:
        >>> import torch
        >>> NL(64)(torch.randn(1, 64, 14, 14)).shape
        torch.Size([1, 64, 14, 14])
    """

    def __init__(
        self,
        channels: int,
        inner_channels: int | None = None,
        stages: int = 1,
        *,
        affinity: Callable[..., Affinity] = EmbeddedGaussian,
        sub_sample: PoolKind | None = None,
        norm: NormFactory = nn.BatchNorm1d,
        gate: bool = True,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if sub_sample is not None:
            affinity = partial(affinity, sub_sample=sub_sample)
        super().__init__(
            channels,
            inner_channels,
            affinity=affinity,
            filter=Aggregation,
            norm=norm,
            stages=stages,
            gate=gate,
            device=device,
            dtype=dtype,
        )
