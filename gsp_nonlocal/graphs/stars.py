"""All nodes joined to all, and all to one."""

from __future__ import annotations

import numpy as np
import torch
from torch_geometric.data import Data

from filters.checks import Device, require_integer
from gsp_nonlocal.creation import options
from gsp_nonlocal.graphs.undirected import on_circle, unweighted


def complete(n: int, *, device: Device = None, dtype: torch.dtype | None = None) -> Data:
    r"""``w_ij = 1`` for all ``i ≠ j``.

    The normalised Laplacian has the eigenvalues 0 and, ``n − 1`` times, ``n / (n − 1)``, for ``n ≥ 2``.

    Args:
        n: nodes; there are ``n (n − 1)`` edges. A nonlocal affinity keeps such a graph as factors instead.
        device: of all tensors.
        dtype: of weights and positions.

    Returns:
        The graph; ``pos (n, 2)`` on the unit circle.

    Raises:
        ValueError: if ``n`` is below 1.

    References:
        Chung (1997), *Spectral Graph Theory*, 1.2. As PyGSP's ``FullConnected``.

    Example:
        >>> complete(4).num_edges
        12
    """
    where, n = options(device, dtype), require_integer("n", n, 1, "nodes")
    return unweighted(np.stack(np.triu_indices(n, 1)), n, where, on_circle(n))


def comet(n: int, degree: int, *, device: Device = None, dtype: torch.dtype | None = None) -> Data:
    r"""``w_{0,i} = 1`` for ``i = 1, …, d``, and ``w_{i,i+1} = 1`` from ``i = d``: a star with a tail.

    For ``d ≥ 3`` the eigenvector of the greatest eigenvalue of ``D − A`` is localised at the centre. With
    ``d = n − 1`` it is a star, whose normalised Laplacian has the eigenvalues 0, 1 (``n − 2`` times) and 2.

    Args:
        n: nodes; the centre has number 0.
        degree: ``d``, neighbours of the centre, 1 to ``n − 1``.
        device: of all tensors.
        dtype: of weights and positions.

    Returns:
        The graph; ``pos (n, 2)``: neighbours of the centre on the unit circle, the tail along the first axis.

    Raises:
        ValueError: if ``n`` is below 2 or ``degree`` does not fit.

    References:
        Saito, Woei (2011), *On the phase transition phenomenon of graph Laplacian eigenfunctions on trees*.
        As PyGSP's ``Comet``.

    Example:
        >>> comet(6, 4).edge_index[1, :4], comet(6, 4).edge_index[:, -1]
        (tensor([1, 2, 3, 4]), tensor([5, 4]))
    """
    where = options(device, dtype)
    n, degree = require_integer("n", n, 2, "nodes of a comet"), require_integer("degree", degree)
    if degree >= n:
        raise ValueError(f"degree must be below n = {n}, the nodes, got {degree}")
    node = np.arange(1, n)
    before = np.where(node <= degree, 0, node - 1)
    star = np.roll(on_circle(degree), -1, axis=0)  # the last, which the tail goes on from, at (1, 0)
    tail = np.arange(2, n - degree + 1)
    pos = np.concatenate([np.zeros((1, 2)), star, np.stack([tail, 0 * tail], axis=1)])
    return unweighted(np.stack([before, node]), n, where, pos)
