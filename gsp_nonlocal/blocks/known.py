"""The known blocks on all pairs of positions: NL, NS, A², DNL; each as affinity × normalisation × filter."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from filters import Aggregation, Diffusion
from gsp_nonlocal.affinity import (
    Affinity,
    DoubleSoftmax,
    EmbeddedGaussian,
    GlobalContext,
    ReLUDot,
)
from gsp_nonlocal.blocks.nonlocal_block import (
    AffinityFactory,
    NonlocalBlock,
    NormFactory,
)
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
