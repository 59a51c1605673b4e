"""Affinities with exponential weights: Gaussian, embedded Gaussian, and the radial basis function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from filters.checks import require_flag, require_number
from filters.shift import ShiftOperator
from gsp_nonlocal.affinity.base import PairwiseAffinity
from gsp_nonlocal.affinity.normalization import Normalization, normalise_exponential
from gsp_nonlocal.shifts import ExponentialShift, Pool, PooledShift
from gsp_nonlocal.shifts.attention import attention_products


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
        choices: see :class:`PairwiseAffinity`.

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
    refusal = "exponentials of inner products grow without bound and overflow"
    pooled_normalization: ClassVar[Normalization] = "random_walk"
    time = "N²"

    formula = "exp(s θ_iᵀφ_j)"

    def __init__(
        self,
        channels: int,
        inner_channels: int,
        *,
        scale: float | None = 1.0,
        whiten: bool = False,
        normalization: Normalization = "random_walk",
        **choices: Any,
    ) -> None:
        super().__init__(channels, inner_channels, normalization=normalization, **choices)
        self.scale = inner_channels**-0.5 if scale is None else require_number("scale", scale)
        self.whiten = require_flag("whiten", whiten)

    def embeddings(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        query, key = super().embeddings(nodes)
        if self.whiten:
            query, key = (part - part.mean(dim=1, keepdim=True) for part in (query, key))
        return query, key

    def graph(self, query: Tensor, key: Tensor, spatial: Sequence[int]) -> ShiftOperator:
        return normalise_exponential(self.scale * query, key, self.symmetrization, self.normalization)

    def pooled(self, query: Tensor, key: Tensor, pool: Pool) -> ShiftOperator:
        return PooledShift(attention_products, self.scale * query, pool(key), pool, self.promises)

    def extra_repr(self) -> str:
        """What ``repr`` shows of the settings."""
        return f"scale={self.scale:g}, {super().extra_repr()}"


class Gaussian(EmbeddedGaussian):
    r"""``M_ij = exp(scale · x_iᵀ x_j)``: the embedded Gaussian without an embedding, symmetric by itself.

    Args:
        channels: ``C`` of the node features.
        inner_channels: not used; affinities are all called alike.
        settings: ``scale`` (at least 0; ``None`` for ``1/√C``), ``normalization``, ``sub_sample`` as in
            :class:`EmbeddedGaussian`.

    Raises:
        ValueError: see :class:`PairwiseAffinity`; for a negative scale.

    References:
        Wang, Girshick, Gupta, He (2018), *Non-local Neural Networks*.

    Example:
        >>> shift = Gaussian(16, normalization="symmetric")(torch.randn(2, 100, 16))
        >>> shift.is_symmetric, shift.spectral_bound
        (True, 1.0)
    """

    formula = "exp(s x_iᵀx_j)"

    def __init__(self, channels: int, inner_channels: int | None = None, **settings: Any) -> None:
        super().__init__(channels, channels, **settings)
        if self.scale < 0:
            raise ValueError(f"scale must be at least 0, got {self.scale}")

    def embed(self, channels: int, inner_channels: int, bias: bool) -> None:
        if bias:
            raise ValueError("Gaussian has no embedding, so no bias; leave it out")

    def embeddings(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        if self.whiten:
            nodes = nodes - nodes.mean(dim=1, keepdim=True)
        return nodes, nodes

    def graph(self, query: Tensor, key: Tensor, spatial: Sequence[int]) -> ShiftOperator:
        root = self.scale**0.5 * query  # one tensor on both sides: symmetric by itself
        return normalise_exponential(root, root, self.symmetrization, self.normalization)

    @property
    def is_symmetric(self) -> bool:  # type: ignore[override]
        """Whether the normalisation keeps the symmetry that the weights have."""
        return self.normalization == "symmetric"


class RBF(PairwiseAffinity):
    r"""``M_ij = exp(−γ ‖θ_i − φ_j‖²)``, without a series; weights in ``(0, 1]``. Time ``N²``, memory ``N``.

    Distances are differences of inner products: an exponent is off by the rounding of ``γ ‖θ − mean φ‖²``.
    Keep that below about 10⁴ in float32 (features of order 1, ``γ = 1/r``), or use float64.

    Args:
        channels: ``C`` of the node features.
        inner_channels: ``r``.
        gamma: ``γ > 0``; by default ``1/r``.
        normalization: any; by default ``"symmetric"``.
        choices: see :class:`PairwiseAffinity`.

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
    time = "N²"

    def __init__(
        self,
        channels: int,
        inner_channels: int,
        *,
        gamma: float | None = None,
        normalization: Normalization = "symmetric",
        **choices: Any,
    ) -> None:
        super().__init__(channels, inner_channels, normalization=normalization, **choices)
        self.gamma = require_gamma(1 / inner_channels if gamma is None else gamma)

    @property
    def spectral_bound(self) -> float | None:  # type: ignore[override]
        return None if self.normalization == "none" else 1.0

    def graph(self, query: Tensor, key: Tensor, spatial: Sequence[int]) -> ShiftOperator:
        query, key = self._as_inner_products(query, key)
        if self.normalization in ("random_walk", "symmetric"):
            return normalise_exponential(query, key, self.symmetrization, self.normalization)
        weights = ExponentialShift(query, key)
        return self.normalised(weights)

    def _as_inner_products(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """``q, k`` of width ``r + 2`` with ``q_iᵀ k_j = −γ ‖θ_i − φ_j‖²``."""
        center = key.mean(dim=1, keepdim=True).detach()  # distances stay, numbers shrink
        query, key = query - center, key - center
        ones = torch.ones_like(query[..., :1])
        norms = [-self.gamma * part.square().sum(dim=-1, keepdim=True) for part in (query, key)]
        return (
            torch.cat([2 * self.gamma * query, norms[0], ones], dim=-1),
            torch.cat([key, ones, norms[1]], dim=-1),
        )


def require_gamma(gamma: float) -> float:
    """``γ``, or a ``ValueError`` where it is not positive."""
    number = require_number("gamma must be positive and finite; it", gamma)
    if number <= 0:
        raise ValueError(f"gamma must be positive and finite, got {gamma}")
    return number
