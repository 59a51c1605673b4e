"""Graphs on a grid in which a position sees its own row and column alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from filters.checks import require_alike
from filters.operators.promises import Promises, promised
from gsp_nonlocal.shifts.implicit import ImplicitShift


class CrissCrossShift(ImplicitShift):
    r"""``(S z)_{hw} = Σ_{h'} V^w_{hh'} z_{h'w} + Σ_{w'} H^h_{ww'} z_{hw'}`` on a grid of ``H × W`` nodes.

    Time ``N (H + W) C``, memory ``N (H + W + C)``: ``2 N^{1.5}`` weights on a square.

    Args:
        vertical: ``V (B, W, H, H)``: weights inside each column of the grid.
        horizontal: ``H (B, H, W, W)``: weights inside each row of the grid.
        is_symmetric: promise that ``S = Sᵀ``.
        is_row_stochastic: promise that entries are ``≥ 0`` and rows sum to 1, or to 0.
        spectral_bound: a bound of ``|μ|``, if one is known.

    Raises:
        TypeError: if the types do not fit.
        ValueError: if the shapes or devices do not fit.

    References:
        Huang et al. (2019), *CCNet: Criss-Cross Attention for Semantic Segmentation*.

    Example:
        >>> S = CrissCrossShift(torch.zeros(1, 4, 3, 3), torch.eye(4).expand(1, 3, 4, 4))
        >>> (S @ torch.ones(1, 12, 2)).unique()
        tensor([1.])
    """

    def __init__(
        self,
        vertical: Tensor,
        horizontal: Tensor,
        *,
        is_symmetric: bool = False,
        is_row_stochastic: bool = False,
        spectral_bound: float | None = None,
    ) -> None:
        batch, width, height = vertical.shape[:3] if vertical.dim() == 4 else (0, 0, 0)
        expected = ((batch, width, height, height), (batch, height, width, width))
        if (tuple(vertical.shape), tuple(horizontal.shape)) != expected:
            raise ValueError(
                "vertical has shape (B, W, H, H) and horizontal (B, H, W, W), "
                f"got {tuple(vertical.shape)} and {tuple(horizontal.shape)}"
            )
        require_alike("a criss-cross shift", vertical=vertical, horizontal=horizontal)
        like = horizontal.flatten(1, 2)
        super().__init__(like, promised(is_symmetric, is_row_stochastic, spectral_bound))
        self.vertical, self.horizontal = vertical, horizontal

    @property
    def spatial(self) -> torch.Size:
        """``(H, W)``."""
        return self.horizontal.shape[1:3]

    def apply(self, z: Tensor) -> Tensor:
        grid = z.unflatten(1, self.spatial)
        along_rows = self.horizontal @ grid
        along_columns = (self.vertical @ grid.transpose(1, 2)).transpose(1, 2)
        return (along_rows + along_columns).flatten(1, 2)

    @property
    def T(self) -> CrissCrossShift:  # noqa: N802
        promises = self.promises.transposed.keywords()
        return CrissCrossShift(self.vertical.mT, self.horizontal.mT, **promises)

    def to_dense(self) -> Tensor:
        height, width = self.spatial
        same_column, same_row = (torch.eye(n, dtype=self.dtype, device=self.device) for n in (width, height))
        vertical = torch.einsum("bwij,wv->biwjv", self.vertical, same_column)
        horizontal = torch.einsum("bhij,hg->bhigj", self.horizontal, same_row)
        return (vertical + horizontal).reshape(self.shape)

    def mapped(
        self, function: Callable[[Tensor], Tensor], promises: Promises | None = None
    ) -> CrissCrossShift:
        vertical, horizontal = function(self.vertical), function(self.horizontal)
        return CrissCrossShift(vertical, horizontal, **(promises or self.promises).keywords())


def require_grid(spatial: Sequence[int] | None) -> tuple[int, int]:
    """``(H, W)`` of a map with two spatial dimensions.

    Raises:
        ValueError: for a map of another dimension.
    """
    if spatial is None or len(spatial) != 2:
        found = "no spatial size" if spatial is None else f"the spatial size {tuple(spatial)}"
        raise ValueError(f"criss-cross attention needs a grid (H, W), a map (B, C, H, W); got {found}")
    return spatial[0], spatial[1]
