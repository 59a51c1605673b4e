"""The disentangled nonlocal block."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from filters import Aggregation
from gsp_nonlocal.affinity import EmbeddedGaussian, GlobalContext
from gsp_nonlocal.blocks.nonlocal_block import NonlocalBlock, NormFactory
from gsp_nonlocal.creation import Device


class DNL(NonlocalBlock):
    r"""``x + γ · relu(norm((S + 1 uᵀ) x W_g W))``: a pairwise term and a unary one, disentangled.

    ``S = softmax(scale (θ − θ̄)(φ − φ̄)ᵀ)``, ``u = softmax(x w)``. Rows of ``S + 1 uᵀ`` sum to 2.

    Args:
        channels: ``C`` of the map ``x (B, C, *spatial)``.
        inner_channels: ``r``; by default ``channels // 2``.
        stages: units that share ``S``; each has a ``u`` of its own.
        whiten: subtract the means over the positions; ``False`` is the block of Zhu et al. (2021).
        scale: of the exponents; ``None`` for ``1/√r``.
        norm: called ``norm(channels)``, acts on ``(B, C, N)``.
        gate, device, dtype: see :class:`NonlocalBlock`.

    Raises:
        TypeError: if a number is no integer, ``whiten`` is neither ``True`` nor ``False``, ``scale`` is no
            real number, or a factory is none or makes something else; at the call, see
            :class:`NonlocalBlock`.
        ValueError: if a number is below 1, ``scale`` is not finite, or ``norm`` is one of maps; at the call,
            see :class:`NonlocalBlock`.

    References:
        Yin et al. (2020), *Disentangled Non-Local Neural Networks*.

    Example:
        >>> import torch
        >>> DNL(64)(torch.randn(1, 64, 14, 14)).shape
        torch.Size([1, 64, 14, 14])
    """

    def __init__(
        self,
        channels: int,
        inner_channels: int | None = None,
        stages: int = 1,
        *,
        whiten: bool = True,
        scale: float | None = 1.0,
        norm: NormFactory = nn.BatchNorm1d,
        gate: bool = True,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            channels,
            inner_channels,
            affinity=partial(EmbeddedGaussian, whiten=whiten, scale=scale),
            filter=Aggregation,
            norm=norm,
            unit_affinity=GlobalContext,
            stages=stages,
            gate=gate,
            device=device,
            dtype=dtype,
        )
