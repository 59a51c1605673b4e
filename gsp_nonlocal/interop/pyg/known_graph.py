"""The graph that a convolution was given last: what was found of it serves as long as the same one comes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from filters.export import is_exporting
from filters.operators.promises import Promises
from filters.operators.shift import ShiftOperator
from gsp_nonlocal.interop.pyg.recorded_graph import listed, recorded
from gsp_nonlocal.shifts.edge_list import EdgeListShift
from gsp_nonlocal.shifts.edges import LaplacianNormalization
from gsp_nonlocal.shifts.laplacian import laplacian_shift
from gsp_nonlocal.shifts.sparse import SparseShift
from gsp_nonlocal.shifts.wiring import Wiring

Bound = float | Tensor | None


class _Given(NamedTuple):
    """Copies of what a graph was made of."""

    edge_index: Tensor
    batch: Tensor | None
    num_nodes: int

    def is_again(self, edge_index: Tensor, batch: Tensor | None, num_nodes: int) -> bool:
        return num_nodes == self.num_nodes and _same(edge_index, self.edge_index) and _same(batch, self.batch)


class KnownGraph:
    """``S`` of the graph that came last, by its edges and weights; by comparison of all numbers.

    Where they are equal to those of the last call, nothing is checked or found again; where only weights
    differ, or carry gradients, the places of the edges are still known. A comparison of numbers is a small
    part of a filter, and is right also where tensors were written to.

    Args:
        normalization: ``"sym"``, ``"rw"`` or ``None``.
        is_fixed: whether the first graph is the only one, so that it is not compared.
        is_symmetrised: whether an undirected graph stays one under a mask: ``½ (S ⊙ M + (S ⊙ M)ᵀ)``.
    """

    def __init__(
        self, normalization: LaplacianNormalization, is_fixed: bool, is_symmetrised: bool = False
    ) -> None:
        self.normalization, self.is_fixed, self.is_symmetrised = normalization, is_fixed, is_symmetrised
        self.forget()

    def forget(self) -> None:
        """The next graph is the first one."""
        self._given: _Given | None = None
        self._wiring: Wiring | None = None
        self._weight: tuple[Tensor, Bound] | None = None
        self._shift: SparseShift | None = None
        self._listed: EdgeListShift | None = None

    def shift(
        self,
        edge_index: Tensor,
        weight: Tensor,
        batch: Tensor | None,
        num_nodes: int,
        bound: Bound,
        mask: Tensor | None = None,
    ) -> ShiftOperator:
        """``S`` of a graph; ``mask (E,)`` times the entries of its edges.

        Of code that is compiled or exported it is a formula: nothing is kept, and of a fixed graph the sizes
        alone are checked.

        Raises:
            TypeError, ValueError: as ``SparseShift.from_edge_index``; if a fixed graph has other nodes or
                edges.
        """
        if torch.compiler.is_compiling() or is_exporting():
            if self._given is not None and self.is_fixed:
                _require_fixed(self._given, edge_index, num_nodes)  # sizes alone: no number is looked at
            if self._listed is not None and mask is None and not _is_learned(weight):
                return self._listed
            found = recorded(edge_index, weight, batch, num_nodes, self.normalization, bound)
            return found if mask is None else found.weighed(mask)
        wiring = self._wired(edge_index, batch, num_nodes)
        if mask is not None or _is_learned(weight):
            return self._made(wiring, weight, bound, mask)
        if self._shift is None or not (self.is_fixed or self._is_weighed_again(weight, bound)):
            with torch.inference_mode(False), torch.no_grad():  # it may be used in training later
                kept = weight.detach().clone()
                self._shift = self._made(wiring, kept, bound, None)
                self._weight = kept, _copy(bound)
                self._listed = listed(self._shift) if self.is_fixed else None
        return self._shift

    def _wired(self, edge_index: Tensor, batch: Tensor | None, num_nodes: int) -> Wiring:
        given, wiring = self._given, self._wiring
        if given is not None and wiring is not None:
            if self.is_fixed:
                _require_fixed(given, edge_index, num_nodes)
                return wiring
            if given.is_again(edge_index, batch, num_nodes):
                return wiring
        self.forget()
        with torch.inference_mode(False):
            copies = edge_index.clone(), None if batch is None else batch.clone()
            wiring = Wiring(copies[0], num_nodes, copies[1])
        self._given, self._wiring = _Given(*copies, num_nodes), wiring
        return wiring

    def _is_weighed_again(self, weight: Tensor, bound: Bound) -> bool:
        assert self._weight is not None
        return _same(weight, self._weight[0]) and _same(bound, self._weight[1])

    def _made(self, wiring: Wiring, weight: Tensor, bound: Bound, mask: Tensor | None) -> SparseShift:
        edges = wiring.edges(weight)
        undirected = wiring.is_undirected(edges.weight)
        entries = laplacian_shift(edges, self.normalization, bound, undirected)
        value, promises = entries.value, entries.promises
        if mask is not None:
            stays = self.is_symmetrised and undirected
            value, promises = _masked(wiring, value, mask, stays), Promises(symmetric=stays)
        return SparseShift.from_pattern(*wiring.pattern(entries), value, promises)


def _masked(wiring: Wiring, value: Tensor, mask: Tensor, symmetric: bool) -> Tensor:
    """Entries of the edges times ``mask (E,)``; those that follow are a diagonal of ``S``'s own."""
    own, diagonal = value[: len(mask)] * mask, value[len(mask) :]
    return torch.cat([wiring.symmetrised(own) if symmetric else own, diagonal])


def _is_learned(weight: Tensor) -> bool:
    return weight.requires_grad and torch.is_grad_enabled()


def _same(one: Bound, other: Bound) -> bool:
    if not isinstance(one, Tensor) or not isinstance(other, Tensor):
        return type(one) is type(other) and one == other
    alike = one.device == other.device and one.dtype == other.dtype and one.shape == other.shape
    return alike and torch.equal(one, other)


def _copy(bound: Bound) -> Bound:
    return bound.detach().clone() if isinstance(bound, Tensor) else bound


def _require_fixed(given: _Given, edge_index: Tensor, num_nodes: int) -> None:
    """Raise unless a graph has as many nodes and edges as the one that is kept."""
    if edge_index.shape != given.edge_index.shape or num_nodes != given.num_nodes:
        raise ValueError(
            f"the convolution keeps its first graph (cached=True), of {given.num_nodes} nodes and "
            f"{given.edge_index.shape[1]} edges, and got one of {num_nodes} nodes and {edge_index.shape[-1]} "
            "edges; call reset_parameters() or forget(), or build it with cached=False"
        )
