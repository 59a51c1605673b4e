"""Shift operators: graphs as small values that know what they do to a signal.

=====================================  ====================================  =================
shift                                  is                                    cost of ``S @ z``
=====================================  ====================================  =================
``DenseShift(matrix)``                 any tensor ``(B, N, N)``              ``N² C``
``LowRankShift(left, right, core)``    ``left · core · rightᵀ``              ``2 N R C``
``SparseShift.from_edge_index(…)``      a sparse graph, or a batch of them     ``|E| C``
``DiagonalShift(eigenvalues)``         ``diag(μ)``                           ``N C``
=====================================  ====================================  =================
"""

from filters.shift import DenseShift, DiagonalShift, ShiftOperator, as_shift
from gsp_nonlocal.shifts.form import Form, choose_form
from gsp_nonlocal.shifts.low_rank import LowRankShift
from gsp_nonlocal.shifts.sparse import SparseShift

__all__ = [
    "DenseShift",
    "DiagonalShift",
    "Form",
    "LowRankShift",
    "ShiftOperator",
    "SparseShift",
    "as_shift",
    "choose_form",
]
