"""Filters in Jacobi and Legendre polynomials."""

import math

import torch

from filters.checks import LARGEST, Device, require_number
from filters.polynomial import PolynomialFilter


class Jacobi(PolynomialFilter):
    r"""``y = Σ_{k=0}^{K} P_k^{(a,b)}(S) z W_k``: orthogonal for the weight ``(1 − x)^a (1 + x)^b``.

    A larger ``a`` weighs high graph frequencies (``x = −1`` is ``λ = 2``) more, a larger ``b`` low ones;
    ``a = b = −½`` are Chebyshev's polynomials up to scale, ``a = b = 0`` Legendre's.
    ``P_k(1) = binom(k + a, k)`` grows with ``k``.

    Args:
        in_channels: channels of ``z (B, N, in)``.
        out_channels: channels of ``y (B, N, out)``.
        order: degree ``K ≥ 0``.
        a: exponent, above −1; 1 by default.
        b: exponent, above −1; 1 by default.
        device, dtype: of the parameters; see :class:`Filter`.

    Raises:
        ValueError: if a number is out of range.

    References:
        Wang, Zhang (2022), *How Powerful are Spectral Graph Neural Networks* (JacobiConv); Szegő (1939),
        (4.5.1). Deviation: matrices ``W_k`` where theirs are numbers for each channel.

    Example:
        >>> import torch
        >>> Jacobi(3, 5, order=4)(torch.randn(2, 10, 3), torch.eye(10)).shape
        torch.Size([2, 10, 5])
    """

    formula = "Σ_k P_k^{(a,b)}(μ) W_k"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        order: int = 1,
        a: float = 1.0,
        b: float = 1.0,
        *,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, order, device=device, dtype=dtype)
        self.a, self.b = require_exponent("a", a), require_exponent("b", b)
        self._require_finite()

    def recurrence(self, k: int) -> tuple[float, float, float]:
        a, b, n = self.a, self.b, k + 1
        if k == 0:
            return (a + b + 2) / 2, (a - b) / 2, 0.0
        s = 2 * n + a + b
        divisor = 2 * n * (n + a + b) * (s - 2)
        alpha = (s - 1) * s * (s - 2) / divisor
        beta = (s - 1) * (a * a - b * b) / divisor
        gamma = 2 * (n + a - 1) * (n + b - 1) * s / divisor
        return alpha, beta, gamma

    def _require_finite(self) -> None:
        """Refuse polynomials whose greatest values, ``binom(K + a, K)`` at the ends, leave float32."""
        most, order = max(self.a, self.b, 0.0), self.order
        greatest = sum(math.log1p(most / k) for k in range(1, order + 1))
        if greatest > math.log(LARGEST):
            raise ValueError(
                f"a Jacobi polynomial of order {order} with a={self.a:g}, b={self.b:g} reaches "
                f"{greatest / math.log(10):.0f} digits, too many for float32; lower order, a or b"
            )

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, a={self.a:g}, b={self.b:g}"


def require_exponent(name: str, value: float) -> float:
    """An exponent of a Jacobi polynomial, or a ``ValueError`` where it is not a number above −1."""
    what = f"the exponent {name} of a Jacobi polynomial"
    number = require_number(what, value)
    if number <= -1:
        raise ValueError(f"{what} must be above -1, got {number}")
    return number


class Legendre(PolynomialFilter):
    r"""``y = Σ_{k=0}^{K} P_k(S) z W_k``, with ``(k + 1) P_{k+1}(x) = (2k + 1) x P_k(x) − k P_{k−1}(x)``.

    Orthogonal for the even weight on ``[−1, 1]``, so that a least-squares fit of a response weighs all graph
    frequencies alike; ``|P_k| ≤ 1`` there.

    Args:
        in_channels: channels of ``z (B, N, in)``.
        out_channels: channels of ``y (B, N, out)``.
        order: degree ``K ≥ 0``.
        device, dtype: of the parameters; see :class:`Filter`.

    Raises:
        ValueError: if a number is out of range.

    References:
        Chen, Xu (2023), *Improved Modeling and Generalization Capabilities of Graph Neural Networks With
        Legendre Polynomials*. Deviation: matrices ``W_k``, and no stacking of layers.

    Example:
        >>> import torch
        >>> Legendre(3, 5, order=4)(torch.randn(2, 10, 3), torch.eye(10)).shape
        torch.Size([2, 10, 5])
    """

    formula = "Σ_k P_k(μ) W_k"

    def recurrence(self, k: int) -> tuple[float, float, float]:
        return (2 * k + 1) / (k + 1), 0.0, k / (k + 1)
