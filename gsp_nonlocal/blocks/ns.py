"""The nonlocal stage."""

from __future__ import annotations

import torch
from torch import nn

from filters import Diffusion
from gsp_nonlocal.affinity import EmbeddedGaussian
from gsp_nonlocal.blocks.nonlocal_block import NonlocalBlock, NormFactory
from gsp_nonlocal.creation import Device


class NS(NonlocalBlock):
    r"""``x + γ · relu(norm((S − I) x W_g W))``, ``S = softmax(θ φᵀ)``: the nonlocal stage.

    Args:
        channels: ``C`` of the map ``x (B, C, *spatial)``.
        inner_channels: ``r``; by default ``channels // 2``.
        stages: units that share one affinity.
        norm: called ``norm(channels)``, acts on ``(B, C, N)``.
        gate, device, dtype: see :class:`NonlocalBlock`.

    Raises:
        TypeError: if a number is no integer, or a factory is none or makes something else; at the call, see
            :class:`NonlocalBlock`.
        ValueError: if a number is below 1, or ``norm`` is one of maps; at the call, see
            :class:`NonlocalBlock`.

    References:
        Tao, Sun, Du, Liu (2018), *Nonlocal Neural Networks, Nonlocal Diffusion and Nonlocal Modeling*.
        Deviation: the sign; Zhu et al. (2021) write ``I − S``, which the weights ``W`` absorb.

    Example:
        >>> import torch
        >>> NS(64, stages=2)(torch.randn(1, 64, 14, 14)).shape
        torch.Size([1, 64, 14, 14])
    """

    def __init__(
        self,
        channels: int,
        inner_channels: int | None = None,
        stages: int = 1,
        *,
        norm: NormFactory = nn.BatchNorm1d,
        gate: bool = True,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            channels,
            inner_channels,
            affinity=EmbeddedGaussian,
            filter=Diffusion,
            norm=norm,
            stages=stages,
            gate=gate,
            device=device,
            dtype=dtype,
        )
