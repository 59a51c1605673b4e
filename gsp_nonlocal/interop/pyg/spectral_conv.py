"""Our filters as convolutions of PyG."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.nn import MessagePassing

from filters import Filter, GraphFilter
from filters.operators.linear import require_real_floating
from gsp_nonlocal.interop.pyg.edge_inputs import edges_of, signal_of
from gsp_nonlocal.interop.pyg.known_graph import KnownGraph
from gsp_nonlocal.shifts.edges import LaplacianNormalization, check_normalization


class SpectralConv(MessagePassing):
    r"""Any graph filter as a PyG convolution: ``conv(x, edge_index, edge_weight=None, batch=None)``.

    ``y = H(S) x`` with ``S = SparseShift.from_edge_index(edge_index, edge_weight, …)``. Works in
    ``torch_geometric.nn.Sequential``, on batches of a ``NeighborLoader``, and under
    ``torch_geometric.explain``, whose edge masks ``M`` multiply the entries of ``S``. Filters that need a
    symmetric shift, the fixed responses, take undirected graphs alone, and so no sampled neighbourhoods;
    under a mask they get ``½ (S ⊙ M + (S ⊙ M)ᵀ)``, so that both directions of an edge matter alike.

    A graph that comes again, by all its numbers, is not checked and normalised again; with learned weights,
    what depends on the edges alone is kept.

    Under ``torch.compile(fullgraph=True)`` and ``torch.export``, for graphs of any size, the edges are not
    checked: let a new kind of data pass once before. Fixed responses need a symmetric shift, which compiled
    code cannot find out: they take ``cached=True`` and one call before, and so does ``normalization=None``
    without ``lambda_max``. Resolvents by iteration (``Cayley``, ``Rational``, ``ARMA`` without
    ``iterations``) decide by their residuals, which ``fullgraph=True`` refuses.

    Args:
        filter: a graph filter.
        normalization: ``"sym"``, ``"rw"`` or ``None``, as in :class:`SparseShift`.
        lambda_max: see :meth:`SparseShift.from_edge_index`.
        cached: keep the first graph, and its weights where they are not learned, without a look at later
            ones, as PyG's ``GCNConv`` does: for transductive learning alone. :meth:`forget` forgets it.

    Raises:
        TypeError: if ``filter`` is no graph filter.
        ValueError: for an unknown ``normalization``.

    References:
        Defferrard, Bresson, Vandergheynst (2016); Fey, Lenssen (2019).

    Example:
        >>> from filters import Cayley
        >>> conv = SpectralConv(Cayley(3, 5, order=2))
        >>> conv(torch.randn(4, 3), torch.tensor([[0, 1, 2, 3], [1, 0, 3, 2]])).shape
        torch.Size([4, 5])
    """

    def __init__(
        self,
        filter: GraphFilter,
        normalization: LaplacianNormalization = "sym",
        lambda_max: float | None = None,
        *,
        cached: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(filter, GraphFilter):
            raise TypeError(f"filter must be a graph filter, as in filters, got {type(filter).__name__}")
        check_normalization(normalization)
        self.filter, self.normalization, self.lambda_max = filter, normalization, lambda_max
        self.in_channels, self.out_channels = filter.in_channels, filter.out_channels
        self.cached = cached
        self._graph = KnownGraph(normalization, cached, filter.requires_symmetric)

    def reset_parameters(self) -> None:
        """Draw the filter's parameters anew, and forget the graph that is kept."""
        self.forget()
        for module in self.filter.modules():
            if isinstance(module, Filter):
                module.reset_parameters()

    def forget(self) -> None:
        """Forget the graph that is kept."""
        self._graph.forget()

    def forward(
        self,
        x: Tensor,
        edge_index: Any,
        edge_weight: Tensor | None = None,
        batch: Tensor | None = None,
        lambda_max: float | Tensor | None = None,
    ) -> Tensor:
        """``(N, in) -> (N, out)``, or ``(B, N, in) -> (B, N, out)`` for ``B`` signals on one graph.

        Args:
            x: the signal; a sparse one is taken as a dense one.
            edge_index: ``(2, E)``, an ``EdgeIndex``, or ``adj_t`` as a sparse tensor or a ``SparseTensor``.
            edge_weight: ``(E,)`` or ``(E, 1)``; 1 by default.
            batch: graph of each node ``(N,)``, ascending.
            lambda_max: of this graph, one number or one a graph, of those without nodes at
                the end of a batch too; by default as the convolution was built.

        Raises:
            TypeError: for a bipartite pair of signals; if types do not fit.
            ValueError: see :meth:`SparseShift.from_edge_index`; if a cached graph has another size.
        """
        x = signal_of(x)
        _require_signal(x)
        places, weight = edges_of(edge_index, edge_weight)
        bound = self.lambda_max if lambda_max is None else _of_graphs(lambda_max, batch)
        shift = self._graph.shift(
            places, _like_signal(weight, places, x), batch, x.shape[-2], bound, self._mask()
        )
        return self.filter(x.unsqueeze(0), shift).squeeze(0) if x.dim() == 2 else self.filter(x, shift)

    def _mask(self) -> Tensor | None:
        """Of the edges, under ``torch_geometric.explain``."""
        mask = self._edge_mask if self.explain else None
        return mask.sigmoid() if mask is not None and self._apply_sigmoid else mask

    def __repr__(self) -> str:
        return f"SpectralConv({self.filter}, normalization={self.normalization!r})"


def _of_graphs(bound: float | Tensor, batch: Tensor | None) -> float | Tensor:
    """Without the numbers of graphs at the end of a batch that have no node."""
    if batch is None or not isinstance(bound, Tensor) or bound.dim() != 1 or not len(batch):
        return bound
    return bound[: int(batch[-1]) + 1]


def _require_signal(x: Tensor) -> None:
    """Raise unless ``x`` is a real signal ``(N, C)`` or ``(B, N, C)``."""
    require_real_floating(x, "a node signal")
    if x.dim() not in (2, 3):
        raise ValueError(
            f"a node signal of PyG has shape (N, C), or (B, N, C) on one graph, got {tuple(x.shape)}"
        )


def _like_signal(weight: Tensor | None, edge_index: Tensor, x: Tensor) -> Tensor:
    """Edge weights, 1 by default, in the data type of the signal where that is wider."""
    if weight is None:
        return torch.ones(edge_index.shape[-1:], dtype=x.dtype, device=edge_index.device)
    wider = weight.is_floating_point() and x.is_floating_point()
    return weight.to(torch.promote_types(weight.dtype, x.dtype)) if wider else weight
