"""The dot product: weights that may be negative, of low rank."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from filters.operators.shift import ShiftOperator
from gsp_nonlocal.affinity.base import SIGNED, FactorAffinity
from gsp_nonlocal.affinity.normalization import Normalization, Symmetrization
from gsp_nonlocal.creation import Device
from gsp_nonlocal.shifts import Pool, PooledShift
from gsp_nonlocal.shifts.pooled import PoolKind, factor_products


class DotProduct(FactorAffinity):
    r"""``M_ij = θ_iᵀ φ_j``; by default ``S = θ φᵀ / N``, of rank ``r``. Time and memory ``N``.

    Args:
        channels: ``C`` of the node features.
        inner_channels: ``r``.
        normalization: ``"mean"`` or ``"none"``: the weights may be negative.
        symmetrization, bias, sub_sample, device, dtype: see :class:`PairwiseAffinity`.

    Raises:
        ValueError: see :class:`PairwiseAffinity`.

    References:
        Wang, Girshick, Gupta, He (2018), *Non-local Neural Networks*.

    Example:
        >>> DotProduct(16, 8)(torch.randn(2, 100, 16))
        LowRankShift(shape=(2, 100, 100), rank=8, dtype=torch.float32)
    """

    formula = "θ_iᵀφ_j"
    obstacle = None
    normalizations: ClassVar[tuple[Normalization, ...]] = ("none", "mean")
    refusal = SIGNED

    def __init__(
        self,
        channels: int,
        inner_channels: int,
        *,
        symmetrization: Symmetrization = "none",
        normalization: Normalization = "mean",
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

    def pooled(self, query: Tensor, key: Tensor, pool: Pool) -> ShiftOperator:
        return PooledShift(factor_products, query, pool(key), pool, self.promises)
