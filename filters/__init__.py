r"""Graph filters: what to do to the spectrum of a graph signal.

============================  =====================================  ========================
filter                        terms                                  response over ``λ``
============================  =====================================  ========================
``Chebyshev(in, out, order)``  ``T_k(S) z``, ``k = 0 … order``        ``Σ T_k(1 − λ) W_k``
``Aggregation(in, out)``       ``S z``                                ``(1 − λ) W``
``Diffusion(in, out)``         ``(S − I) z``                          ``−λ W``
``Identity(channels)``         ``z``                                  ``I``
``f + g``, ``f @ g``, ``a * f``  parallel, cascade, scaling           sum, product, multiple
============================  =====================================  ========================

Filters are called ``f(z, shift)`` with ``z (B, N, in)`` and any :class:`ShiftOperator` or plain tensor
``(B, N, N)``. A new filter is a subclass of :class:`Filter` that writes ``terms``, a line here, and a row
in the case table of ``tests/filters/cases.py``. This package imports torch and nothing else.
"""

from filters.base import Filter, GraphFilter, Identity
from filters.chebyshev import Chebyshev
from filters.elementary import Aggregation, Diffusion
from filters.registry import Registry
from filters.shift import DenseShift, DiagonalShift, ShiftOperator, as_shift

registry: Registry[type[Filter]] = Registry("filter")
registry.register("chebyshev", Chebyshev)
registry.register("aggregation", Aggregation)
registry.register("diffusion", Diffusion)

__all__ = [
    "Aggregation",
    "Chebyshev",
    "DenseShift",
    "DiagonalShift",
    "Diffusion",
    "Filter",
    "GraphFilter",
    "Identity",
    "Registry",
    "ShiftOperator",
    "as_shift",
    "registry",
]
