r"""Graph filters: what to do to the spectrum of a graph signal.

====================================  ================================  ===================================
filter                                terms                             response over ``λ``, ``μ = 1 − λ``
====================================  ================================  ===================================
``Chebyshev(in, out, order)``         ``T_k(S) z``                      ``Σ T_k(μ) W_k``
``ChebyshevInterpolation``            ``T_k(S) z``                      through ``W_j`` at ``μ = x_j``
``Monomial``                          ``S^k z``                         ``Σ μ^k W_k``
``Bernstein``                         ``T_k(S) z``                      ``Σ b_k(λ) W_k``
``Jacobi``, ``Legendre``              ``P_k(S) z``                      ``Σ P_k(μ) W_k``
``Favard(in, out, order)``            ``P_k(S) z``, learned recurrence  ``Σ P_k(μ) W_k``
``Factored(in, out, order)``          ``Π (I − L Φ_k) z``               ``Π (1 − λ Φ_k) W``
``Horner``, ``Clenshaw``              weights between the products      ``Σ β_k μ^k W``, ``Σ β_k U_k(μ) W``
``Cayley(in, out, order, zoom)``      ``z, Re C^j z, Im C^j z``         of ``C = (hλ − i)/(hλ + i)``
``ARMA(in, out, order)``              ``(I − ψ_k S)⁻¹ z``               ``Σ W_k / (1 − ψ_k μ)``
``Rational(in, out, order, poles)``   ``Q(L)⁻¹ T_k(S) z``               ``Σ T_k(μ) W_k / Q(λ)``
``Aggregation(in, out, order)``       ``S^K z``                         ``μ^K W``
``Diffusion(in, out, order)``         ``(S − I)^K z``                   ``(−λ)^K W``
``SpectralFunction(g)``               fixed                             ``g(λ)``
``Heat``, ``Tikhonov``,               fixed                             ``exp(−τλ)``, ``1/(1 + αλ)``,
``IdealLowPass``, ``MexicanHat``                                        ``1{λ ≤ c}``, ``e s λ exp(−sλ)``
``Rectangular``,                      fixed                             ``1{a ≤ λ ≤ b}``, a smooth band,
``ExponentialWindow``, ``Wave``                                         ``cos(t arccos(1 − s²λ/4))``
``Identity()``                        ``z``                             ``1``
``f + g``, ``f @ g``, ``a * f``       parallel, cascade, scaling        sum, product, multiple
====================================  ================================  ===================================

Banks of fixed responses from which a signal comes back are :class:`WaveletFrame`; :mod:`filters.frames` has
those of the literature by name, :mod:`filters.banks` filters of graph networks, and :mod:`filters.starts`
weights at which a polynomial begins. Filters are called ``f(z, shift)`` with ``z (B, N, in)`` and any
:class:`ShiftOperator` or plain tensor ``(B, N, N)``. A new filter is a subclass of :class:`Filter` that
writes ``terms`` (or ``evaluate``), a line here, and a row of the table in ``tests/cases/filters.py``. A
package outside offers its filters by name through entry points of the group ``gsp_nonlocal.filters``. This
package imports torch and nothing else.
"""

from filters.arma import ARMA
from filters.base import Filter
from filters.bernstein import Bernstein
from filters.cayley import Cayley
from filters.chebyshev import Chebyshev, ChebyshevInterpolation
from filters.composition import GraphFilter, Identity
from filters.elementary import Aggregation, Diffusion
from filters.factored import Factored
from filters.favard import Favard
from filters.interleaved import Clenshaw, Horner
from filters.jacobi import Jacobi, Legendre
from filters.kernels import (
    ExponentialWindow,
    Heat,
    IdealLowPass,
    MexicanHat,
    Rectangular,
    Tikhonov,
    Wave,
)
from filters.monomial import Monomial
from filters.operators.plain import DenseShift, DiagonalShift, as_shift
from filters.operators.shift import ShiftOperator
from filters.operators.signal import Signal, mix
from filters.operators.solve import ConvergenceError
from filters.rational import Rational
from filters.registry import Registry
from filters.spectral_function import SpectralFunction
from filters.wavelets import WaveletFrame, itersine

registry: Registry[type[Filter]] = Registry("filter", entry_points="gsp_nonlocal.filters")
registry.register("aggregation", Aggregation)
registry.register("arma", ARMA)
registry.register("bernstein", Bernstein)
registry.register("cayley", Cayley)
registry.register("chebyshev", Chebyshev)
registry.register("chebyshev_interpolation", ChebyshevInterpolation)
registry.register("clenshaw", Clenshaw)
registry.register("diffusion", Diffusion)
registry.register("factored", Factored)
registry.register("favard", Favard)
registry.register("horner", Horner)
registry.register("jacobi", Jacobi)
registry.register("legendre", Legendre)
registry.register("monomial", Monomial)
registry.register("rational", Rational)

__all__ = [
    "ARMA",
    "Aggregation",
    "Bernstein",
    "Cayley",
    "Chebyshev",
    "ChebyshevInterpolation",
    "Clenshaw",
    "ConvergenceError",
    "DenseShift",
    "DiagonalShift",
    "Diffusion",
    "ExponentialWindow",
    "Factored",
    "Favard",
    "Filter",
    "GraphFilter",
    "Heat",
    "Horner",
    "IdealLowPass",
    "Identity",
    "Jacobi",
    "Legendre",
    "MexicanHat",
    "Monomial",
    "Rational",
    "Rectangular",
    "Registry",
    "ShiftOperator",
    "Signal",
    "SpectralFunction",
    "Tikhonov",
    "Wave",
    "WaveletFrame",
    "as_shift",
    "itersine",
    "mix",
    "registry",
]
