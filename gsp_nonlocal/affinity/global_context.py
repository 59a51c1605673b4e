"""One context for all positions, of rank 1."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from filters.operators.shift import ShiftOperator
from filters.precision import widened, without_autocast
from gsp_nonlocal.affinity.base import Affinity
from gsp_nonlocal.creation import Device
from gsp_nonlocal.nodes import PointwiseProjection
from gsp_nonlocal.shifts import LowRankShift


class GlobalContext(Affinity):
    r"""``S = 1 uᵀ``, ``u = softmax(X w)`` over the positions: every position sees the same. Rank 1.

    The eigenvalues are 1 and 0. Time and memory ``N``.

    Args:
        channels: ``C`` of the node features ``X (B, N, C)``.
        inner_channels: not used; affinities are all called alike.
        device, dtype: of the parameters; by default PyTorch's.

    Raises:
        TypeError: if ``channels`` is no integer, or ``dtype`` is not real floating-point; at the call, for
            features that are not, or of another type than the parameters.
        ValueError: if ``channels`` is below 1, or the device is unknown; at the call, for features that are
            no ``(B, N, C)`` of at least one node, or on another device.

    References:
        Cao, Xu, Lin, Wei, Hu (2019), *GCNet*; the unary term of Yin et al. (2020), *DNL*.

    Example:
        >>> GlobalContext(16)(torch.randn(2, 100, 16)).rank
        1
    """

    formula = "softmax_j(wᵀx)"
    obstacle = None
    is_row_stochastic = True
    spectral_bound = 1.0

    def __init__(
        self,
        channels: int,
        inner_channels: int | None = None,
        *,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.mask = PointwiseProjection(channels, 1, device=device, dtype=dtype)

    def forward(self, nodes: Tensor, spatial: Sequence[int] | None = None) -> ShiftOperator:
        logits = self.mask(nodes)
        with without_autocast(nodes):
            logits = widened(logits)
            weights = self.ranks.softmax(logits)
            ones = torch.ones_like(weights)
            return LowRankShift(ones, weights, ranks=self.ranks, **self.promises.keywords())
