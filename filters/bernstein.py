"""Filters in Bernstein polynomials."""

import torch
from torch import Tensor, nn

from filters.chebyshev import Chebyshev, change_basis, chebyshev_interpolation, chebyshev_nodes
from filters.checks import Device, require_flag


class Bernstein(Chebyshev):
    r"""``y = Σ_{k=0}^{K} b_k(L) z W_k``, with ``b_k(λ) = 2^{−K} binom(K, k) (2 − λ)^{K−k} λ^k``.

    The ``b_k`` are non-negative on ``[0, 2]`` and sum to 1; ``W_k`` is about the response at ``λ = 2k/K``,
    so that the weights can be read as a curve.

    Evaluated in the Chebyshev basis, by the exact coefficients of ``b_k`` there: ``K`` products with ``S``,
    where the form above takes ``K²``. The coefficients are at most 2, so nothing is lost by rounding.

    Args:
        in_channels: channels of ``z (B, N, in)``.
        out_channels: channels of ``y (B, N, out)``.
        order: degree ``K ≥ 0``.
        nonnegative: use ``relu(W_k)``: then every entry of the response is non-negative, as in BernNet.
        device, dtype: of the parameters; see :class:`Filter`.

    Raises:
        ValueError: if a number is out of range.

    References:
        He, Wei, Huang, Xu (2021), *BernNet*. Deviation: matrices ``W_k`` where theirs are numbers, drawn at
        random (non-negative where asked for) where theirs start at 1.

    Example:
        >>> f = Bernstein(1, 1, order=4, nonnegative=True)
        >>> bool((f.response(torch.linspace(0, 2, 50)) >= 0).all())
        True
    """

    formula = "Σ_k b_k(1 − μ) W_k"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        order: int = 1,
        nonnegative: bool = False,
        *,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, order, device=device, dtype=dtype)
        self.nonnegative = require_flag("nonnegative", nonnegative)
        self._built(Bernstein)

    def mixing(self, weight: Tensor) -> Tensor:
        weight = weight.relu() if self.nonnegative else weight
        return change_basis(bernstein_to_chebyshev(self.order), weight)

    def reset_parameters(self) -> None:
        super().reset_parameters()
        if self.nonnegative:
            nn.init.uniform_(self.weight, 0, (self.num_terms * self.in_channels) ** -0.5)

    def extra_repr(self) -> str:
        return super().extra_repr() + (", nonnegative=True" if self.nonnegative else "")


def bernstein_to_chebyshev(order: int) -> Tensor:
    """``M (K + 1, K + 1)``, float64: ``b_k(1 − x) = Σ_m M_mk T_m(x)``, by interpolation, which is exact."""
    half_high = (1 - chebyshev_nodes(order)).unsqueeze(-1) / 2  # λ/2 at the nodes
    k = torch.arange(order + 1, dtype=torch.float64)
    total = torch.tensor(order, dtype=torch.float64)
    log_binomial = torch.lgamma(total + 1) - torch.lgamma(k + 1) - torch.lgamma(total - k + 1)
    values = log_binomial.exp() * half_high**k * (1 - half_high) ** (order - k)
    return chebyshev_interpolation(order) @ values
