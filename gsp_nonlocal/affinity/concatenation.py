"""The concatenation: a ReLU of a sum of two numbers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from filters.operators.shift import ShiftOperator
from gsp_nonlocal.affinity.base import FactorAffinity
from gsp_nonlocal.affinity.normalization import Normalization, Symmetrization
from gsp_nonlocal.creation import Device
from gsp_nonlocal.shifts import HingeShift, Pool, PooledShift
from gsp_nonlocal.shifts.hinge import hinge_products
from gsp_nonlocal.shifts.pooled import PoolKind


class Concatenation(FactorAffinity):
    r"""``M_ij = relu(wᵀ [θ_i, φ_j])``; by default ``S = M / N``. Time ``N log N``, memory ``N``: exact.

    Args:
        channels: ``C`` of the node features.
        inner_channels: ``r``.
        normalization: any; by default ``"mean"``.
        symmetrization, bias, sub_sample, device, dtype: see :class:`PairwiseAffinity`.

    Raises:
        ValueError: see :class:`PairwiseAffinity`.

    References:
        Wang, Girshick, Gupta, He (2018), *Non-local Neural Networks*. Deviation: sorted running sums (see
        :class:`HingeShift`) in place of the ``N × N`` weights.

    Example:
        >>> Concatenation(16, 8)(torch.randn(2, 100, 16)).shape
        torch.Size([2, 100, 100])
    """

    formula = "relu(wᵀ[θ_i, φ_j])"
    obstacle = "it sorts the nodes of the whole map"
    time = "N log N"

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
        self.weight = nn.Parameter(torch.empty(2 * inner_channels, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw ``w`` uniformly in ``±1/√(2r)``; the embedding has its own."""
        bound = self.weight.shape[0] ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)

    def weights(self, query: Tensor, key: Tensor) -> ShiftOperator:
        return HingeShift(*self._hinges(query, key))

    def pooled(self, query: Tensor, key: Tensor, pool: Pool) -> ShiftOperator:
        return PooledShift(hinge_products, *self._hinges(query, pool(key)), pool, self.promises)

    def _hinges(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """``u = θ w_θ`` and ``v = φ w_φ``, each ``(B, N, 1)``."""
        first, second = self.weight.to(query).chunk(2)
        return query @ first.unsqueeze(-1), key @ second.unsqueeze(-1)
