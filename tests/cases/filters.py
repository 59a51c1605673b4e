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
    Clenshaw,
    Diffusion,
    ExponentialWindow,
    Factored,
    Favard,
    Filter,
    GraphFilter,
    Heat,
    Horner,
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
from tests.cases import own
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


def second_kind(order: int) -> Callable[[Tensor], list[Tensor]]:
    """``U_k(1 − λ)``."""
    return orthogonal(special.eval_chebyu, order)


def favard_3(lam: Tensor) -> list[Tensor]:
    """The polynomials of the recurrence ``a = (0.9, 0.2, 0.6)``, ``b = (−0.3, 0.4, 0.1)``, written out."""
    x = 1 - lam
    first = (x + 0.3) / 0.9
    second = ((x - 0.4) * first - 0.9) / 0.2
    return [torch.ones_like(x), first, second, ((x - 0.1) * second - 0.2 * first) / 0.6]


def trained_favard() -> Favard:
    """Of the recurrence of :func:`favard_3`."""
    f = Favard(IN, OUT, order=3).double()
    with torch.no_grad():
        f.raw_scales.copy_((torch.tensor([0.9, 0.2, 0.6], dtype=torch.float64) - 0.01).expm1().log())
        f.centres.copy_(torch.tensor([-0.3, 0.4, 0.1], dtype=torch.float64))
    return f


def factored_terms(order: int) -> Callable[[Tensor], list[Tensor]]:
    """``Π_k (1 − φ_k λ)`` at the start."""
    return lambda lam: [math.prod(1 - (k + 0.5) / (2 * order) * lam for k in range(order))]


def trained(f: Filter) -> Filter:
    """A filter whose parameters are all different."""
    with torch.no_grad():
        for parameter in f.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return f


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
    "squared": FilterCase(lambda: own.Squared(IN, OUT), lambda lam: [torch.ones_like(lam), (1 - lam) ** 2]),
    "horner-3, own": FilterCase(lambda: own.Horner(IN, OUT, order=3), powers_of_mu(3)),
    "clenshaw-4, own": FilterCase(lambda: own.Clenshaw(IN, OUT, order=4), chebyshev_terms(4)),
    "favard-0": FilterCase(lambda: Favard(IN, OUT, order=0), chebyshev_terms(0)),
    "favard-4": FilterCase(lambda: Favard(IN, OUT, order=4), second_kind(4)),
    "favard-3, after training": FilterCase(trained_favard, favard_3),
    "factored-3": FilterCase(lambda: Factored(IN, OUT, order=3), factored_terms(3)),
    "horner-3": FilterCase(lambda: Horner(IN, OUT, order=3), lambda lam: [sum(powers_of_mu(3)(lam)) / 4]),
    "horner-2, after training": FilterCase(lambda: trained(Horner(IN, OUT, order=2)), None),
    "clenshaw-4": FilterCase(lambda: Clenshaw(IN, OUT, order=4), lambda lam: [sum(second_kind(4)(lam)) / 5]),
    "clenshaw-3, after training": FilterCase(lambda: trained(Clenshaw(IN, OUT, order=3)), None),
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
