"""The radial basis function, exactly."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from filters.operators.shift import ShiftOperator
from gsp_nonlocal.affinity.base import PairwiseAffinity, require_gamma
from gsp_nonlocal.affinity.normalization import Normalization, Symmetrization, normalise_exponential
from gsp_nonlocal.creation import Device
from gsp_nonlocal.shifts import ExponentialShift
from gsp_nonlocal.shifts.pooled import PoolKind


class RBF(PairwiseAffinity):
    r"""``M_ij = exp(−γ ‖θ_i − φ_j‖²)``, without a series; weights in ``(0, 1]``. Time ``N²``, memory ``N``.

    Distances are differences of inner products: an exponent is off by the rounding of ``γ ‖θ − mean φ‖²``.
    Keep that below about 10⁴ in float32 (features of order 1, ``γ = 1/r``), or use float64.

    Args:
        channels: ``C`` of the node features.
        inner_channels: ``r``.
        gamma: ``γ > 0``; by default ``1/r``.
        normalization: any; by default ``"symmetric"``.
        symmetrization, bias, sub_sample, device, dtype: see :class:`PairwiseAffinity`.

    Raises:
        ValueError: see :class:`PairwiseAffinity`; for ``γ ≤ 0``.

    References:
        Yue et al. (2018), *Compact Generalized Non-local Network*, for the kernel; exact here.

    Example:
        >>> shift = RBF(16, 8, symmetrization="average")(torch.randn(2, 100, 16))
        >>> shift.is_symmetric, shift.spectral_bound
        (True, 1.0)
    """

    formula = "exp(−γ‖θ_i − φ_j‖²)"
    obstacle = None
    time = "N²"

    def __init__(
        self,
        channels: int,
        inner_channels: int,
        *,
        gamma: float | None = None,
        symmetrization: Symmetrization = "none",
        normalization: Normalization = "symmetric",
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
        self.gamma = require_gamma(1 / inner_channels if gamma is None else gamma)

    @property
    def spectral_bound(self) -> float | None:
        return None if self.normalization == "none" else 1.0

    def build_shift(self, query: Tensor, key: Tensor, spatial: Sequence[int]) -> ShiftOperator:
        query, key = self._as_inner_products(query, key)
        if self.normalization in ("random_walk", "symmetric"):
            choices = self.symmetrization, self.normalization
            return normalise_exponential(query, key, *choices, self.ranks)
        weights = ExponentialShift(query, key, ceiling=0.0, ranks=self.ranks)  # a distance is at least 0
        return self.normalised(weights)

    def _as_inner_products(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """``q, k`` of width ``r + 2`` with ``q_iᵀ k_j = −γ ‖θ_i − φ_j‖²``."""
        center = self.ranks.mean(key).detach()  # distances stay, numbers shrink
        query, key = query - center, key - center
        ones = torch.ones_like(query[..., :1])
        norms = [-self.gamma * part.square().sum(dim=-1, keepdim=True) for part in (query, key)]
        return (
            torch.cat([2 * self.gamma * query, norms[0], ones], dim=-1),
            torch.cat([key, ones, norms[1]], dim=-1),
        )
