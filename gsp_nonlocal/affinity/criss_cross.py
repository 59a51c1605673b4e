"""Attention along the row and the column of a position."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from filters.operators.shift import ShiftOperator
from gsp_nonlocal.affinity.base import OVERFLOWING, PairwiseAffinity
from gsp_nonlocal.affinity.normalization import Normalization, Symmetrization
from gsp_nonlocal.creation import Device
from gsp_nonlocal.shifts import CrissCrossShift
from gsp_nonlocal.shifts.criss_cross import require_grid
from gsp_nonlocal.shifts.pooled import PoolKind

Vertical = Float[Tensor, "B W H H"]
Horizontal = Float[Tensor, "B H W W"]


class CrissCross(PairwiseAffinity):
    r"""``M_ij = exp(θ_iᵀ φ_j)`` for ``j`` in the row or column of ``i``, itself once; by default a softmax.

    Time and memory ``N (H + W)``, ``N^{1.5}`` on a square. Maps have two spatial dimensions.

    Args:
        channels: ``C`` of the node features.
        inner_channels: ``r``.
        normalization: ``"random_walk"`` or ``"symmetric"``.
        symmetrization, bias, sub_sample, device, dtype: see :class:`PairwiseAffinity`.

    Raises:
        ValueError: see :class:`PairwiseAffinity`; at the call, for a map that is not two-dimensional.

    References:
        Huang et al. (2019), *CCNet: Criss-Cross Attention for Semantic Segmentation*.

    Example:
        >>> CrissCross(16, 8)(torch.randn(2, 12, 16), (3, 4)).shape
        torch.Size([2, 12, 12])
    """

    formula = "exp(θ_iᵀφ_j)"
    edges = "same row or column"
    obstacle = "rows and columns of a map lie in several processes"
    time = "N^1.5"
    memory = "N^1.5"
    normalizations: ClassVar[tuple[Normalization, ...]] = ("random_walk", "symmetric")
    refusal = OVERFLOWING

    def __init__(
        self,
        channels: int,
        inner_channels: int,
        *,
        symmetrization: Symmetrization = "none",
        normalization: Normalization = "random_walk",
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

    def build_shift(self, query: Tensor, key: Tensor, spatial: Sequence[int]) -> ShiftOperator:
        exponents = _exponents(query, key, require_grid(spatial))
        if self.symmetrization == "average":
            exponents = _averaged(*exponents)
        weights = _by_rows(*exponents) if self.normalization == "random_walk" else _by_both(*exponents)
        return CrissCrossShift(*weights, **self.promises.keywords())


def _exponents(query: Tensor, key: Tensor, spatial: tuple[int, int]) -> tuple[Vertical, Horizontal]:
    """``θ_iᵀ φ_j`` along columns and rows; a position meets itself in its row alone."""
    q, k = query.unflatten(1, spatial), key.unflatten(1, spatial)
    vertical = q.transpose(1, 2) @ k.permute(0, 2, 3, 1)
    itself = torch.eye(spatial[0], dtype=torch.bool, device=query.device)
    nothing = torch.finfo(query.dtype).min / 4  # finite: differences of it stay numbers
    return vertical.masked_fill(itself, nothing), q @ k.mT


def _averaged(vertical: Vertical, horizontal: Horizontal) -> tuple[Vertical, Horizontal]:
    """Exponents of ``½ (M + Mᵀ)``."""
    both = [torch.logaddexp(part, part.mT) - log(2) for part in (vertical, horizontal)]
    return both[0], both[1]


def _by_rows(vertical: Vertical, horizontal: Horizontal) -> tuple[Vertical, Horizontal]:
    """``D⁻¹ M``: a softmax over row and column together."""
    both = torch.cat([vertical.transpose(1, 2), horizontal], dim=-1).softmax(dim=-1)
    height = vertical.shape[-1]
    return both[..., :height].transpose(1, 2), both[..., height:]


def _by_both(vertical: Vertical, horizontal: Horizontal) -> tuple[Vertical, Horizontal]:
    """``D^{-1/2} M D'^{-1/2}``; exponents are differences from the greatest ones, as sums are kept."""
    rows, above = _sums(vertical, horizontal)
    columns, aside = _sums(vertical.mT, horizontal.mT)
    left, right = rows.rsqrt(), columns.rsqrt()
    return (
        _scaled(vertical, above.mT, aside.mT, left.mT, right.mT),
        _scaled(horizontal, above, aside, left, right),
    )


def _scaled(exponents: Tensor, above: Tensor, aside: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """``left_i exp(e_ij − ½ m_i − ½ m'_j) right_j`` along the last two dimensions."""
    weights = (exponents - 0.5 * above.unsqueeze(-1) - 0.5 * aside.unsqueeze(-2)).exp()
    return left.unsqueeze(-1) * weights * right.unsqueeze(-2)


def _sums(vertical: Vertical, horizontal: Horizontal) -> tuple[Tensor, Tensor]:
    """``t (B, H, W)`` and ``m``, constant: the sum of every position's weights is ``e^m t``."""
    greatest = torch.maximum(vertical.amax(dim=-1).mT, horizontal.amax(dim=-1)).detach()
    down = (vertical - greatest.mT.unsqueeze(-1)).exp().sum(dim=-1).mT
    along = (horizontal - greatest.unsqueeze(-1)).exp().sum(dim=-1)
    return down + along, greatest
