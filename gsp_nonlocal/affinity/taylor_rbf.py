"""The radial basis function by its Taylor series, of low rank."""

from __future__ import annotations

from math import exp, factorial
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from filters.checks import require_flag, require_integer
from filters.operators.shift import ShiftOperator
from gsp_nonlocal.affinity.base import SIGNED, FactorAffinity, require_gamma
from gsp_nonlocal.affinity.normalization import Normalization, Symmetrization
from gsp_nonlocal.creation import Device
from gsp_nonlocal.nodes import Positions, Vertices, require_vertices
from gsp_nonlocal.shifts import LowRankShift
from gsp_nonlocal.shifts.pooled import PoolKind

MOST_COLUMNS = 2**16
"""Of the factors of a Taylor series."""


class TaylorRBF(FactorAffinity):
    r"""``M_ij = Σ_{p≤P} (2γ)^p / p! (θ_iᵀ φ_j)^p β``: the RBF by its Taylor series, of rank ``Σ_p r^p``.

    ``β = exp(−γ(‖θ_i‖² + ‖φ_j‖²))`` approximates ``exp(−γ‖θ_i − φ_j‖²)``; with ``unit_norm`` it is
    ``exp(−2γ)``, as though embeddings had length 1. Time and memory ``N``. On scalar nodes (``r = 1``), as
    in the compact generalised block, the rank is ``P + 1``; on vectors it grows as ``r^P``, and so do time
    and memory.

    Args:
        channels: ``C`` of the node features.
        inner_channels: width of ``θ`` and ``φ`` before ``vertices``.
        order: ``P ≥ 0``.
        gamma: ``γ > 0``.
        unit_norm: ``β = exp(−2γ)``.
        vertices: what a node is; by default a position, with the vector ``θ_i``.
        normalization: ``"none"`` or ``"mean"``: a partial series of odd order may be negative.
        symmetrization, bias, sub_sample, device, dtype: see :class:`PairwiseAffinity`.

    Raises:
        ValueError: see :class:`PairwiseAffinity`; for a negative order or ``γ ≤ 0``.

    References:
        Yue et al. (2018), *Compact Generalized Non-local Network*: scalar nodes and ``β = exp(−2γ)``.

    Example:
        >>> TaylorRBF(16, 4, order=2)(torch.randn(2, 100, 16)).rank
        21
    """

    formula = "Σ_p (2γ)^p/p! (θ_iᵀφ_j)^p β"
    obstacle = None
    normalizations: ClassVar[tuple[Normalization, ...]] = ("none", "mean")
    refusal = SIGNED

    def __init__(
        self,
        channels: int,
        inner_channels: int,
        *,
        order: int = 2,
        gamma: float = 1e-4,
        unit_norm: bool = False,
        vertices: Vertices | None = None,
        symmetrization: Symmetrization = "none",
        normalization: Normalization = "none",
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
        self.order = require_integer("order", order, 0, "the degree of the series")
        self.gamma, self.unit_norm = require_gamma(gamma), require_flag("unit_norm", unit_norm)
        self.vertices = Positions() if vertices is None else require_vertices(vertices)
        width = self.vertices.channels(inner_channels, inner_channels)[0]
        rank = sum(width**power for power in range(order + 1))
        if rank > MOST_COLUMNS:
            raise ValueError(
                f"a series of order {order} on vectors of width {width} has rank {rank:,}, above "
                f"{MOST_COLUMNS:,}; lower order or inner_channels, or use RBF, which needs no series"
            )

    def embeddings(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        query, key = super().embeddings(nodes)
        return self.vertices.fold(query), self.vertices.fold(key)

    def weights(self, query: Tensor, key: Tensor) -> ShiftOperator:
        features = self._features(query), self._features(key)
        return LowRankShift(*features, is_symmetric=False, ranks=self.ranks)

    def _features(self, t: Float[Tensor, "B N R"]) -> Tensor:
        """``√((2γ)^p / p!) t^{⊗p} √β`` for ``p = 0 … P``, side by side."""
        t = (2 * self.gamma) ** 0.5 * t
        if self.unit_norm:
            return self._series(t) * exp(-self.gamma)
        root = (-0.5 * t.square().sum(dim=-1, keepdim=True)).exp()
        return self._series(t.where(root > 0, 0.0)) * root  # where √β is 0, powers may be infinite

    def _series(self, t: Float[Tensor, "B N R"]) -> Tensor:
        """``t^{⊗p} / √p!`` for ``p = 0 … P``, side by side."""
        powers = [torch.ones_like(t[..., :1])]
        for _ in range(self.order):
            powers.append((powers[-1].unsqueeze(-1) * t.unsqueeze(-2)).flatten(-2))
        return torch.cat([power / factorial(p) ** 0.5 for p, power in enumerate(powers)], dim=-1)
