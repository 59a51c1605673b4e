"""The embedded Gaussian: attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from filters.checks import require_flag, require_number
from filters.operators.shift import ShiftOperator
from gsp_nonlocal.affinity.base import OVERFLOWING, PairwiseAffinity
from gsp_nonlocal.affinity.normalization import Normalization, Symmetrization, normalise_exponential
from gsp_nonlocal.creation import Device
from gsp_nonlocal.shifts import Pool, PooledShift
from gsp_nonlocal.shifts.attention import attention_products
from gsp_nonlocal.shifts.pooled import PoolKind


class EmbeddedGaussian(PairwiseAffinity):
    r"""``M_ij = exp(scale · θ_iᵀ φ_j)``; by default ``S = softmax(scale · θ φᵀ)`` over the rows.

    Time ``N²``, memory ``N``. A symmetric shift has twice the cost. The weights are exact at any scale
    that the exponents have as numbers: in float32 that means exponents below about 10⁵.

    Args:
        channels: ``C`` of the node features.
        inner_channels: ``r``.
        scale: factor of the exponents; ``None`` for ``1/√r``.
        whiten: subtract the mean over the positions from ``θ`` and from ``φ`` (disentangled attention).
        normalization: ``"random_walk"`` or ``"symmetric"``.
        symmetrization, bias, sub_sample, device, dtype: see :class:`PairwiseAffinity`.

    Raises:
        ValueError: see :class:`PairwiseAffinity`.

    References:
        Wang, Girshick, Gupta, He (2018), *Non-local Neural Networks*; whitening: Yin et al. (2020),
        *Disentangled Non-Local Neural Networks*.

    Example:
        >>> shift = EmbeddedGaussian(16, 8)(torch.randn(2, 100, 16))
        >>> shift.shape, shift.is_symmetric
        (torch.Size([2, 100, 100]), False)
    """

    normalizations: ClassVar[tuple[Normalization, ...]] = ("random_walk", "symmetric")
    refusal = OVERFLOWING
    pooled_normalization: ClassVar[Normalization] = "random_walk"
    time = "N²"

    formula = "exp(s θ_iᵀφ_j)"
    obstacle = None

    def __init__(
        self,
        channels: int,
        inner_channels: int,
        *,
        scale: float | None = 1.0,
        whiten: bool = False,
        symmetrization: Symmetrization = "none",
        normalization: Normalization = "random_walk",
        bias: bool = False,
        sub_sample: PoolKind | None = None,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            channels,
            inner_channels,
            symmetrization=symmetrization,
            normalization=normalization,
            bias=bias,
            sub_sample=sub_sample,
            device=device,
            dtype=dtype,
        )
        self.scale = inner_channels**-0.5 if scale is None else require_number("scale", scale)
        self.whiten = require_flag("whiten", whiten)

    def embeddings(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        query, key = super().embeddings(nodes)
        if self.whiten:
            query, key = (part - self.ranks.mean(part) for part in (query, key))
        return query, key

    def build_shift(self, query: Tensor, key: Tensor, spatial: Sequence[int]) -> ShiftOperator:
        choices = self.symmetrization, self.normalization
        return normalise_exponential(self.scale * query, key, *choices, self.ranks)

    def pooled(self, query: Tensor, key: Tensor, pool: Pool) -> ShiftOperator:
        return PooledShift(attention_products, self.scale * query, pool(key), pool, self.promises)

    def extra_repr(self) -> str:
        """What ``repr`` shows of the settings."""
        return f"scale={self.scale:g}, {super().extra_repr()}"
