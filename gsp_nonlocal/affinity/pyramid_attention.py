"""Attention to a pyramid of pooled positions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from filters.checks import require_integer
from filters.operators.shift import ShiftOperator
from filters.precision import widened, without_autocast
from gsp_nonlocal.affinity.base import Affinity, require_size
from gsp_nonlocal.creation import Device, options
from gsp_nonlocal.nodes import PointwiseProjection
from gsp_nonlocal.norm import normalised
from gsp_nonlocal.shifts import LowRankShift
from gsp_nonlocal.shifts.pooled import pyramid

LEVELS = "sizes, one or more levels of at least 1 position a side,"


class PyramidAttention(Affinity):
    r"""``S = softmax(κ(q) / √r) P``: attention from ``N`` positions to ``M`` pooled ones, ``P (M × N)``.

    ``q = relu(norm(X W + b))`` are the queries, and ``P q`` the keys: ``S = softmax(q (P q)ᵀ / √r) P``, rank
    at most ``M``. Rows sum to 1. Time and memory ``N M``, linear in ``N``.

    Args:
        channels: ``C`` of the node features.
        inner_channels: ``r``.
        sizes: levels of the pyramid; ``M = Σ s^d`` in ``d`` dimensions, 110 by default on an image.
        device, dtype: of parameters and running statistics; by default PyTorch's.

    Raises:
        ValueError: if there is no level, or one below 1.

    References:
        Zhu et al. (2019), *Asymmetric Non-local Neural Networks for Semantic Segmentation* (APNB).

    Example:
        >>> PyramidAttention(16, 8)(torch.randn(2, 12 * 12, 16), (12, 12)).rank
        110
    """

    formula = "softmax_m(q_iᵀ(Pq)_m/√r) P_mj"
    edges = "to a pyramid"
    obstacle = "cells of its pyramid lie in several processes"
    is_row_stochastic = True
    spectral_bound = 1.0

    def __init__(
        self,
        channels: int,
        inner_channels: int,
        *,
        sizes: Sequence[int] = (1, 3, 6, 8),
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(sizes, Sequence) or isinstance(sizes, str) or not sizes:
            raise ValueError(f"{LEVELS} must be a sequence of integers, got {sizes!r}")
        self.sizes = tuple(require_integer(LEVELS, size) for size in sizes)
        place = options(device, dtype)
        inner_channels = require_integer("inner_channels", inner_channels)
        self.embedding = PointwiseProjection(channels, inner_channels, bias=True, **place)
        self.norm = nn.BatchNorm1d(inner_channels, **place)

    def forward(self, nodes: Tensor, spatial: Sequence[int] | None = None) -> ShiftOperator:
        embedded = self.embedding(nodes)
        exact = widened(embedded)
        query = normalised(self.norm, exact.mT).relu().mT
        with without_autocast(nodes):
            pooling = pyramid(require_size(nodes, spatial), self.sizes, query)
            exponents = query.shape[-1] ** -0.5 * (query @ (pooling @ query).mT)
            left = exponents.softmax(dim=-1)
            right = pooling.mT.expand(left.shape[0], -1, -1)
            return LowRankShift(left, right, **self.promises.keywords())

    def extra_repr(self) -> str:
        """What ``repr`` shows of the settings."""
        return f"sizes={self.sizes}"
