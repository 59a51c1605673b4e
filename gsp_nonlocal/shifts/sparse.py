"""Shifts of sparse graphs, in compressed rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from filters.operators.by_hand import HandDifferentiated
from filters.operators.linear import on_parts, require_real_floating
from filters.operators.once import differentiable_once
from filters.operators.promises import Promises, promised
from filters.operators.shift import ShiftOperator
from filters.operators.signal import S
from gsp_nonlocal.shifts.edges import LaplacianNormalization, check_normalization
from gsp_nonlocal.shifts.implicit import add
from gsp_nonlocal.shifts.laplacian import laplacian_shift
from gsp_nonlocal.shifts.pattern import Pattern
from gsp_nonlocal.shifts.wiring import Wiring

with warnings.catch_warnings():  # PyTorch says once a process that this layout is in beta; not to every user
    warnings.simplefilter("ignore")
    torch.sparse_csr_tensor([0, 1], [0], [1.0], (1, 1), check_invariants=False)


class SparseShift(ShiftOperator):
    r"""``S`` of a sparse graph; ``S @ z`` costs ``|E| C`` and keeps nothing per edge and channel.

    Made by :meth:`from_edge_index`. One graph, or several side by side in one block-diagonal matrix (PyG's
    batches): a shift of batch 1 over all ``N`` nodes. No closed resolvent: rational filters iterate.
    Differentiable once.

    Args:
        rows: compressed row pointers ``(N + 1,)``, int64.
        columns: ``(E,)``, int64, grouped by row.
        values: ``(E,)``, real floating-point; entries at one place add up.
        is_symmetric: promise that ``S = Sᵀ``.
        is_row_stochastic: promise that entries are ``≥ 0`` and rows sum to 1, or to 0.
        spectral_bound: a bound of ``|μ|``, if one is known.

    Raises:
        TypeError: if ``values`` are not real floating-point, or a promise is neither ``True`` nor ``False``.
        ValueError: if these are no compressed rows of at least one node, or columns name nodes that are not
            there; if ``spectral_bound`` is negative or not finite.

    References:
        Defferrard, Bresson, Vandergheynst (2016). Deviation: ``S = −L̃``.

    Example:
        >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
        >>> S = SparseShift.from_edge_index(path)
        >>> (S @ torch.ones(1, 3, 1)).squeeze(), S.is_symmetric
        (tensor([0.7071, 1.4142, 0.7071]), True)
    """

    def __init__(
        self,
        rows: Tensor,
        columns: Tensor,
        values: Tensor,
        *,
        is_symmetric: bool = False,
        is_row_stochastic: bool = False,
        spectral_bound: float | None = None,
    ) -> None:
        require_real_floating(values, "the values of a sparse shift")
        _check_pattern(rows, columns, values)
        promises = promised(is_symmetric, is_row_stochastic, spectral_bound)
        self._put(Pattern(rows, columns), values, promises)

    def _put(self, pattern: Pattern, values: Tensor, promises: Promises) -> None:
        self.pattern, self.values, self.promises = pattern, values, promises

    @classmethod
    def from_edge_index(
        cls,
        edge_index: Tensor,
        edge_weight: Tensor | None = None,
        num_nodes: int | None = None,
        normalization: LaplacianNormalization = "sym",
        lambda_max: float | Tensor | None = None,
        batch: Tensor | None = None,
    ) -> SparseShift:
        r"""``S = I − 2 L / λ_max`` of a graph given by its edges; ``A_ij`` is the weight of the edge
        ``j → i``.

        ==========  =============================  ===========================  =========================
        given       ``L``                          ``λ_max`` if absent          ``S`` then
        ==========  =============================  ===========================  =========================
        ``"sym"``   ``I − D^{-1/2} A D^{-1/2}``    2, a proven bound            ``D^{-1/2} A D^{-1/2}``
        ``"rw"``    ``I − D⁻¹ A``                  2, a proven bound            ``D⁻¹ A``
        ``None``    ``D − A``                      computed, for each graph     ``I − 2 (D − A) / λ_max``
        ==========  =============================  ===========================  =========================

        ``D`` holds the row sums of ``A``. A node without edges has degree 0, and its row of the normalised
        ``A`` is 0. On a directed graph ``"sym"`` is ``D_in^{-1/2} A D_out^{-1/2}``, whose norm is at most 1
        as well. Self-loops and duplicate edges are kept: a self-loop counts once in the degree, duplicates
        add up. Differentiable in ``edge_weight``; ``λ_max`` is a constant.

        Args:
            edge_index: sources and targets, ``(2, E)``, int64, as in PyG.
            edge_weight: ``(E,)``, non-negative; 1 by default.
            num_nodes: ``N``; by default the greatest node plus one.
            normalization: ``"sym"``, ``"rw"`` or ``None``.
            lambda_max: a bound of the eigenvalues of ``L``, a number, or one a graph ``(G,)``. It is
                verified, by an eigen-solver where a bound from the degrees does not do; not on directed
                graphs.
            batch: graph of each node, ``(N,)``, ascending, as in PyG; by default one graph.

        Raises:
            TypeError: if an index is not an integer or a weight is not real floating-point.
            ValueError: if a shape, node or name does not fit; if a weight is negative, NaN or infinite;
                if ``lambda_max`` is below an eigenvalue of ``L``; if there is no node.

        Warns:
            UserWarning: where self-loops or duplicate edges are kept, with their numbers.

        Deviation: PyG's ``get_laplacian`` drops self-loops, and its ``"rw"`` divides by the degree of the
        *source* (``A D⁻¹``, the transpose for an undirected graph); PyG's ``ChebConv`` filters with ``−S``.
        """
        check_normalization(normalization)
        wiring = Wiring(edge_index, num_nodes, batch)
        edges = wiring.edges(edge_weight)
        entries = laplacian_shift(edges, normalization, lambda_max, wiring.is_undirected(edges.weight))
        return cls.from_pattern(*wiring.pattern(entries), entries.value, entries.promises)

    @classmethod
    def from_pattern(cls, pattern: Pattern, order: Tensor, value: Tensor, promises: Promises) -> SparseShift:
        """The shift with these values ``(E,)``, which the pattern takes in this order."""
        require_real_floating(value, "the values of a sparse shift")
        return cls._of(pattern, value[order], promises)

    @classmethod
    def _of(cls, pattern: Pattern, values: Tensor, promises: Promises) -> SparseShift:
        shift = cls.__new__(cls)  # a checked pattern is not checked again
        shift._put(pattern, values, promises)
        return shift

    @property
    def shape(self) -> torch.Size:
        return torch.Size((1, self.pattern.num_nodes, self.pattern.num_nodes))

    @property
    def dtype(self) -> torch.dtype:
        return self.values.dtype

    @property
    def device(self) -> torch.device:
        return self.values.device

    def __call__(self, z: S) -> S:
        return on_parts(self._propagate, z)

    @property
    def T(self) -> SparseShift:  # noqa: N802
        if self.is_symmetric:
            return self
        other, order = self.pattern.transposed()
        return self._of(other, self.values[order], self.promises.transposed)

    def to_dense(self) -> Tensor:
        dense = self.values.new_zeros(self.shape[1:])
        places = (self.pattern.target(), self.pattern.columns)
        return dense.index_put(places, self.values, accumulate=True).unsqueeze(0)

    def mapped(self, function: Callable[[Tensor], Tensor], promises: Promises | None = None) -> SparseShift:
        values = function(self.values.unsqueeze(0)).squeeze(0)
        return self._of(self.pattern.to(values.device), values, promises or self.promises)

    def __add__(self, other: ShiftOperator) -> ShiftOperator:
        return add(self, other)

    @property
    def edge_index(self) -> Int[Tensor, "2 E"]:
        """Sources and targets ``(2, E)`` of the entries of ``S``, beside :attr:`values`, as in PyG."""
        return torch.stack([self.pattern.columns, self.pattern.target()])

    def _propagate(self, z: Float[Tensor, "B N C"]) -> Float[Tensor, "B N C"]:
        batch, nodes, channels = z.shape
        flat = z.transpose(0, 1).reshape(nodes, batch * channels)
        y = _Product.apply(self.values, flat, self.pattern)
        return y.view(nodes, batch, channels).transpose(0, 1)

    def __repr__(self) -> str:
        return f"SparseShift(shape={tuple(self.shape)}, edges={len(self.values)}, dtype={self.dtype})"


def _check_pattern(rows: Tensor, columns: Tensor, values: Tensor) -> None:
    """Raise a ``ValueError`` unless these are compressed rows: the kernels read memory by them."""
    nodes = len(rows) - 1
    fits = rows.dim() == columns.dim() == 1 and nodes >= 1 and columns.shape == values.shape
    if not (fits and rows[0] == 0 and rows[-1] == len(columns) and (rows.diff() >= 0).all()):
        raise ValueError(
            f"rows {tuple(rows.shape)}, columns {tuple(columns.shape)}, values {tuple(values.shape)} are no "
            "compressed rows: rows ascend from 0 to the number of entries; use SparseShift.from_edge_index"
        )
    if len(columns) and not 0 <= int(columns.min()) <= int(columns.max()) < nodes:
        raise ValueError(
            f"columns name nodes from {int(columns.min())} to {int(columns.max())}, but the graph has nodes "
            f"0 to {nodes - 1}"
        )


class _Product(HandDifferentiated):
    """``y = S z`` for ``z (N, K)``; backward with ``Sᵀ`` and, for the values, ``⟨ȳ_i, z_j⟩``."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, z: Tensor, pattern: Pattern) -> Tensor:
        ctx.pattern = pattern
        ctx.save_for_backward(values, z)
        return pattern.times(values, z)

    @staticmethod
    @differentiable_once("use shift.to_dense() for it")
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        values, z = ctx.saved_tensors
        to_values = to_z = None
        if ctx.needs_input_grad[0]:
            to_values = ctx.pattern.inner_products(grad, z)
        if ctx.needs_input_grad[1]:
            other, order = ctx.pattern.transposed()
            to_z = other.times(values[order], grad)
        return to_values, to_z, None
