"""The one place that knows kinds of shifts: one function a question, answered by each kind in its own way.

============================  =========================================================================
question                      answer
============================  =========================================================================
``stored_matrix(shift)``      the matrix, where ``S`` is kept as one
``stored_edges(shift)``       the edges, where ``S`` is kept as a list of them
``factored(shift)``           the factors, where ``S`` is known by them
``has_closed_spectrum``       whether all eigenvalues are found without the matrix
``is_triangular(shift)``      whether they are the diagonal, as of causal attention
``windows(shift)``            the shift, where it is the graphs of windows side by side
``rows(shift, nodes)``        rows of ``S``, without ``S``
``entries(shift, sources)``   some entries of every row
``recognise_symmetry``        a matrix as symmetric where it equals its transpose
``symmetric_part(shift)``     ``½ (S + Sᵀ)``
``scaled(shift, l, r)``       ``diag(l) S diag(r)``
``at_unit_scale(shift)``      ``S`` times a power of two, close to 1
============================  =========================================================================

A shift of another package is served by the general answers; for rows and entries it may register its own,
``@rows.register``. What blocks ask has no such register: ``torch.compile`` does not trace one.
"""

from __future__ import annotations

from functools import singledispatch

import torch
from jaxtyping import Float, Int
from torch import Tensor

from filters.operators.linear import symmetrised
from filters.operators.plain import DenseShift, as_shift, recognised
from filters.operators.promises import Promises, promised
from filters.operators.ranks import require_whole
from filters.operators.shift import ShiftOperator
from gsp_nonlocal.shifts.attention import AttentionShift
from gsp_nonlocal.shifts.degrees import to_unit_scale
from gsp_nonlocal.shifts.hinge import HingeShift
from gsp_nonlocal.shifts.implicit import SumShift
from gsp_nonlocal.shifts.low_rank import LowRankShift
from gsp_nonlocal.shifts.masked_attention import MaskedAttentionShift
from gsp_nonlocal.shifts.scaled import ScaledShift, require_diagonals
from gsp_nonlocal.shifts.sparse import SparseShift
from gsp_nonlocal.shifts.windows import WindowShift


def stored_matrix(shift: ShiftOperator) -> Tensor | None:
    """``S (B, N, N)`` where the shift is kept as its matrix."""
    return shift.matrix if isinstance(shift, DenseShift) else None


def stored_edges(shift: ShiftOperator) -> tuple[Tensor, Tensor] | None:
    """Sources and targets ``(2, E)`` and weights ``(E,)`` where the shift is kept as its edges."""
    return (shift.edge_index, shift.values) if isinstance(shift, SparseShift) else None


def factored(shift: ShiftOperator) -> LowRankShift | None:
    """``S = left core rightᵀ`` where it is known by factors: of any size, what is asked of it is small."""
    return shift if isinstance(shift, LowRankShift) else None


def has_closed_spectrum(shift: ShiftOperator) -> bool:
    """Whether all eigenvalues are found without the matrix: by factors, or as they stand on the diagonal."""
    return (
        shift.diagonal is not None
        or factored(shift) is not None
        or is_triangular(shift)
        or windows(shift) is not None
    )


def windows(shift: ShiftOperator) -> WindowShift | None:
    """The shift, where its graphs are windows side by side: their eigenvalues are its own."""
    return shift if isinstance(shift, WindowShift) else None


def is_triangular(shift: ShiftOperator) -> bool:
    """Whether no edge comes from a later node: eigenvalues are the weights of the nodes in themselves."""
    return isinstance(shift, MaskedAttentionShift) and shift.exponents.is_causal


def triangular_eigenvalues(shift: ShiftOperator) -> Tensor:
    """``μ_i = S_ii (B, N)`` of a shift that :func:`is_triangular`, in float64, without the matrix."""
    assert isinstance(shift, MaskedAttentionShift)
    return shift.mapped(Tensor.double).exponents.diagonal()


@singledispatch
def rows(shift: ShiftOperator, nodes: Int[Tensor, " M"]) -> Float[Tensor, "B M N"]:
    """``e_iᵀ S`` for all ``i`` of ``nodes``; by default by one product with ``M`` unit vectors.

    Of a low-rank graph that is divided over processes each asks for nodes of its own, and gets the rows of
    all of them, in the order of the processes, at the columns that it has.

    Example:
        >>> rows(DenseShift(torch.eye(3)), torch.tensor([2]))
        tensor([[[0., 0., 1.]]])
    """
    require_whole(shift.ranks, "rows of such a graph")
    units = torch.zeros(shift.shape[0], shift.shape[-1], len(nodes), dtype=shift.dtype, device=shift.device)
    units[:, nodes, torch.arange(len(nodes), device=nodes.device)] = 1
    return (shift.T @ units).mT


@rows.register
def _(shift: DenseShift, nodes: Tensor) -> Tensor:
    return shift.matrix[:, nodes]


@rows.register
def _(shift: LowRankShift, nodes: Tensor) -> Tensor:
    left = torch.cat(shift.ranks.gathered(shift.left[:, nodes]), dim=1)
    return shift.times_core(left) @ shift.right.mT


@rows.register
def _(shift: AttentionShift, nodes: Tensor) -> Tensor:
    require_whole(shift.ranks, "rows of a softmax graph")
    return torch.softmax(shift.scale * shift.query[:, nodes] @ shift.key.mT, dim=-1)


@rows.register
def _(shift: MaskedAttentionShift, nodes: Tensor) -> Tensor:
    return shift.exponents.rows(nodes).to(shift.dtype)


@singledispatch
def entries(shift: ShiftOperator, sources: Int[Tensor, "B N K"]) -> Float[Tensor, "B N K"]:
    """``S_ij`` for the ``K`` sources ``j`` of every node ``i``, differentiable."""
    return shift.to_dense().gather(-1, sources)


@entries.register
def _(shift: LowRankShift, sources: Tensor) -> Tensor:
    require_whole(shift.ranks, "what picks single edges")
    left = shift.times_core(shift.left)
    batch, nodes, width = sources.shape
    index = sources.reshape(batch, nodes * width, 1).expand(-1, -1, shift.rank)
    right = shift.right.gather(1, index).view(batch, nodes, width, shift.rank)
    return (right @ left.unsqueeze(-1)).squeeze(-1)


def recognise_symmetry(shift: ShiftOperator) -> ShiftOperator:
    """A matrix that promises nothing as symmetric where it equals its transpose up to rounding."""
    matrix = stored_matrix(shift)
    return shift if shift.is_symmetric or matrix is None else recognised(matrix)


def symmetric_part(shift: ShiftOperator | Tensor) -> ShiftOperator:
    r"""``½ (S + Sᵀ)``: the undirected graph of a directed one; ``S`` itself where it is symmetric.

    It has the Dirichlet energies of ``S``, ``zᵀ S z = zᵀ ½(S + Sᵀ) z``, and real frequencies. Of factors of
    rank ``R`` it has factors of rank ``2 R``.

    Args:
        shift: any shift, or a plain tensor ``(B, N, N)`` or ``(N, N)``.

    Returns:
        A shift that is symmetric by construction. ``|μ|`` is not bounded by a bound of ``S``.

    Raises:
        TypeError: if ``shift`` is neither.

    References:
        Horn, Johnson (2013), *Matrix Analysis*, 4.1, on the Hermitian part.

    Example:
        >>> symmetric_part(DenseShift(torch.tensor([[0.0, 1.0], [0.0, 0.0]]))).to_dense()
        tensor([[[0.0000, 0.5000],
                 [0.5000, 0.0000]]])
    """
    shift = as_shift(shift)
    if shift.is_symmetric:
        return shift
    if isinstance(shift, DenseShift):
        return DenseShift(symmetrised(shift.matrix), is_symmetric=True)
    if isinstance(shift, LowRankShift):
        halved = LowRankShift(0.5 * shift.left, shift.right, shift.core, ranks=shift.ranks)
        return (halved + halved.T).promising(Promises(symmetric=True))
    both = SumShift([shift, shift.T], is_symmetric=True)
    ones = torch.ones(1, shift.shape[-1], 1, dtype=shift.dtype, device=shift.device)
    return ScaledShift(both, 0.5 * ones, ones, is_symmetric=True)


def scaled(
    shift: ShiftOperator,
    left: Tensor,
    right: Tensor,
    *,
    is_symmetric: bool = False,
    is_row_stochastic: bool = False,
    spectral_bound: float | None = None,
) -> ShiftOperator:
    """``diag(l) S diag(r)`` for ``l, r (B, N, 1)``; the diagonals go into a matrix, factors or edges that
    are there.

    Args:
        shift: ``S``, any shift.
        left: ``l (B, N, 1)``.
        right: ``r (B, N, 1)``.
        is_symmetric: promise that the product is symmetric.
        is_row_stochastic: promise that its entries are ``≥ 0`` and its rows sum to 1, or to 0.
        spectral_bound: a bound of ``|μ|``, if one is known.

    Returns:
        A dense or low-rank shift where ``shift`` is one, a sparse one of diagonals that all samples share and
        that need no gradient; else a :class:`ScaledShift`.

    Raises:
        TypeError: if the types differ, ``shift`` is no shift, or a promise is neither ``True`` nor ``False``.
        ValueError: if shapes, devices or batches do not fit; if ``spectral_bound`` is negative or not finite.

    Example:
        >>> from gsp_nonlocal.shifts import DenseShift, LowRankShift, scaled
        >>> halves, ones = torch.full((1, 2, 1), 0.5), torch.ones(1, 2, 1)
        >>> scaled(DenseShift(torch.ones(2, 2)), halves, ones, is_row_stochastic=True).to_dense()
        tensor([[[0.5000, 0.5000],
                 [0.5000, 0.5000]]])
        >>> scaled(LowRankShift(ones), halves, ones).rank  # still by factors
        1
    """
    require_diagonals(shift, left, right)
    promises = promised(is_symmetric, is_row_stochastic, spectral_bound).keywords()
    if isinstance(shift, DenseShift):
        return DenseShift(left * shift.matrix * right.mT, **promises)
    if isinstance(shift, LowRankShift):
        factors = left * shift.left, right * shift.right
        return LowRankShift(*factors, shift.core, ranks=shift.ranks, **promises)
    is_constant = not (left.requires_grad or right.requires_grad)  # sparse values are differentiable once
    if isinstance(shift, SparseShift) and len(left) == len(right) == 1 and is_constant:
        both = left[0, shift.pattern.target(), 0] * right[0, shift.pattern.columns, 0]
        return shift.mapped(lambda values: both * values, promised(**promises))
    return ScaledShift(shift, left, right, **promises)


def at_unit_scale(shift: ShiftOperator) -> ShiftOperator:
    """``S`` times a power of two for each sample, so that what it is made of is close to 1.

    Factors are scaled each by itself, the two parts of a hinge, which add up, together. Others stay: softmax
    and exponential weights are of that size as they are made.
    """
    if isinstance(shift, HingeShift):
        row, column = to_unit_scale(shift.row, shift.column)
        return HingeShift(row, column, **shift.promises.keywords())
    if isinstance(shift, DenseShift | LowRankShift):
        return shift.mapped(lambda part: to_unit_scale(part, ranks=shift.ranks)[0])
    return shift
