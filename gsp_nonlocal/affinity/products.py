"""Affinities of low rank: dot product, Taylor-expanded RBF, double softmax; and the concatenation."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, factorial
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from filters.checks import require_flag, require_integer
from filters.shift import ShiftOperator
from gsp_nonlocal.affinity.base import PairwiseAffinity
from gsp_nonlocal.affinity.gaussian import require_gamma
from gsp_nonlocal.affinity.normalization import Normalization
from gsp_nonlocal.nodes import Positions, Vertices, require_vertices
from gsp_nonlocal.shifts import HingeShift, LowRankShift, Pool, PooledShift
from gsp_nonlocal.shifts.hinge import hinge_products
from gsp_nonlocal.shifts.pooled import factor_products

MOST_COLUMNS = 2**16
"""Of the factors of a Taylor series."""
SIGNED = "its weights can be negative, so that sums of rows can vanish and their roots be imaginary"


class FactorAffinity(PairwiseAffinity):
    """An affinity whose weights have a shift of their own, which is then normalised."""

    def weights(self, query: Tensor, key: Tensor) -> ShiftOperator:
        """``M``; by default ``θ φᵀ``."""
        return LowRankShift(query, key, is_symmetric=False)

    def graph(self, query: Tensor, key: Tensor, spatial: Sequence[int]) -> ShiftOperator:
        return self.normalised(self.weights(query, key))


class DotProduct(FactorAffinity):
    r"""``M_ij = θ_iᵀ φ_j``; by default ``S = θ φᵀ / N``, of rank ``r``. Time and memory ``N``.

    Args:
        channels: ``C`` of the node features.
        inner_channels: ``r``.
        normalization: ``"mean"`` or ``"none"``: the weights may be negative.
        choices: see :class:`PairwiseAffinity`.

    Raises:
        ValueError: see :class:`PairwiseAffinity`.

    References:
        Wang, Girshick, Gupta, He (2018), *Non-local Neural Networks*.

    Example:
        >>> DotProduct(16, 8)(torch.randn(2, 100, 16))
        LowRankShift(shape=(2, 100, 100), rank=8, dtype=torch.float32)
    """

    formula = "θ_iᵀφ_j"
    normalizations: ClassVar[tuple[Normalization, ...]] = ("none", "mean")
    refusal = SIGNED

    def __init__(
        self, channels: int, inner_channels: int, *, normalization: Normalization = "mean", **choices: Any
    ) -> None:
        super().__init__(channels, inner_channels, normalization=normalization, **choices)

    def pooled(self, query: Tensor, key: Tensor, pool: Pool) -> ShiftOperator:
        return PooledShift(factor_products, query, pool(key), pool, self.promises)


class DoubleSoftmax(FactorAffinity):
    r"""``S = softmax_r(θ) softmax_N(φ)ᵀ``: gather by ``r`` maps over positions, distribute by ``r`` weights.

    The rows sum to 1 by construction, so that ``|μ| ≤ 1`` without a normalisation. Rank ``r``; time and
    memory ``N``.

    Args:
        channels: ``C`` of the node features.
        inner_channels: ``r``, the number of gathering maps.
        choices: see :class:`PairwiseAffinity`.

    Raises:
        ValueError: see :class:`PairwiseAffinity`.

    References:
        Chen, Kalantidis, Li, Yan, Feng (2018), *A²-Nets: Double Attention Networks*.

    Example:
        >>> shift = DoubleSoftmax(16, 8)(torch.randn(2, 100, 16))
        >>> torch.allclose(shift @ torch.ones(2, 100, 1), torch.ones(2, 100, 1))
        True
    """

    formula = "Σ_r softmax_r(θ_i) softmax_j(φ)"

    def weights(self, query: Tensor, key: Tensor) -> ShiftOperator:
        return LowRankShift(query.softmax(dim=-1), key.softmax(dim=-2), is_symmetric=False)

    @property
    def is_row_stochastic(self) -> bool:  # type: ignore[override]
        """Rows sum to 1 by themselves."""
        return (self.symmetrization, self.normalization) == ("none", "none") or super().is_row_stochastic

    @property
    def spectral_bound(self) -> float | None:  # type: ignore[override]
        """1 where rows sum to at most 1, or the normalisation proves it."""
        small = self.symmetrization == "none" and self.normalization in ("none", "mean")
        return 1.0 if small else super().spectral_bound


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
        choices: see :class:`PairwiseAffinity`.

    Raises:
        ValueError: see :class:`PairwiseAffinity`; for a negative order or ``γ ≤ 0``.

    References:
        Yue et al. (2018), *Compact Generalized Non-local Network*: scalar nodes and ``β = exp(−2γ)``.

    Example:
        >>> TaylorRBF(16, 4, order=2)(torch.randn(2, 100, 16)).rank
        21
    """

    formula = "Σ_p (2γ)^p/p! (θ_iᵀφ_j)^p β"
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
        **choices: Any,
    ) -> None:
        super().__init__(channels, inner_channels, **choices)
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
        return LowRankShift(self._features(query), self._features(key), is_symmetric=False)

    def _features(self, t: Float[Tensor, "B N R"]) -> Tensor:
        """``√((2γ)^p / p!) t^{⊗p} √β`` for ``p = 0 … P``, side by side."""
        powers = [torch.ones_like(t[..., :1])]
        for _ in range(self.order):
            powers.append((powers[-1].unsqueeze(-1) * t.unsqueeze(-2)).flatten(-2))
        series = [((2 * self.gamma) ** p / factorial(p)) ** 0.5 * power for p, power in enumerate(powers)]
        if self.unit_norm:
            return torch.cat(series, dim=-1) * exp(-self.gamma)
        return torch.cat(series, dim=-1) * (-self.gamma * t.square().sum(dim=-1, keepdim=True)).exp()


class Concatenation(FactorAffinity):
    r"""``M_ij = relu(wᵀ [θ_i, φ_j])``; by default ``S = M / N``. Time ``N log N``, memory ``N``: exact.

    Args:
        channels: ``C`` of the node features.
        inner_channels: ``r``.
        normalization: any; by default ``"mean"``.
        choices: see :class:`PairwiseAffinity`.

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
    time = "N log N"

    def __init__(
        self, channels: int, inner_channels: int, *, normalization: Normalization = "mean", **choices: Any
    ) -> None:
        super().__init__(channels, inner_channels, normalization=normalization, **choices)
        self.weight = nn.Parameter(torch.empty(2 * inner_channels))
        nn.init.uniform_(self.weight, -((2 * inner_channels) ** -0.5), (2 * inner_channels) ** -0.5)

    def weights(self, query: Tensor, key: Tensor) -> ShiftOperator:
        return HingeShift(*self._hinges(query, key))

    def pooled(self, query: Tensor, key: Tensor, pool: Pool) -> ShiftOperator:
        return PooledShift(hinge_products, *self._hinges(query, pool(key)), pool, self.promises)

    def _hinges(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """``u = θ w_θ`` and ``v = φ w_φ``, each ``(B, N, 1)``."""
        first, second = self.weight.to(query).chunk(2)
        return query @ first.unsqueeze(-1), key @ second.unsqueeze(-1)
