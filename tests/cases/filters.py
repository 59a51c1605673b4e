"""The table of filters: every family, variant, fixed response and kind of composition, once."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from scipy import special
from torch import Tensor

from filters import (
    ARMA,
    Aggregation,
    Bernstein,
    Cayley,
    Chebyshev,
    ChebyshevInterpolation,
    Diffusion,
    ExponentialWindow,
    Filter,
    GraphFilter,
    Heat,
    IdealLowPass,
    Identity,
    Jacobi,
    Legendre,
    MexicanHat,
    Monomial,
    Rational,
    Rectangular,
    SpectralFunction,
    Tikhonov,
    Wave,
)
from tests.cases.own import Clenshaw, Horner, Squared
from tests.cases.signals import IN, OUT


class FilterCase(NamedTuple):
    """``scalar(λ)`` are the exact responses of the terms; ``None`` where the case is a composition."""

    make: Callable[[], GraphFilter]
    terms: Callable[[Tensor], list[Tensor]] | None


def chebyshev_terms(order: int) -> Callable[[Tensor], list[Tensor]]:
    """``T_k(1 − λ) = cos(k arccos(1 − λ))``, independent of the recurrence."""
    return lambda lam: [torch.cos(k * torch.arccos((1 - lam).clamp(-1, 1))) for k in range(order + 1)]


def interpolation_terms(order: int) -> Callable[[Tensor], list[Tensor]]:
    """Lagrange's polynomials at ``x_j = cos((j + ½) π / (K + 1))``, as products."""
    nodes = [math.cos((j + 0.5) * math.pi / (order + 1)) for j in range(order + 1)]

    def lagrange(x: Tensor, j: int) -> Tensor:
        others = [(x - node) / (nodes[j] - node) for i, node in enumerate(nodes) if i != j]
        return math.prod(others, start=torch.ones_like(x))

    return lambda lam: [lagrange(1 - lam, j) for j in range(order + 1)]


def bernstein_terms(order: int) -> Callable[[Tensor], list[Tensor]]:
    """``b_k(λ) = 2^{−K} binom(K, k) (2 − λ)^{K−k} λ^k``."""
    binomials = [math.comb(order, k) / 2**order for k in range(order + 1)]
    return lambda lam: [c * (2 - lam) ** (order - k) * lam**k for k, c in enumerate(binomials)]


def cayley_terms(order: int, zooms: tuple[float, ...] = (1.0,)) -> Callable[[Tensor], list[Tensor]]:
    """Powers of ``(hλ − i) / (hλ + i)``."""

    def powers(lam: Tensor, h: float) -> list[Tensor]:
        transform = (h * lam - 1j) / (h * lam + 1j)
        return [part for j in range(1, order + 1) for part in ((transform**j).real, (transform**j).imag)]

    return lambda lam: [torch.ones_like(lam), *(term for h in zooms for term in powers(lam, h))]


def arma_terms(order: int, steps: int | None = None) -> Callable[[Tensor], list[Tensor]]:
    """``1 / (1 − ψ μ)``, or the first terms of its geometric series."""
    poles = torch.linspace(0.75, -0.75, order).tolist() if order > 1 else [0.5]
    if steps is None:
        return lambda lam: [1 / (1 - psi * (1 - lam)) for psi in poles]
    return lambda lam: [sum((psi * (1 - lam)) ** t for t in range(steps + 1)) for psi in poles]


def rational_terms(order: int, poles: int = 1) -> Callable[[Tensor], list[Tensor]]:
    """``T_k(μ) / Π_j (1 + ((λ − u_j) / v_j)²)``."""
    width = 0.05 + math.log(2)

    def gain(lam: Tensor) -> Tensor:
        peaks = [1 / (1 + ((lam - 2 * (j + 0.5) / poles) / width) ** 2) for j in range(poles)]
        return math.prod(peaks)

    return lambda lam: [gain(lam) * term for term in chebyshev_terms(order)(lam)]


def powers_of_mu(order: int) -> Callable[[Tensor], list[Tensor]]:
    return lambda lam: [(1 - lam) ** k for k in range(order + 1)]


def orthogonal(
    function: Callable[..., object], order: int, *numbers: float
) -> Callable[[Tensor], list[Tensor]]:
    """SciPy's ``eval_legendre``, ``eval_jacobi``."""
    return lambda lam: [torch.as_tensor(function(k, *numbers, (1 - lam).numpy())) for k in range(order + 1)]


def smooth_step(x: Tensor) -> Tensor:
    """``e(x) / (e(x) + e(1 − x))`` with ``e(x) = exp(−2 / x)``, 0 up to ``x = 0``."""
    up, down = (torch.where(t > 0, torch.exp(-2 / t), torch.zeros_like(t)) for t in (x, 1 - x))
    return up / (up + down)


ORDERS = (1, 2, 5)
Terms = Callable[[int], Callable[[Tensor], list[Tensor]]]
FAMILIES: dict[str, tuple[type[Filter], Terms]] = {
    "chebyshev": (Chebyshev, chebyshev_terms),
    "interpolation": (ChebyshevInterpolation, interpolation_terms),
    "monomial": (Monomial, powers_of_mu),
    "bernstein": (Bernstein, bernstein_terms),
    "jacobi": (Jacobi, lambda order: orthogonal(special.eval_jacobi, order, 1.0, 1.0)),
    "legendre": (Legendre, lambda order: orthogonal(special.eval_legendre, order)),
    "cayley": (Cayley, cayley_terms),
    "arma": (ARMA, arma_terms),
    "rational": (Rational, rational_terms),
    "aggregation": (Aggregation, lambda order: lambda lam: [(1 - lam) ** order]),
    "diffusion": (Diffusion, lambda order: lambda lam: [(-lam) ** order]),
}
"""Every family with an order: its class, and the exact responses of its terms by order."""

VARIANTS: dict[str, FilterCase] = {
    "chebyshev-0": FilterCase(lambda: Chebyshev(IN, OUT, order=0), chebyshev_terms(0)),
    "bernstein-3, non-negative": FilterCase(
        lambda: Bernstein(IN, OUT, order=3, nonnegative=True), bernstein_terms(3)
    ),
    "jacobi-4, uneven": FilterCase(
        lambda: Jacobi(IN, OUT, order=4, a=-0.5, b=2.0), orthogonal(special.eval_jacobi, 4, -0.5, 2.0)
    ),
    "cayley-2, two zooms": FilterCase(
        lambda: Cayley(IN, OUT, order=2, zoom=(0.3, 7.0)), cayley_terms(2, (0.3, 7.0))
    ),
    "cayley-0": FilterCase(lambda: Cayley(IN, OUT, order=0), lambda lam: [torch.ones_like(lam)]),
    "arma-2, 6 iterations": FilterCase(lambda: ARMA(IN, OUT, order=2, iterations=6), arma_terms(2, 6)),
    "squared": FilterCase(lambda: Squared(IN, OUT), lambda lam: [torch.ones_like(lam), (1 - lam) ** 2]),
    "horner-3": FilterCase(lambda: Horner(IN, OUT, order=3), powers_of_mu(3)),
    "clenshaw-4": FilterCase(lambda: Clenshaw(IN, OUT, order=4), chebyshev_terms(4)),
    "rational-2, three poles": FilterCase(lambda: Rational(IN, OUT, order=2, poles=3), rational_terms(2, 3)),
}
FIXED: dict[str, tuple[SpectralFunction, Callable[[Tensor], Tensor]]] = {
    "heat": (Heat(0.7), lambda lam: torch.exp(-0.7 * lam)),
    "tikhonov": (Tikhonov(2.0), lambda lam: 1 / (1 + 2.0 * lam)),
    "low-pass": (IdealLowPass(0.95), lambda lam: (lam <= 0.95).to(lam)),
    "rectangular": (Rectangular(0.4, 0.95), lambda lam: ((lam >= 0.4) & (lam <= 0.95)).to(lam)),
    "exponential window": (
        ExponentialWindow(0.3, 1.1, slope=2.0, order=150),
        lambda lam: smooth_step(0.5 - 0.5 * (lam - 1.1)) * smooth_step(0.5 + 0.5 * (lam - 0.3)),
    ),
    "wave": (Wave(3.0, 1.5), lambda lam: torch.cos(3 * torch.arccos(1 - 1.5**2 * lam / 4))),
    "mexican hat": (MexicanHat(3.0), lambda lam: math.e * 3 * lam * torch.exp(-3 * lam)),
    "function": (SpectralFunction(lambda lam: torch.cos(3 * lam)), lambda lam: torch.cos(3 * lam)),
}
COMPOSITIONS: dict[str, Callable[[], GraphFilter]] = {
    "sum": lambda: Chebyshev(IN, OUT, order=2) + Diffusion(IN, OUT),
    "difference": lambda: Chebyshev(IN, OUT, order=2) - Diffusion(IN, OUT),
    "cascade": lambda: Chebyshev(IN, OUT, order=2) @ Cayley(IN, IN, order=3),
    "scaled": lambda: -0.5 * Chebyshev(IN, OUT, order=3),
    "zero, then a filter": lambda: Chebyshev(IN, OUT, order=0) @ (0.0 * Identity(IN)),
    "residual": lambda: Identity(IN) + ARMA(IN, IN, order=2) @ Identity(),
    "nested": lambda: (
        Aggregation(IN, OUT) @ (Identity(IN) + 2 * Chebyshev(IN, IN)) + Chebyshev(IN, OUT, order=4)
    ),
    "fixed and learned": lambda: Chebyshev(IN, OUT) @ Heat(0.5) + Aggregation(IN, OUT),
}
FILTERS: dict[str, FilterCase] = {
    **{
        f"{name}-{order}": FilterCase(partial(family, IN, OUT, order=order), terms(order))
        for name, (family, terms) in FAMILIES.items()
        for order in ORDERS
    },
    **VARIANTS,
    **{name: FilterCase(lambda f=f: f @ Identity(IN), None) for name, (f, _) in FIXED.items()},
    **{name: FilterCase(make, None) for name, make in COMPOSITIONS.items()},
}
