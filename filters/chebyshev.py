"""Chebyshev polynomial filters."""

import math

import torch
from torch import Tensor

from filters.polynomial import PolynomialFilter


class Chebyshev(PolynomialFilter):
    r"""``y = Σ_{k=0}^{K} T_k(S) z W_k``, with ``T_k(x) = 2 x T_{k−1}(x) − T_{k−2}(x)``.

    Order 1, ``z W_0 + S z W_1``, is the filter of the spectral nonlocal block (SNL).

    Args:
        in_channels: channels of ``z (B, N, in)``.
        out_channels: channels of ``y (B, N, out)``.
        order: degree ``K ≥ 0``.
        device, dtype: of the parameters; see :class:`Filter`.

    Raises:
        ValueError: if a number is out of range.

    References:
        Hammond, Vandergheynst, Gribonval (2011); Defferrard, Bresson, Vandergheynst (2016);
        for order 1 in a nonlocal block: Zhu et al. (2021).

    Deviation: the polynomial is in ``S = I − 2L/λ_max``, where Defferrard et al. and PyG's ``ChebConv``
    use ``L̃ = −S``. ``T_k`` of odd order therefore has the opposite sign, and so have its weights.

    Example:
        >>> import torch
        >>> f = Chebyshev(3, 5, order=2)
        >>> f(torch.randn(2, 10, 3), torch.eye(10)).shape
        torch.Size([2, 10, 5])
        >>> f.response(torch.linspace(0, 2, 7)).shape
        torch.Size([7, 3, 5])
    """

    formula = "Σ_k T_k(μ) W_k"

    def recurrence(self, k: int) -> tuple[float, float, float]:
        return chebyshev_recurrence(k)


class ChebyshevInterpolation(Chebyshev):
    r"""``y = Σ_{j=0}^{K} ℓ_j(S) z W_j``: the polynomial with response ``W_j`` at the Chebyshev node ``x_j``.

    .. math::
        ℓ_j = \frac{2}{K+1} {\sum_{k=0}^{K}}' T_k(x_j)\, T_k, \qquad x_j = \cos\frac{(j + 1/2)\,π}{K+1},

    where the prime halves the term ``k = 0``. The parameters are values of the response, which keeps
    high orders well-behaved: ``H(1 − x_j) = W_j`` exactly.

    Args:
        in_channels: channels of ``z (B, N, in)``.
        out_channels: channels of ``y (B, N, out)``.
        order: degree ``K ≥ 0``.
        device, dtype: of the parameters; see :class:`Filter`.

    Raises:
        ValueError: if a number is out of range.

    References:
        He, Wei, Wen (2022), *Convolutional Neural Networks on Graphs with Chebyshev Approximation,
        Revisited* (ChebNetII). Deviation: matrices ``W_j`` where theirs are numbers; and the polynomial is
        in ``S``, so that ``x_j`` stands for ``λ = 1 − x_j``.

    Example:
        >>> f = ChebyshevInterpolation(3, 5, order=2).double()
        >>> nodes = chebyshev_nodes(2)
        >>> torch.allclose(f.response(1 - nodes), f.weight)
        True
    """

    formula = "Σ_j ℓ_j(μ) W_j"

    def mixing(self, weight: Tensor) -> Tensor:
        return change_basis(chebyshev_interpolation(self.order), weight)


def chebyshev_recurrence(k: int) -> tuple[float, float, float]:
    """``T_1 = x T_0``, then ``T_{k+1} = 2 x T_k − T_{k−1}``."""
    return (1.0, 0.0, 0.0) if k == 0 else (2.0, 0.0, 1.0)


def chebyshev_nodes(order: int) -> Tensor:
    """``x_j = cos((j + ½) π / (K + 1))``, ``j = 0 … K``, in float64."""
    return torch.cos(_angles(order))


def chebyshev_interpolation(order: int) -> Tensor:
    """``M (K + 1, K + 1)``, float64: values at the Chebyshev nodes to Chebyshev coefficients."""
    k = torch.arange(order + 1, dtype=torch.float64)
    matrix = 2 / (order + 1) * torch.cos(k.unsqueeze(-1) * _angles(order))
    matrix[0] /= 2
    return matrix


def _angles(order: int) -> Tensor:
    return (torch.arange(order + 1, dtype=torch.float64) + 0.5) * math.pi / (order + 1)


def change_basis(matrix: Tensor, weight: Tensor) -> Tensor:
    """``Σ_j M_kj W_j``, for ``weight (terms, in, out)``."""
    return torch.tensordot(matrix.to(weight), weight, dims=1)
