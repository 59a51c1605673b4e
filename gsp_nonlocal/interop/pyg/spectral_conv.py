"""Our filters as convolutions of PyG."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.nn import MessagePassing

from filters import Filter, GraphFilter
from filters.operators.linear import require_real_floating
from filters.operators.promises import Promises
from gsp_nonlocal.shifts.edges import LaplacianNormalization, check_edges
from gsp_nonlocal.shifts.laplacian import Entries, laplacian_shift
from gsp_nonlocal.shifts.sparse import SparseShift


class SpectralConv(MessagePassing):
    r"""Any graph filter as a PyG convolution: ``conv(x, edge_index, edge_weight=None, batch=None)``.

    ``y = H(S) x`` with ``S = SparseShift.from_edge_index(edge_index, edge_weight, …)``. Works in
    ``torch_geometric.nn.Sequential``, on batches of a ``NeighborLoader``, and under
    ``torch_geometric.explain``, whose edge masks multiply the entries of ``S``; but filters that need a
    symmetric shift, the fixed responses, take undirected graphs alone, and so neither masks nor sampled
    neighbourhoods. The graph is built anew at every call.

    Args:
        filter: a graph filter.
        normalization: ``"sym"``, ``"rw"`` or ``None``, as in :class:`SparseShift`.
        lambda_max: see :meth:`SparseShift.from_edge_index`.

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
    ) -> None:
        super().__init__()
        if not isinstance(filter, GraphFilter):
            raise TypeError(f"filter must be a graph filter, as in filters, got {type(filter).__name__}")
        if normalization not in ("sym", "rw", None):
            raise ValueError(f"unknown normalization {normalization!r}; choose 'sym', 'rw' or None")
        self.filter, self.normalization, self.lambda_max = filter, normalization, lambda_max
        self.in_channels, self.out_channels = filter.in_channels, filter.out_channels

    def reset_parameters(self) -> None:
        """Draw the filter's parameters anew."""
        for module in self.filter.modules():
            if isinstance(module, Filter):
                module.reset_parameters()

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_weight: Tensor | None = None,
        batch: Tensor | None = None,
    ) -> Tensor:
        """``(N, in) -> (N, out)``."""
        _require_signal(x)
        edges = check_edges(
            edge_index, _like_signal(edge_weight, edge_index, x), len(x), self.normalization, batch
        )
        entries = laplacian_shift(edges, self.normalization, self.lambda_max)
        shift = SparseShift.from_entries(self._masked(entries), len(x))
        return self.filter(x.unsqueeze(0), shift).squeeze(0)

    def _masked(self, entries: Entries) -> Entries:
        """Under ``torch_geometric.explain``, the entries of ``S`` times the mask of their edges."""
        mask = self._edge_mask if self.explain else None
        if mask is None:
            return entries
        mask = mask.sigmoid() if self._apply_sigmoid else mask
        diagonal = mask.new_ones(len(entries.value) - len(mask))  # where S has one of its own
        return entries._replace(value=entries.value * torch.cat([mask, diagonal]), promises=Promises())

    def __repr__(self) -> str:
        return f"SpectralConv({self.filter}, normalization={self.normalization!r})"


def _require_signal(x: Tensor) -> None:
    """Raise unless ``x`` is a real signal ``(N, C)``."""
    require_real_floating(x, "a node signal")
    if x.dim() != 2:
        raise ValueError(f"a node signal of PyG has shape (N, C), got {tuple(x.shape)}")


def _like_signal(weight: Tensor | None, edge_index: Tensor, x: Tensor) -> Tensor:
    """Edge weights, 1 by default, in the data type of the signal where that is wider."""
    if weight is None:
        return torch.ones(edge_index.shape[-1:], dtype=x.dtype, device=edge_index.device)
    wider = weight.is_floating_point() and x.is_floating_point()
    return weight.to(torch.promote_types(weight.dtype, x.dtype)) if wider else weight
