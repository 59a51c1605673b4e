"""Filters as their equations read: ``Σ_k g_k(S) z W_k`` by matrices in float64, from the papers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.polynomial import Chebyshev, Legendre, Polynomial
from scipy.special import jacobi
from torch import Tensor

from filters import Filter, Identity, SpectralFunction
from filters.base import Cascade, Scaled, Sum
from tests.cases.filters import FAMILIES

Powers = list[Polynomial]
Filtered = tuple[Tensor, Tensor]
"""``y (B, N, C)``, and the size of what is summed up to it, ``(B,)``: rounding is a share of that."""


def apply(f: Any, s: Tensor, z: Tensor) -> Filtered:
    """``H(S) z`` for ``s (B, N, N)`` and ``z (B, N, C)``, and its size."""
    if isinstance(f, Identity):
        return z, size(z)
    if isinstance(f, Scaled):
        y, magnitude = apply(f.inner, s, z)
        # what a small factor makes small must be a number of the data type before
        return f.factor * y, (abs(f.factor) * magnitude).where(magnitude < 1e34, torch.inf)
    if isinstance(f, Sum):
        (one, first), (other, second) = apply(f.first, s, z), apply(f.second, s, z)
        return one + other, first + second
    if isinstance(f, Cascade):
        inner, first = apply(f.inner, s, z)
        y, second = apply(f.outer, s, inner)
        return y, second * (first / size(inner).clamp_min(1e-300)).clamp(1, 1e6)
    if isinstance(f, SpectralFunction):
        return _fixed(f, s, z)
    return _mixed(f, s, z)


def size(z: Tensor) -> Tensor:
    """``‖z‖`` of every sample, without overflow."""
    greatest = z.abs().amax(dim=(1, 2), keepdim=True).clamp_min(1e-300)
    return greatest.flatten() * (z / greatest).square().sum(dim=(1, 2)).sqrt()


def eigvals(s: Tensor) -> Tensor:
    """By NumPy, whose LAPACK is not PyTorch's: that one does not converge for some sharp softmax graphs."""
    return torch.from_numpy(np.linalg.eigvals(s.detach().numpy())).to(torch.complex128)


def _mixed(f: Filter, s: Tensor, z: Tensor) -> Filtered:
    """``Σ_k g_k(S) z W_k`` and ``Σ_k (‖g_k(S) z‖ + ‖z‖) ‖W_k‖``."""
    name, weight = type(f).__name__, f.weight.detach()
    if getattr(f, "nonnegative", False):
        weight = weight.clamp_min(0)
    if name in SCHEMES:
        terms, sizes = ([one] for one in SCHEMES[name](f, s, z))
    elif name in POLYNOMIALS:
        terms, sizes = _polynomials(basis_of(f), s, z)
    else:
        terms = RATIONALS[name](f, s, z) if name in RATIONALS else _spectral(f, s, z)
        gains = _gains_of(POLYNOMIALS["Chebyshev"](f), s) if name == "Rational" else [1.0] * len(terms)
        sizes = [size(term) + gain * size(z) for term, gain in zip(terms, gains, strict=True)]
    y = sum((term @ w for term, w in zip(terms, weight, strict=True)), start=0 * (terms[0] @ weight[0]))
    magnitude = sum(
        ((one + size(z)) * w.norm() for one, w in zip(sizes, weight, strict=True)), start=0 * size(z)
    )
    return y, magnitude


def _polynomials(basis: Powers, s: Tensor, z: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """``P_k(S) z`` by powers of ``S``, and their sizes; those of the powers stand in :func:`cancellation`."""
    powers = [z.expand(max(len(s), len(z)), -1, -1)]
    for _ in range(max(p.degree() for p in basis)):
        powers.append(s @ powers[-1])
    terms = [
        sum((c * v for c, v in zip(p.coef.tolist(), powers, strict=False)), start=0 * powers[0])
        for p in basis
    ]
    gains = _gains_of(basis, s)
    return terms, [size(term) + gain * size(z) for term, gain in zip(terms, gains, strict=True)]


def _gains_of(basis: Powers, s: Tensor) -> list[Tensor]:
    """``max |P_k|`` on the unit interval; beyond it a bound by ``‖S‖``: what rounding of ``z`` becomes."""
    absolute = s.abs()
    norm = (absolute.sum(-1).amax(-1) * absolute.sum(-2).amax(-1)).sqrt()
    grid, found = np.linspace(-1, 1, 33), []
    for p in basis:
        inside = float(np.abs(p(grid)).max())
        outside = sum(abs(c) * norm**j for j, c in enumerate(p.coef.tolist()))
        found.append(torch.where(norm > 1 + 1e-4, outside, inside * torch.ones_like(norm)))
    return found


def _norm(s: Tensor) -> Tensor:
    """A bound of ``‖S‖``, at least 1, ``(B,)``."""
    absolute = s.abs()
    return (absolute.sum(-1).amax(-1) * absolute.sum(-2).amax(-1)).sqrt().clamp_min(1)


def _factored(f: Any, s: Tensor, z: Tensor) -> Filtered:
    y, found = z.expand(max(len(s), len(z)), -1, -1), size(z)
    for slopes in f.slopes.detach():
        y, found = y - (y - s @ y) * slopes, found * (1 + slopes.abs().max() * (1 + _norm(s)))
    return y, found


def _interleaved(f: Any, s: Tensor, z: Tensor) -> Filtered:
    """Horner's scheme, and Clenshaw's: twice the product, less the step before."""
    times, less = (2, 1) if type(f).__name__ == "Clenshaw" else (1, 0)
    first, *residual = f.residual.detach()
    z = z.expand(max(len(s), len(z)), -1, -1)
    y, before = first * z, torch.zeros_like(z)
    found, last = first.abs() * size(z), torch.zeros_like(size(z))
    for k, (beta, inner) in enumerate(zip(residual, f.inner.detach(), strict=True), start=1):
        share = min(1.0, math.log(1 + f.strength / k))
        step = (1 - share) * torch.eye(len(inner), dtype=inner.dtype) + share * inner
        y, before = (times * (s @ y) - less * before + beta * z) @ step, y
        grown = times * _norm(s) * found + less * last + beta.abs() * size(z)
        found, last = grown * step.norm(), found
    return y, found


SCHEMES: dict[str, Callable[[Any, Tensor, Tensor], Filtered]] = {
    "Factored": _factored,
    "Horner": _interleaved,
    "Clenshaw": _interleaved,
}
"""What stands before the one ``W``, and the size of what is summed up."""


def cancellation(f: Any, s: Tensor, z: Tensor) -> Tensor:
    """``Σ_j |c_j| ‖S^j z‖``: what the powers above cancel, for the rounding of the textbook itself."""
    if isinstance(f, Sum):
        return cancellation(f.first, s, z) + cancellation(f.second, s, z)
    if isinstance(f, Cascade):
        return cancellation(f.outer, s, apply(f.inner, s, z)[0]) + cancellation(f.inner, s, z)
    if isinstance(f, Scaled):
        return abs(f.factor) * cancellation(f.inner, s, z)
    if type(f).__name__ not in POLYNOMIALS:
        return size(z)
    total, power = size(z), z
    basis = basis_of(f)
    for j in range(1, max(p.degree() for p in basis) + 1):
        power = s @ power
        total = total + size(power) * max(abs(p.coef[j]) if j < len(p.coef) else 0.0 for p in basis)
    return total * f.weight.detach().norm()


def _bernstein(f: Any) -> Powers:
    low, high = Polynomial([0.5, 0.5]), Polynomial([0.5, -0.5])  # (2 − λ)/2 and λ/2 over μ
    return [math.comb(f.order, k) * low ** (f.order - k) * high**k for k in range(f.order + 1)]


def _lagrange(f: Any) -> Powers:
    nodes = [math.cos((j + 0.5) * math.pi / (f.order + 1)) for j in range(f.order + 1)]
    found = []
    for j, own in enumerate(nodes):
        others = [Polynomial([-x, 1.0]) / (own - x) for i, x in enumerate(nodes) if i != j]
        found.append(math.prod(others, start=Polynomial([1.0])))
    return found


def _favard(f: Any) -> Powers:
    scales, centres = (one.detach().tolist() for one in (f.scales, f.centres))
    found, last = [Polynomial([1.0])], Polynomial([0.0])
    for k, (a, b) in enumerate(zip(scales, centres, strict=True)):
        before = scales[k - 1] if k else 0.0
        following = (Polynomial([-b, 1.0]) * found[-1] - before * last) / a
        last = found[-1]
        found.append(following)
    return found


def _basis(kind: Any) -> Callable[[Any], Powers]:
    return lambda f: [kind.basis(k).convert(kind=Polynomial) for k in range(f.order + 1)]


POLYNOMIALS: dict[str, Callable[[Any], Powers]] = {
    "Chebyshev": _basis(Chebyshev),
    "Legendre": _basis(Legendre),
    "Monomial": _basis(Polynomial),
    "Favard": _favard,
    "Jacobi": lambda f: [Polynomial(np.asarray(jacobi(k, f.a, f.b).coef)[::-1]) for k in range(f.order + 1)],
    "Bernstein": _bernstein,
    "ChebyshevInterpolation": _lagrange,
    "Aggregation": lambda f: [Polynomial([0.0, 1.0]) ** f.order],
    "Diffusion": lambda f: [Polynomial([-1.0, 1.0]) ** f.order],
}
"""Polynomials in ``μ`` by the name of the family."""


_known: dict[tuple[object, ...], Powers] = {}


def basis_of(f: Any) -> Powers:
    """The polynomials of a family with these numbers, kept."""
    if type(f).__name__ == "Favard":
        return _favard(f)
    key = (type(f).__name__, f.order, getattr(f, "a", None), getattr(f, "b", None))
    if key not in _known:
        _known[key] = POLYNOMIALS[type(f).__name__](f)
    return _known[key]


def inverse(matrices: Tensor) -> Tensor:
    """One at a time: batches are not to be trusted with several threads. Infinite where there is none."""
    found = [torch.linalg.inv_ex(one) for one in matrices]
    return torch.stack([one.masked_fill(info != 0, torch.inf) for one, info in found])


def _cayley(f: Any, s: Tensor, z: Tensor) -> list[Tensor]:
    eye = torch.eye(s.shape[-1], dtype=torch.complex128)
    terms = [z.expand(max(len(s), len(z)), -1, -1)]
    for h in f.log_zoom.detach().exp():
        laplacian = h * (eye - s)
        transform = (laplacian - 1j * eye) @ inverse(laplacian + 1j * eye)
        y = z.to(torch.complex128)
        for _ in range(f.order):
            y = transform @ y
            terms += [y.real, y.imag]
    return terms


def _arma(f: Any, s: Tensor, z: Tensor) -> list[Tensor]:
    eye, terms = torch.eye(s.shape[-1], dtype=s.dtype), []
    for psi in 0.99 * torch.tanh(f.raw_psi.detach()):
        if f.iterations is None:
            terms.append(inverse(eye - psi * s) @ z)
            continue
        total = power = z
        for _ in range(f.iterations):
            power = psi * (s @ power)
            total = total + power
        terms.append(total)
    return terms


def _rational(f: Any, s: Tensor, z: Tensor) -> list[Tensor]:
    eye = torch.eye(s.shape[-1], dtype=s.dtype)
    widths = 0.05 + torch.nn.functional.softplus(f.raw_width.detach())
    for u, v in zip(f.centre.detach(), widths, strict=True):
        off = (1 - u) * eye - s
        z = inverse(off @ off / v**2 + eye) @ z
    return _polynomials(POLYNOMIALS["Chebyshev"](f), s, z)[0]


RATIONALS: dict[str, Callable[[Any, Tensor, Tensor], list[Tensor]]] = {
    "Cayley": _cayley,
    "ARMA": _arma,
    "Rational": _rational,
}


def _spectral(f: Filter, s: Tensor, z: Tensor) -> list[Tensor]:
    """A family that has no formula here: by its row of the case table, in a symmetric shift's eigenbasis."""
    row = [terms for kind, terms in FAMILIES.values() if kind is type(f)]
    mu, basis = torch.linalg.eigh(0.5 * (s + s.mT))
    if not row:
        raise NotImplementedError(
            f"{type(f).__name__} has neither a formula nor a row in tests/cases/filters.py"
        )
    gains = row[0](f.order)(1 - mu)
    return [basis @ (gain.unsqueeze(-1) * (basis.mT @ z)) for gain in gains]


GAINS: dict[str, Callable[[float, Tensor], Tensor]] = {
    "Heat": lambda tau, lam: torch.exp(-tau * lam),
    "Tikhonov": lambda alpha, lam: 1 / (1 + alpha * lam),
    "IdealLowPass": lambda cutoff, lam: (lam <= cutoff).to(lam),
    "MexicanHat": lambda scale, lam: math.e * scale * lam * torch.exp(-scale * lam),
}


def gains(f: Any, lam: Tensor) -> Tensor:
    """``g(λ)`` of a fixed response."""
    name = type(f).__name__
    return GAINS[name](f.value, lam) if name in GAINS else f.gain(lam)


def _fixed(f: Any, s: Tensor, z: Tensor) -> Filtered:
    mu, basis = torch.linalg.eigh(0.5 * (s + s.mT))
    found = gains(f, 1 - mu)
    y = basis @ (found.unsqueeze(-1) * (basis.mT @ z))
    return y, (found.abs().amax(-1) + float(gains(f, torch.ones(1, dtype=mu.dtype)).abs())) * size(z)
