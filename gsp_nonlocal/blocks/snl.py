"""The spectral nonlocal block."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from filters import Chebyshev
from gsp_nonlocal.affinity import ReLUDot
from gsp_nonlocal.blocks.nonlocal_block import FilterFactory, NonlocalBlock, NormFactory
from gsp_nonlocal.creation import Device
from gsp_nonlocal.shifts import Form


class SNL(NonlocalBlock):
    r"""``x + γ · relu(norm(Σ_k T_k(Â) x W_g W_k))``, ``Â`` the symmetric ReLU-dot affinity of ``x``.

    At ``order=1`` the spectral nonlocal block, ``z W_0 + Â z W_1`` before the norm; higher orders are its
    complete Chebyshev generalisation.

    Args:
        channels: ``C`` of the map ``x (B, C, *spatial)``.
        inner_channels: ``r``; by default ``channels // 2``.
        stages: units that share one affinity, at least 1.
        order: degree of the Chebyshev filter, at least 0.
        filter: another filter in its place, called ``filter(inner_channels, channels)``.
        norm: called ``norm(channels)``, acts on ``(B, C, N)``.
        gate: see :class:`NonlocalBlock`; ``False`` is the authors' block.
        form: how the affinity is kept: ``"auto"``, ``"dense"`` or ``"low_rank"``.
        device, dtype: see :class:`NonlocalBlock`.

    Raises:
        TypeError: if a number is no integer, or a factory is none or makes something else; at the call, see
            :class:`NonlocalBlock`.
        ValueError: if a number is out of range, ``form`` is unknown, or ``norm`` is one of maps; at the call,
            see :class:`NonlocalBlock`; there also where the dense form exceeds the memory of the device.

    References:
        Zhu, She, Li, Lu, Kang, Hu, Wang (2021), *Unifying Nonlocal Blocks for Neural Networks*, ICCV.

    Example:
        >>> import torch
        >>> SNL(64, stages=2)(torch.randn(1, 64, 14, 14)).shape
        torch.Size([1, 64, 14, 14])
    """

    def __init__(
        self,
        channels: int,
        inner_channels: int | None = None,
        stages: int = 1,
        *,
        order: int = 1,
        filter: FilterFactory | None = None,
        norm: NormFactory = nn.BatchNorm1d,
        gate: bool = True,
        form: Form = "auto",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            channels,
            inner_channels,
            affinity=partial(ReLUDot, form=form),
            filter=partial(Chebyshev, order=order) if filter is None else filter,
            norm=norm,
            stages=stages,
            gate=gate,
            device=device,
            dtype=dtype,
        )
