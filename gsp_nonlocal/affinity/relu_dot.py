"""The affinity of the spectral nonlocal block."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from filters.operators.shift import ShiftOperator
from filters.precision import widened, without_autocast
from gsp_nonlocal.affinity.base import PairwiseAffinity
from gsp_nonlocal.affinity.normalization import SCALE_FREE, Normalization, Symmetrization
from gsp_nonlocal.affinity.relu_dot_factors import relu_dot_shift
from gsp_nonlocal.creation import Device
from gsp_nonlocal.shifts import DenseShift, Form, LowRankShift, choose_form
from gsp_nonlocal.shifts.degrees import to_unit_scale
from gsp_nonlocal.shifts.form import require_form, require_room
from gsp_nonlocal.shifts.pooled import PoolKind


class ReLUDot(PairwiseAffinity):
    r"""``M = relu(X θ) relu(X φ)ᵀ``; by default ``Â = D^{-1/2} M̂ D^{-1/2}``, ``M̂ = ½(M + Mᵀ)``.

    By default symmetric, spectrum in ``[−1, 1]``, rank at most ``2r``. Time and memory ``N``. The affinity is
    computed in float32 or better, also under autocast.

    Args:
        channels: ``C`` of the node features ``X (B, N, C)``.
        inner_channels: ``r``, the width of the embeddings ``θ`` and ``φ``; at least 1.
        form: ``"auto"``, ``"dense"`` or ``"low_rank"``: how the shift is kept.
        symmetrization: ``"none"`` or ``"average"``.
        normalization: any.
        bias, sub_sample, device, dtype: see :class:`PairwiseAffinity`.

    Raises:
        ValueError: for an unknown form or choice.

    References:
        Zhu, She, Li, Lu, Kang, Hu, Wang (2021), *Unifying Nonlocal Blocks for Neural Networks*. Without
        symmetrisation and normalisation: their variant of Chen et al. (2018), *A²-Nets*.

    Example:
        >>> shift = ReLUDot(16, 8)(torch.randn(2, 100, 16))
        >>> shift.shape, shift.spectral_bound
        (torch.Size([2, 100, 100]), 1.0)
    """

    formula = "relu(θ_i)ᵀrelu(φ_j)"
    obstacle = None

    def __init__(
        self,
        channels: int,
        inner_channels: int,
        *,
        form: Form = "auto",
        symmetrization: Symmetrization = "average",
        normalization: Normalization = "symmetric",
        bias: bool = False,
        sub_sample: PoolKind | None = None,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        require_form(form)
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
        self.form = form

    def forward(self, nodes: Tensor, spatial: Sequence[int] | None = None) -> ShiftOperator:
        """The shift on ``N`` nodes of ``nodes (B, N, C)``."""
        embeddings = self.theta_phi(nodes)
        with without_autocast(nodes):
            embeddings = widened(embeddings)
            if (self.symmetrization, self.normalization) == ("average", "symmetric"):
                return relu_dot_shift(embeddings, self.form, self.ranks)
            query, key = embeddings.relu().chunk(2, dim=-1)
            return self.build_shift(query, key, ())

    def build_shift(self, query: Tensor, key: Tensor, spatial: Sequence[int]) -> ShiftOperator:
        nodes, rank = query.shape[-2:]
        weights: ShiftOperator = LowRankShift(query, key, is_symmetric=False, ranks=self.ranks)
        if choose_form(self.form, nodes, rank, self.ranks) == "dense":
            require_room(query)
            if self.normalization in SCALE_FREE:  # the product alone would overflow, or vanish
                query, key = (to_unit_scale(part)[0] for part in (query, key))
            weights = DenseShift(query @ key.mT)
        return self.normalised(weights)

    @property
    def time(self) -> str:
        """``N²`` for the dense form."""
        return "N²" if self.form == "dense" else "N"

    @property
    def memory(self) -> str:
        """``N²`` for the dense form."""
        return self.time

    def extra_repr(self) -> str:
        """What ``repr`` shows of the settings."""
        return f"form={self.form!r}, {super().extra_repr()}"
