"""The Gaussian: attention without an embedding."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from filters.operators.shift import ShiftOperator
from gsp_nonlocal.affinity.embedded_gaussian import EmbeddedGaussian
from gsp_nonlocal.affinity.normalization import Normalization, Symmetrization, normalise_exponential
from gsp_nonlocal.creation import Device
from gsp_nonlocal.shifts.pooled import PoolKind


class Gaussian(EmbeddedGaussian):
    r"""``M_ij = exp(scale · x_iᵀ x_j)``: the embedded Gaussian without an embedding, symmetric by itself.

    Args:
        channels: ``C`` of the node features.
        inner_channels: not used; affinities are all called alike.
        scale: at least 0; ``None`` for ``1/√C``.
        whiten: see :class:`EmbeddedGaussian`.
        normalization: ``"random_walk"`` or ``"symmetric"``.
        symmetrization, sub_sample: see :class:`PairwiseAffinity`.
        bias: of an embedding, so only ``False``.
        device, dtype: of parameters, so without effect; affinities are all called alike.

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
    has_embedding = False

    def __init__(
        self,
        channels: int,
        inner_channels: int | None = None,
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
            channels,
            scale=scale,
            whiten=whiten,
            symmetrization=symmetrization,
            normalization=normalization,
            bias=bias,
            sub_sample=sub_sample,
            device=device,
            dtype=dtype,
        )
        if self.scale < 0:
            raise ValueError(f"scale must be at least 0, got {self.scale}")

    def embeddings(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        if self.whiten:
            nodes = nodes - self.ranks.mean(nodes)
        return nodes, nodes

    def build_shift(self, query: Tensor, key: Tensor, spatial: Sequence[int]) -> ShiftOperator:
        root = self.scale**0.5 * query  # one tensor on both sides: symmetric by itself
        return normalise_exponential(root, root, self.symmetrization, self.normalization, self.ranks)

    @property
    def is_symmetric(self) -> bool:
        """Whether the normalisation keeps the symmetry that the weights have."""
        return self.normalization == "symmetric"
