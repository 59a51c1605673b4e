"""What a graph filter was given in a forward pass, and what it made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gsp_nonlocal.shifts import ShiftOperator
from gsp_nonlocal.shifts.biadjacency import Biadjacency
from gsp_nonlocal.spectral.layout import Layout
from gsp_nonlocal.spectral.response import Response


@dataclass(frozen=True, eq=False)
class Trace:
    r"""One application of a graph filter, ``y = H(S) z``.

    An image has ``G`` graphs, heads or groups: graph ``g`` of image ``b`` is number ``b G + g`` of the batch.
    Nothing in it carries a gradient.

    Attributes:
        shift: ``S (B·G, N, N)``.
        signal: ``z (B·G, N, C)``, what the filter was given.
        filter: ``(z, S) ↦ y (B·G, N, C')``.
        layout: how the nodes lie on the map.
        graphs: ``G``.
        respond: frequencies ``(F,)`` ``↦`` the responses ``H(λ)``: one, or one a graph of an image. ``None``
            for a filter that has no response.
        windows: how many sets of nodes an image has, such as windows, of ``G / windows`` graphs each.

    Example:
        >>> from gsp_nonlocal import SNL
        >>> from gsp_nonlocal.probe import SpectralProbe
        >>> block = SNL(8)
        >>> with SpectralProbe(block) as probe:
        ...     _ = block(torch.randn(2, 8, 6, 6))
        >>> trace = probe.traces[""][0]
        >>> trace.signal.shape, trace.filtered.shape, trace.layout.spatial
        (torch.Size([2, 36, 4]), torch.Size([2, 36, 8]), (6, 6))
    """

    shift: ShiftOperator
    signal: Tensor
    filter: Callable[[Tensor, ShiftOperator], Tensor]
    layout: Layout
    graphs: int = 1
    respond: Callable[[Tensor | None], list[Response]] | None = None
    windows: int = 1

    @property
    def filtered(self) -> Tensor:
        """``y (B·G, N, C')``, computed anew at each use, with the weights of that time."""
        with torch.no_grad():
            return self.filter(self.signal, self.shift)


@dataclass(frozen=True, eq=False)
class CrossTrace:
    r"""One application of cross-attention, ``y = A z``: ``M`` nodes are gathered in ``N`` others.

    Attributes:
        weights: ``A (B·G, N, M)``, numbered as in :class:`Trace`.
        signal: ``z (B·G, M, C)``.
        graphs: ``G``.
        windows: as in :class:`Trace`.

    Example:
        >>> from gsp_nonlocal.probe import SpectralProbe
        >>> layer = torch.nn.MultiheadAttention(8, 2, batch_first=True)
        >>> queries, keys = torch.randn(3, 5, 8), torch.randn(3, 7, 8)
        >>> with SpectralProbe(layer) as probe:
        ...     _ = layer(queries, keys, keys)
        >>> trace = probe.crossings[""][0]
        >>> trace.weights.shape, trace.graphs
        (torch.Size([6, 5, 7]), 2)
    """

    weights: Biadjacency
    signal: Tensor
    graphs: int = 1
    windows: int = 1

    @property
    def filtered(self) -> Tensor:
        """``y (B·G, N, C)``, computed anew at each use."""
        with torch.no_grad():
            return self.weights @ self.signal
