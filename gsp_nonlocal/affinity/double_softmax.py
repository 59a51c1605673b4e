"""Gather by a softmax over positions, distribute by one over maps: double attention."""

from __future__ import annotations

from torch import Tensor

from filters.operators.shift import ShiftOperator
from gsp_nonlocal.affinity.base import FactorAffinity
from gsp_nonlocal.shifts import LowRankShift


class DoubleSoftmax(FactorAffinity):
    r"""``S = softmax_r(θ) softmax_N(φ)ᵀ``: gather by ``r`` maps over positions, distribute by ``r`` weights.

    The rows sum to 1 by construction, so that ``|μ| ≤ 1`` without a normalisation. Rank ``r``; time and
    memory ``N``.

    Args:
        channels: ``C`` of the node features.
        inner_channels: ``r``, the number of gathering maps.
        symmetrization, normalization, bias, sub_sample, device, dtype: see :class:`PairwiseAffinity`.

    Raises:
        ValueError: see :class:`PairwiseAffinity`.

    References:
        Chen, Kalantidis, Li, Yan, Feng (2018), *A²-Nets: Double Attention Networks*.

    Example:
        >>> import torch
        >>> shift = DoubleSoftmax(16, 8)(torch.randn(2, 100, 16))
        >>> torch.allclose(shift @ torch.ones(2, 100, 1), torch.ones(2, 100, 1))
        True
    """

    formula = "Σ_r softmax_r(θ_i) softmax_j(φ)"
    obstacle = None

    def weights(self, query: Tensor, key: Tensor) -> ShiftOperator:
        gathered = self.ranks.softmax(key)
        return LowRankShift(query.softmax(dim=-1), gathered, is_symmetric=False, ranks=self.ranks)

    @property
    def is_row_stochastic(self) -> bool:
        """Rows sum to 1 by themselves."""
        return (self.symmetrization, self.normalization) == ("none", "none") or super().is_row_stochastic

    @property
    def spectral_bound(self) -> float | None:
        """1 where rows sum to at most 1, or the normalisation proves it."""
        small = self.symmetrization == "none" and self.normalization in ("none", "mean")
        return 1.0 if small else super().spectral_bound
