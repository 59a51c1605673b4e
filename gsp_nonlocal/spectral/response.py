"""The frequency response that a trained block has learned."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from filters import GraphFilter
from gsp_nonlocal.blocks import NonlocalBlock

FLAT = 0.1
"""Gains that differ by no more than this share of the greatest one count as equal."""


@dataclass(frozen=True, eq=False)
class Response:
    r"""``H(λ)`` of one unit of a block, ``ŷ(λ) = x̂(λ) H(λ)``.

    Attributes:
        frequencies: ``λ``, ``(F,)``.
        value: ``W_g (C, r)``, the projection before the filter.
        filtered: the filter's own response, ``(F, r, C)``.
        singular_values: of each ``H(λ) = W_g · filtered``, descending, ``(F, min(C, r))``; the others are 0.

    Example:
        >>> from gsp_nonlocal import NS
        >>> response = block_response(NS(8))  # H(λ) = −λ W_g W
        >>> response.kind, response.mean_gain[0].item(), response.matrices.shape
        ('high-pass', 0.0, torch.Size([101, 8, 8]))
    """

    frequencies: Tensor
    value: Tensor
    filtered: Tensor
    singular_values: Tensor

    @classmethod
    def of(cls, lam: Tensor, value: Tensor, filtered: Tensor) -> Response:
        """The response with its singular values, from those of ``r × C`` matrices."""
        small = torch.linalg.qr(value, mode="r").R @ filtered
        return cls(lam, value, filtered, torch.linalg.svdvals(small))

    @property
    def matrices(self) -> Tensor:
        """``H``, ``(F, C, C)``, formed at each use."""
        return self.value @ self.filtered

    @property
    def mean_gain(self) -> Tensor:
        r"""The gain for a signal that is white over the channels, ``‖H(λ)‖_F / √C``, ``(F,)``."""
        return self.singular_values.norm(dim=-1) / self.value.shape[0] ** 0.5

    def within(self, low: float, high: float) -> Response:
        """The response at its frequencies in ``[low, high]``; the whole one if they are fewer than three."""
        kept = (self.frequencies >= low) & (self.frequencies <= high)
        return self if int(kept.sum()) < 3 else self._at(kept)

    def _at(self, kept: Tensor) -> Response:
        """The response at some of its frequencies."""
        return Response(self.frequencies[kept], self.value, self.filtered[kept], self.singular_values[kept])

    @property
    def kind(self) -> str:
        """One word for the shape of :attr:`mean_gain`.

        ``"zero"`` without any gain; ``"all-pass"`` if it varies by at most a tenth of its maximum. Else
        by the mean gains of the lower, middle and upper third of the frequencies: ``"band-pass"`` if
        the middle one is above both others by more than that tenth, ``"band-stop"`` if it is below both
        by more than that, and otherwise ``"low-pass"`` or ``"high-pass"``, by the greater end.
        """
        gain = self.mean_gain
        top = float(gain.max())
        if top == 0:
            return "zero"
        margin = FLAT * top
        if top - float(gain.min()) <= margin:
            return "all-pass"
        low, middle, high = (self._gain_of_third(third) for third in range(3))
        if middle > max(low, high) + margin:
            return "band-pass"
        if middle < min(low, high) - margin:
            return "band-stop"
        return "low-pass" if low > high else "high-pass"

    def _gain_of_third(self, third: int) -> float:
        lowest, highest = self.frequencies.min(), self.frequencies.max()
        scaled = 3 * (self.frequencies - lowest) / (highest - lowest)
        return float(self.mean_gain[scaled.floor().clamp(max=2) == third].mean())


@torch.no_grad()
def block_response(block: NonlocalBlock, lam: Tensor | None = None, stage: int = 0) -> Response:
    r"""``H(λ) = W_g · Σ_k g_k(λ) W_k``: value projection times filter, at each frequency.

    That is the linear part of a unit, ``x ← x + γ · σ(norm(H(S) x))``. The norm, the activation, the
    gate ``γ`` and the residual ``x`` are *not* in it.

    Args:
        block: a nonlocal block, trained or not.
        lam: graph frequencies ``λ ∈ [0, 2]``, ``(F,)``, at least two different ones; by default 101,
            evenly.
        stage: which of the block's units, from 0.

    Returns:
        A :class:`Response` in float64, without gradients.

    Raises:
        TypeError: if ``block`` is not a :class:`NonlocalBlock`.
        IndexError: if there is no such stage.
        ValueError: if ``lam`` is not such a vector; for a block with max pooling, which is not linear.

    References:
        Zhu, She, Li, Lu, Kang, Hu, Wang (2021), *Unifying Nonlocal Blocks for Neural Networks*.

    Example:
        >>> from gsp_nonlocal import SNL
        >>> response = block_response(SNL(8))
        >>> response.matrices.shape, response.singular_values.shape
        (torch.Size([101, 8, 8]), torch.Size([101, 4]))
    """
    if not isinstance(block, NonlocalBlock):
        raise TypeError(
            f"expected a NonlocalBlock, got {type(block).__name__}; "
            "SpectralProbe(model) finds the blocks of a model"
        )
    if getattr(block.affinity, "sub_sample", None) == "max":
        raise ValueError(
            'max pooling of values is not linear, so this block has no response; use sub_sample="average"'
        )
    units = block.units
    if not 0 <= stage < len(units):
        raise IndexError(f"stage {stage} is out of range: the block has {len(units)}, counted from 0")
    return unit_response(units[stage].value, units[stage].filter, block.channels, lam)


@torch.no_grad()
def unit_response(
    value: torch.nn.Module, filter: GraphFilter, channels: int, lam: Tensor | None = None
) -> Response:
    """``H(λ)`` of a linear projection ``value`` of ``channels`` channels and the ``filter`` after it."""
    matrix = matrix_of(value, channels)
    lam = check_frequencies(lam).to(matrix)
    filtered = filter.response(lam)
    if filtered.shape[1] != matrix.shape[1]:  # scalar signals: every channel alike
        filtered = filtered * torch.eye(matrix.shape[1]).to(filtered)
    return Response.of(lam, matrix, filtered)


def matrix_of(value: torch.nn.Module, channels: int) -> Tensor:
    """The matrix ``(C, r)`` of a linear projection of node signals, by its action on unit vectors."""
    like = next(value.parameters(), torch.empty(()))
    unit = torch.eye(channels, dtype=like.dtype, device=like.device).unsqueeze(0)
    return (value(unit) - value(torch.zeros_like(unit)))[0].double()


def check_frequencies(lam: Tensor | None) -> Tensor:
    """Frequencies in float64; by default 101, evenly in ``[0, 2]``.

    Raises:
        ValueError: unless they are a vector of at least two different finite numbers.
    """
    lam = torch.linspace(0, 2, 101, dtype=torch.float64) if lam is None else lam.double()
    if lam.dim() != 1 or not lam.isfinite().all() or lam.unique().numel() < 2:
        raise ValueError(
            "frequencies are a vector (F,) of at least two different finite numbers in [0, 2], "
            f"got {lam.tolist() if lam.numel() < 5 else tuple(lam.shape)}"
        )
    return lam
