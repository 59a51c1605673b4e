"""Double attention."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from filters import Aggregation
from gsp_nonlocal.affinity import DoubleSoftmax, ReLUDot
from gsp_nonlocal.blocks.nonlocal_block import AffinityFactory, NonlocalBlock, NormFactory
from gsp_nonlocal.creation import Device


class A2(NonlocalBlock):
    r"""``x + γ · relu(norm(S x W_g W))``, ``S = softmax_r(θ) softmax_N(φ)ᵀ``: double attention.

    Args:
        channels: ``C`` of the map ``x (B, C, *spatial)``.
        inner_channels: ``r``; by default ``channels // 2``.
        stages: units that share one affinity.
        affinity: by default that of the original; :data:`UNNORMALISED` is that of Zhu et al. (2021),
            ``S = relu(θ) relu(φ)ᵀ``, whose eigenvalues grow with ``N``.
        norm: called ``norm(channels)``, acts on ``(B, C, N)``.
        gate, device, dtype: see :class:`NonlocalBlock`.

    Raises:
        TypeError: if a number is no integer, or a factory is none or makes something else; at the call, see
            :class:`NonlocalBlock`.
        ValueError: if a number is below 1, or ``norm`` is one of maps; at the call, see
            :class:`NonlocalBlock`.

    References:
        Chen, Kalantidis, Li, Yan, Feng (2018), *A²-Nets: Double Attention Networks*.

    Example:
        >>> import torch
        >>> A2(64)(torch.randn(1, 64, 14, 14)).shape
        torch.Size([1, 64, 14, 14])
    """

    def __init__(
        self,
        channels: int,
        inner_channels: int | None = None,
        stages: int = 1,
        *,
        affinity: AffinityFactory = DoubleSoftmax,
        norm: NormFactory = nn.BatchNorm1d,
        gate: bool = True,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
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


UNNORMALISED = partial(ReLUDot, symmetrization="none", normalization="none")
"""``S = relu(θ) relu(φ)ᵀ``: the affinity that Zhu et al. (2021) call A²."""
