"""Weights at which a polynomial filter begins: the schemes of the literature by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import torch

from filters.base import Filter
from filters.checks import require_number, require_order

F = TypeVar("F", bound=Filter)


def _ones(order: int, p: float) -> list[float]:
    return [p] * (order + 1)


def _impulse(order: int, p: float) -> list[float]:
    return [0.0] * order + [p]


def _inverse(order: int, p: float) -> list[float]:
    return [p / (k + 1) for k in range(order + 1)]


def _mono(order: int, p: float) -> list[float]:
    return [p] + [(1 - p) / order] * order if order else [p]


def _appr(order: int, p: float) -> list[float]:
    return [p * (1 - p) ** k for k in range(order + 1)]


def _nappr(order: int, p: float) -> list[float]:
    powers = [p**k for k in range(order + 1)]
    total = sum(abs(power) for power in powers)
    return [power / total for power in powers]


def _hk(order: int, p: float) -> list[float]:
    return [math.exp(-p) * theta for theta in _gaussian(order, p)]


def _gaussian(order: int, p: float) -> list[float]:
    return [math.exp(k * math.log(p) - math.lgamma(k + 1)) for k in range(order + 1)]


def _log(order: int, p: float) -> list[float]:
    return [min(1.0, math.log1p(p / (k + 1))) for k in range(order + 1)]


_BOUNDS = {"unit": (0.0, 1.0), "signed": (-1.0, 1.0), "positive": (1e-30, 700.0), "any": (-1e30, 1e30)}
_SCHEMES: dict[str, tuple[Callable[[int, float], list[float]], float, str]] = {
    "appr": (_appr, 0.5, "unit"),
    "gaussian": (_gaussian, 1.0, "positive"),
    "hk": (_hk, 1.0, "positive"),
    "impulse": (_impulse, 1.0, "any"),
    "inverse": (_inverse, 1.0, "any"),
    "log": (_log, 1.0, "positive"),
    "mono": (_mono, 0.5, "unit"),
    "nappr": (_nappr, 0.5, "signed"),
    "ones": (_ones, 1.0, "any"),
}


def coefficients(scheme: str, order: int, p: float | None = None) -> list[float]:
    r"""``θ_0, …, θ_K`` of a scheme with the number ``p``.

    ============  ==========================================  =======================  =========
    scheme        ``θ_k``                                     ``p``                    default
    ============  ==========================================  =======================  =========
    ``appr``      ``p (1 − p)^k``                             ``[0, 1]``               0.5
    ``nappr``     ``p^k / Σ_j |p|^j``                         ``[−1, 1]``              0.5
    ``hk``        ``e^{−p} p^k / k!``                         ``(0, 700]``             1
    ``gaussian``  ``p^k / k!``                                ``(0, 700]``             1
    ``mono``      ``θ_0 = p``, else ``(1 − p) / K``           ``[0, 1]``               0.5
    ``log``       ``min(1, log(1 + p / (k + 1)))``            ``(0, 700]``             1
    ``inverse``   ``p / (k + 1)``                             any                      1
    ``impulse``   ``θ_K = p``, else 0                         any                      1
    ``ones``      ``p``                                       any                      1
    ============  ==========================================  =======================  =========

    Args:
        scheme: its name.
        order: ``K ≥ 0``.
        p: its number.

    Raises:
        ValueError: if there is no such scheme, or ``p`` is not among its numbers.

    References:
        Liao et al. (2024), *Benchmarking Spectral Graph Neural Networks* (pyg_spectral); Gasteiger et al.
        (2019), *Diffusion Improves Graph Learning*, for PageRank (``appr``) and heat (``hk``).

    Example:
        >>> coefficients("appr", 3, 0.5)
        [0.5, 0.25, 0.125, 0.0625]
    """
    if scheme not in _SCHEMES:
        raise ValueError(f"unknown scheme {scheme!r}; choose one of: {', '.join(_SCHEMES)}")
    function, usual, kind = _SCHEMES[scheme]
    p, (low, high) = usual if p is None else require_number("p", p), _BOUNDS[kind]
    if not low <= p <= high:
        raise ValueError(f"p of the scheme {scheme!r} must be in [{low:g}, {high:g}], got {p:g}")
    return function(require_order(order), p)


@torch.no_grad()
def start(f: F, scheme: str, p: float | None = None) -> F:
    r"""Put ``W_k = θ_k W`` in a polynomial filter of any basis, with one random ``W``; returns the filter.

    With ``Monomial`` the response begins as ``Σ_k θ_k μ^k W``: personalised PageRank, heat and others.

    Args:
        f: a filter of ``K + 1`` weights.
        scheme, p: see :func:`coefficients`.

    Raises:
        ValueError: if there is no such scheme, ``p`` is not among its numbers, or the filter has another
            number of weights than ``order + 1``.

    References:
        Chien, Peng, Li, Milenkovic (2021); the others as in :func:`coefficients`.

    Example:
        >>> from filters import Monomial
        >>> f = start(Monomial(1, 1, order=30), "hk", 2.0)  # e^{−2λ} W
        >>> gain = f.response(torch.tensor([0.0, 1.0])).detach().flatten()
        >>> round(float((gain[1] / gain[0]).log()), 4)
        -2.0
    """
    theta = coefficients(scheme, f.order, p)
    if f.num_terms != len(theta):
        raise ValueError(
            f"{type(f).__name__} of order {f.order} has {f.num_terms} weights, and a scheme has one for each "
            f"of {len(theta)} polynomials; use it with Monomial, Chebyshev, Jacobi or another such basis"
        )
    bound = f.in_channels**-0.5
    first = torch.empty_like(f.weight[:1]).uniform_(-bound, bound)
    f.weight.copy_(torch.tensor(theta, dtype=torch.float64).to(first).view(-1, 1, 1) * first)
    return f
