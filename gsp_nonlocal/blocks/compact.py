"""The known blocks whose vertices, edges or ranks are small: CGNL, criss-cross, pyramid, global context."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import nn

from filters import Aggregation
from filters.checks import require_integer
from gsp_nonlocal.affinity import (
    CrissCross,
    GlobalContext,
    PyramidAttention,
    TaylorRBF,
)
from gsp_nonlocal.blocks.nonlocal_block import (
    NonlocalBlock,
    default_inner_channels,
)
from gsp_nonlocal.nodes import Bias, PointwiseProjection, PositionsAndChannels


def CGNL(  # noqa: N802
    channels: int,
    inner_channels: int | None = None,
    *,
    groups: int = 1,
    order: int = 2,
    gamma: float = 1e-4,
    gate: bool = True,
) -> NonlocalBlock:
    r"""``x + γ · norm(S z W)``: nodes are the channels of positions, ``S`` the RBF's Taylor series.

    Args:
        channels: ``C`` of the map ``x (B, C, *spatial)``.
        inner_channels: ``r``; by default ``channels // 2``.
        groups: of channels, each with a graph of its own; divides ``channels`` and ``inner_channels``.
        order: degree of the series; the rank of ``S`` is ``order + 1``.
        gamma: of the RBF.
        gate: see :class:`NonlocalBlock`.

    References:
        Yue et al. (2018), *Compact Generalized Non-local Network*.

    Example:
        >>> import torch
        >>> CGNL(64, groups=4)(torch.randn(1, 64, 14, 14)).shape
        torch.Size([1, 64, 14, 14])
    """
    inner = default_inner_channels(channels) if inner_channels is None else inner_channels
    inner = require_integer("inner_channels", inner)
    vertices = PositionsAndChannels(groups)
    vertices.channels(inner, channels)  # refuses groups that do not divide
    affinity = partial(TaylorRBF, order=order, gamma=gamma, unit_norm=True, vertices=vertices)
    return NonlocalBlock(
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
    )


def _scalar_aggregation(in_channels: int, out_channels: int) -> Aggregation:
    """``S z``, times a weight that starts at 1."""
    aggregation = Aggregation(in_channels, out_channels)
    nn.init.ones_(aggregation.weight)
    return aggregation


def CC(  # noqa: N802
    channels: int,
    inner_channels: int | None = None,
    *,
    recurrence: int = 2,
    bias: bool = True,
) -> NonlocalBlock:
    r"""``x + γ (S x W + b)``, ``recurrence`` times: criss-cross attention, ``γ`` learned from 0.

    Two recurrences join every pair of positions, by way of a corner.

    Args:
        channels: ``C`` of the map ``x (B, C, H, W)``.
        inner_channels: ``r``; by default ``channels // 8``.
        recurrence: how often the block is applied, with the same weights.
        bias: of the embeddings.

    References:
        Huang et al. (2019), *CCNet: Criss-Cross Attention for Semantic Segmentation*.

    Example:
        >>> import torch
        >>> CC(64)(torch.randn(1, 64, 14, 14)).shape
        torch.Size([1, 64, 14, 14])
    """
    channels = require_integer("channels", channels)
    return NonlocalBlock(
        channels,
        max(channels // 8, 1) if inner_channels is None else inner_channels,
        affinity=partial(CrissCross, bias=bias),
        filter=Aggregation,
        norm=Bias,
        activation=nn.Identity,
        value=None,
        recurrence=recurrence,
    )


def ANL(  # noqa: N802
    channels: int,
    inner_channels: int | None = None,
    *,
    sizes: Sequence[int] = (1, 3, 6, 8),
    gate: bool = True,
) -> NonlocalBlock:
    r"""``x + γ (S (x W_g + b) W + b')``, ``S = softmax(q (P q)ᵀ/√r) P``: the asymmetric nonlocal block.

    Args:
        channels: ``C`` of the map ``x (B, C, *spatial)``.
        inner_channels: ``r``; by default ``channels // 2``.
        sizes: levels of the pyramid ``P`` of pooled positions.
        gate: see :class:`NonlocalBlock`.

    References:
        Zhu et al. (2019), *Asymmetric Non-local Neural Networks for Semantic Segmentation* (APNB).
        Deviation: the sum ``x + …`` of Zhu et al. (2021) in place of a concatenation.

    Example:
        >>> import torch
        >>> ANL(64)(torch.randn(1, 64, 14, 14)).shape
        torch.Size([1, 64, 14, 14])
    """
    return NonlocalBlock(
        channels,
        inner_channels,
        affinity=partial(PyramidAttention, sizes=sizes),
        filter=Aggregation,
        norm=Bias,
        activation=nn.Identity,
        value=partial(PointwiseProjection, bias=True),
        gate=gate,
    )


def GC(channels: int, inner_channels: int | None = None, *, gate: bool = True) -> NonlocalBlock:  # noqa: N802
    r"""``x + γ (relu(norm(S x W + b)) W' + b')``, ``S = 1 uᵀ``, ``u = softmax(x w)``: global context.

    Args:
        channels: ``C`` of the map ``x (B, C, *spatial)``.
        inner_channels: width of the bottleneck, at least 2; by default ``channels // 16``, at least 4.
        gate: see :class:`NonlocalBlock`.

    Raises:
        ValueError: if ``inner_channels`` is below 2.

    References:
        Cao, Xu, Lin, Wei, Hu (2019), *GCNet: Non-local Networks Meet Squeeze-Excitation Networks and Beyond*.

    Example:
        >>> import torch
        >>> GC(64)(torch.randn(1, 64, 14, 14)).shape
        torch.Size([1, 64, 14, 14])
    """
    channels = require_integer("channels", channels)
    inner = max(channels // 16, 4) if inner_channels is None else inner_channels
    if require_integer("inner_channels", inner) < 2:
        raise ValueError(f"inner_channels must be at least 2, got {inner}: a layer norm of one channel is 0")
    return NonlocalBlock(
        channels,
        inner,
        affinity=GlobalContext,
        filter=lambda c, _: Aggregation(c, inner),
        norm=lambda _: nn.Sequential(Bias(inner), nn.GroupNorm(1, inner)),  # all rows are alike: a layer norm
        activation=lambda: nn.Sequential(nn.ReLU(), nn.Conv1d(inner, channels, 1)),
        value=None,
        gate=gate,
    )
