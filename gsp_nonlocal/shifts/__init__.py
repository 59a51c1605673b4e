"""Shift operators: graphs as small values that know what they do to a signal.

=====================================  =====================================  =================
shift                                  is                                     cost of ``S @ z``
=====================================  =====================================  =================
``DenseShift(matrix)``                 any tensor ``(B, N, N)``               ``N² C``
``LowRankShift(left, right, core)``    ``left · core · rightᵀ``               ``2 N R C``
``AttentionShift(q, k, scale)``        ``softmax(scale q kᵀ)``, never formed  ``N² (R + C)``
``MaskedAttentionShift(exponents)``    the same under a mask, or causal       ``N² (R + C)``
``ExponentialShift(q, k, a, b)``       ``exp(q kᵀ − a − bᵀ)``, never formed   ``N² (R + C)``
``HingeShift(u, v)``                   ``relu(u_i + v_j)``                    ``N (C + log N)``
``CrissCrossShift(V, H)``              rows and columns of a grid             ``N (H + W) C``
``PooledShift(…, pool)``               edges from ``M`` pooled positions      ``N M (R + C)``
``SparseShift.from_edge_index(…)``     a sparse graph, or a batch of them     ``|E| C``
``DiagonalShift(eigenvalues)``         ``diag(μ)``                            ``N C``
``SumShift(terms)``, ``S + S'``        ``S_1 + S_2 + …``                      the sum
``ScaledShift(S, l, r)``               ``diag(l) S diag(r)``                  that of ``S``
=====================================  =====================================  =================
"""

from filters.operators.plain import DenseShift, DiagonalShift, as_shift
from filters.operators.shift import ShiftOperator
from gsp_nonlocal.shifts.attention import AttentionShift
from gsp_nonlocal.shifts.criss_cross import CrissCrossShift
from gsp_nonlocal.shifts.exponential_shift import ExponentialShift
from gsp_nonlocal.shifts.form import Form, choose_form
from gsp_nonlocal.shifts.hinge import HingeShift
from gsp_nonlocal.shifts.implicit import SumShift
from gsp_nonlocal.shifts.low_rank import LowRankShift
from gsp_nonlocal.shifts.masked_attention import MaskedAttentionShift
from gsp_nonlocal.shifts.pooled import Pool, PooledShift
from gsp_nonlocal.shifts.scaled import ScaledShift
from gsp_nonlocal.shifts.sparse import SparseShift
from gsp_nonlocal.shifts.structure import scaled, symmetric_part

__all__ = [
    "AttentionShift",
    "CrissCrossShift",
    "DenseShift",
    "DiagonalShift",
    "ExponentialShift",
    "Form",
    "HingeShift",
    "LowRankShift",
    "MaskedAttentionShift",
    "Pool",
    "PooledShift",
    "ScaledShift",
    "ShiftOperator",
    "SparseShift",
    "SumShift",
    "as_shift",
    "choose_form",
    "scaled",
    "symmetric_part",
]
