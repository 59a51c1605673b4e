"""The known nonlocal blocks, each as affinity × normalisation × filter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from torch import nn

from filters import Aggregation, Diffusion
from gsp_nonlocal.affinity import (
    Affinity,
    CrissCross,
    DoubleSoftmax,
    EmbeddedGaussian,
    GlobalContext,
    PyramidAttention,
    ReLUDot,
    TaylorRBF,
)
from gsp_nonlocal.blocks.nonlocal_block import (
    AffinityFactory,
    NonlocalBlock,
    NormFactory,
    default_inner_channels,
)
from gsp_nonlocal.nodes import Bias, PointwiseProjection, PositionsAndChannels
from gsp_nonlocal.shifts.pooled import PoolKind


def NL(  # noqa: N802  (a constructor of a block, as all here)
    channels: int,
    inner_channels: int | None = None,
    stages: int = 1,
    *,
    affinity: Callable[..., Affinity] = EmbeddedGaussian,
    sub_sample: PoolKind | None = None,
    norm: NormFactory = nn.BatchNorm1d,
    gate: bool = True,
) -> NonlocalBlock:
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
        gate: see :class:`NonlocalBlock`.

    References:
        Wang, Girshick, Gupta, He (2018), *Non-local Neural Networks*. Deviation: the ReLU after the norm is
        that of Zhu et al. (2021).

    Example:
        >>> import torch
        >>> NL(64)(torch.randn(1, 64, 14, 14)).shape
        torch.Size([1, 64, 14, 14])
    """
    if sub_sample is not None:
        affinity = partial(affinity, sub_sample=sub_sample)
    return NonlocalBlock(
        channels, inner_channels, affinity=affinity, filter=Aggregation, norm=norm, stages=stages, gate=gate
    )


def NS(  # noqa: N802
    channels: int,
    inner_channels: int | None = None,
    stages: int = 1,
    *,
    norm: NormFactory = nn.BatchNorm1d,
    gate: bool = True,
) -> NonlocalBlock:
    r"""``x + γ · relu(norm((S − I) x W_g W))``, ``S = softmax(θ φᵀ)``: the nonlocal stage.

    Args:
        channels: ``C`` of the map ``x (B, C, *spatial)``.
        inner_channels: ``r``; by default ``channels // 2``.
        stages: units that share one affinity.
        norm: called ``norm(channels)``, acts on ``(B, C, N)``.
        gate: see :class:`NonlocalBlock`.

    References:
        Tao, Sun, Du, Liu (2018), *Nonlocal Neural Networks, Nonlocal Diffusion and Nonlocal Modeling*.
        Deviation: the sign; Zhu et al. (2021) write ``I − S``, which the weights ``W`` absorb.

    Example:
        >>> import torch
        >>> NS(64, stages=2)(torch.randn(1, 64, 14, 14)).shape
        torch.Size([1, 64, 14, 14])
    """
    return NonlocalBlock(
        channels,
        inner_channels,
        affinity=EmbeddedGaussian,
        filter=Diffusion,
        norm=norm,
        stages=stages,
        gate=gate,
    )


def A2(  # noqa: N802
    channels: int,
    inner_channels: int | None = None,
    stages: int = 1,
    *,
    affinity: AffinityFactory = DoubleSoftmax,
    norm: NormFactory = nn.BatchNorm1d,
    gate: bool = True,
) -> NonlocalBlock:
    r"""``x + γ · relu(norm(S x W_g W))``, ``S = softmax_r(θ) softmax_N(φ)ᵀ``: double attention.

    Args:
        channels: ``C`` of the map ``x (B, C, *spatial)``.
        inner_channels: ``r``; by default ``channels // 2``.
        stages: units that share one affinity.
        affinity: by default that of the original; :data:`UNNORMALISED` is that of Zhu et al. (2021),
            ``S = relu(θ) relu(φ)ᵀ``, whose eigenvalues grow with ``N``.
        norm: called ``norm(channels)``, acts on ``(B, C, N)``.
        gate: see :class:`NonlocalBlock`.

    References:
        Chen, Kalantidis, Li, Yan, Feng (2018), *A²-Nets: Double Attention Networks*.

    Example:
        >>> import torch
        >>> A2(64)(torch.randn(1, 64, 14, 14)).shape
        torch.Size([1, 64, 14, 14])
    """
    return NL(channels, inner_channels, stages, affinity=affinity, norm=norm, gate=gate)


UNNORMALISED = partial(ReLUDot, symmetrization="none", normalization="none")
"""``S = relu(θ) relu(φ)ᵀ``: the affinity that Zhu et al. (2021) call A²."""


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


def DNL(  # noqa: N802
    channels: int,
    inner_channels: int | None = None,
    stages: int = 1,
    *,
    whiten: bool = True,
    scale: float | None = 1.0,
    norm: NormFactory = nn.BatchNorm1d,
    gate: bool = True,
) -> NonlocalBlock:
    r"""``x + γ · relu(norm((S + 1 uᵀ) x W_g W))``: a pairwise term and a unary one, disentangled.

    ``S = softmax(scale (θ − θ̄)(φ − φ̄)ᵀ)``, ``u = softmax(x w)``. Rows of ``S + 1 uᵀ`` sum to 2.

    Args:
        channels: ``C`` of the map ``x (B, C, *spatial)``.
        inner_channels: ``r``; by default ``channels // 2``.
        stages: units that share ``S``; each has a ``u`` of its own.
        whiten: subtract the means over the positions; ``False`` is the block of Zhu et al. (2021).
        scale: of the exponents; ``None`` for ``1/√r``.
        norm: called ``norm(channels)``, acts on ``(B, C, N)``.
        gate: see :class:`NonlocalBlock`.

    References:
        Yin et al. (2020), *Disentangled Non-Local Neural Networks*.

    Example:
        >>> import torch
        >>> DNL(64)(torch.randn(1, 64, 14, 14)).shape
        torch.Size([1, 64, 14, 14])
    """
    return NonlocalBlock(
        channels,
        inner_channels,
        affinity=partial(EmbeddedGaussian, whiten=whiten, scale=scale),
        filter=Aggregation,
        norm=norm,
        unit_affinity=GlobalContext,
        stages=stages,
        gate=gate,
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
    inner = max(channels // 16, 4) if inner_channels is None else inner_channels
    if inner < 2:
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
