"""Filters in powers of the shift."""

import torch

from filters.checks import Device, require_number
from filters.polynomial import PolynomialFilter


class Monomial(PolynomialFilter):
    r"""``y = Σ_{k=0}^{K} S^k z W_k``, started as personalised PageRank.

    At the start ``W_k = γ_k W`` with one random ``W`` and ``γ_k = α (1 − α)^k``, ``γ_K = (1 − α)^K``, so
    that the response is that of PageRank with restart probability ``α``, a low-pass.

    Args:
        in_channels: channels of ``z (B, N, in)``.
        out_channels: channels of ``y (B, N, out)``.
        order: degree ``K ≥ 0``.
        restart: ``α``, in ``(0, 1]``; 0.1 by default.
        device, dtype: of the parameters; see :class:`Filter`.

    Raises:
        ValueError: if a number is out of range.

    References:
        Chien, Peng, Li, Milenkovic (2021), *Adaptive Universal Generalized PageRank* (GPR-GNN).
        Deviation: matrices ``W_k`` where theirs are numbers ``γ_k``.

    Example:
        >>> f = Monomial(1, 1, order=10)
        >>> gain = f.response(torch.tensor([0.0, 1.0, 2.0])).abs().flatten()
        >>> bool(gain[0] > gain[1] and gain[0] > gain[2])
        True
    """

    formula = "Σ_k μ^k W_k"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        order: int = 1,
        restart: float = 0.1,
        *,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, order, device=device, dtype=dtype)
        self.restart = require_number("restart", restart)
        if not 0 < self.restart <= 1:
            raise ValueError(f"restart must be in (0, 1], a probability, got {restart}")
        self._built(Monomial)

    def recurrence(self, k: int) -> tuple[float, float, float]:
        return 1.0, 0.0, 0.0

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw one ``W`` and weigh it with ``γ_k``."""
        stay = 1 - self.restart
        powers = [self.restart * stay**k for k in range(self.order)] + [stay**self.order]
        gamma = torch.tensor(powers, dtype=torch.float64, device="cpu")
        bound = self.in_channels**-0.5
        first = torch.empty_like(self.weight[0]).uniform_(-bound, bound)
        self.weight.copy_(gamma.to(first).view(-1, 1, 1) * first)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, restart={self.restart:g}"
