"""Graphs whose spectra are known in closed form: rings, paths, grids, tori."""

from __future__ import annotations

import numpy as np
import torch
from torch_geometric.data import Data

from filters.checks import Device, require_flag, require_integer
from gsp_nonlocal.creation import options
from gsp_nonlocal.graphs.undirected import on_circle, unweighted


def ring(n: int, k: int = 1, *, device: Device = None, dtype: torch.dtype | None = None) -> Data:
    r"""``w_ij = 1`` where ``i − j ≡ ±1, …, ±k (mod n)``: a circle with ``k`` neighbours on either side.

    For ``2k < n`` the normalised Laplacian has ``λ_m = 1 − (1/k) Σ_{j=1}^k cos(2π j m / n)``, ``m < n``.

    Args:
        n: nodes, at least 3.
        k: neighbours on either side, at most ``n / 2``; with ``n / 2`` opposite nodes are joined once.
        device: of all tensors.
        dtype: of weights and positions.

    Returns:
        The graph; ``pos (n, 2)`` on the unit circle.

    Raises:
        ValueError: if ``n`` is below 3 or ``k`` does not fit.

    References:
        Chung (1997), *Spectral Graph Theory*, 1.2. As PyGSP's ``Ring``.

    Example:
        >>> ring(5).edge_index[:, :4]
        tensor([[0, 0, 1, 1],
                [1, 4, 0, 2]])
    """
    where = options(device, dtype)
    n, k = require_integer("n", n, 3, "nodes of a ring"), require_integer("k", k)
    if 2 * k > n:
        raise ValueError(f"k must be at most n / 2 = {n / 2:g}, half-way round the ring, got {k}")
    source = np.repeat(np.arange(n), k)
    target = (source + np.tile(np.arange(1, k + 1), n)) % n
    return unweighted(np.stack([source, target]), n, where, on_circle(n))


def path(n: int, *, device: Device = None, dtype: torch.dtype | None = None) -> Data:
    r"""``w_{i,i+1} = 1``: nodes in a row.

    The normalised Laplacian has ``λ_m = 1 − cos(π m / (n − 1))``, for ``n ≥ 2``, and ``D − A`` has
    ``2 − 2 cos(π m / n)``, ``m < n``.

    Args:
        n: nodes.
        device: of all tensors.
        dtype: of weights and positions.

    Returns:
        The graph; ``pos (n, 2)`` are ``(i, 0)``.

    Raises:
        ValueError: if ``n`` is below 1.

    References:
        Chung (1997), *Spectral Graph Theory*, 1.2. As PyGSP's ``Path``.

    Example:
        >>> path(3).edge_index
        tensor([[0, 1, 1, 2],
                [1, 0, 2, 1]])
    """
    where = options(device, dtype)
    n = require_integer("n", n, 1, "nodes of a path")
    node = np.arange(n)
    return unweighted(np.stack([node[:-1], node[1:]]), n, where, np.stack([node, 0 * node], axis=1))


def grid(
    *sizes: int, periodic: bool = False, device: Device = None, dtype: torch.dtype | None = None
) -> Data:
    r"""``w = 1`` between nodes whose indices differ by 1 along one axis: the product of paths, or of rings.

    Nodes are numbered row by row, as ``x.flatten()`` numbers a map. The eigenvalues of ``D − A`` are all sums
    of one of each axis: ``2 − 2 cos(π m / n)``, or ``2 − 2 cos(2π m / n)`` if periodic, ``m < n``.

    Args:
        sizes: nodes along 2 or 3 axes.
        periodic: join the ends of each axis, of at least 3 nodes.
        device: of all tensors.
        dtype: of weights and positions.

    Returns:
        The graph; ``pos`` are ``(column, −row)``, and the index along a first axis of three comes last.

    Raises:
        ValueError: for another number of sizes; if one is below 1, or below 3 and periodic.

    References:
        Fiedler (1973), *Algebraic connectivity of graphs*. As PyGSP's ``Grid2d``, without diagonals.

    Example:
        >>> grid(2, 3).edge_index[:, :5]
        tensor([[0, 0, 1, 1, 1],
                [1, 3, 0, 2, 4]])
        >>> grid(4, 4, 4, periodic=True).num_edges
        384
    """
    where, periodic = options(device, dtype), require_flag("periodic", periodic)
    if len(sizes) not in (2, 3):
        raise ValueError(f"a grid has 2 or 3 sizes, got {len(sizes)}: {sizes}; of one axis use path or ring")
    least = 3 if periodic else 1
    sizes = tuple(require_integer("a size of the grid", size, least, "nodes of an axis") for size in sizes)
    index = np.arange(np.prod(sizes)).reshape(sizes)
    pairs = np.concatenate([_steps(index, axis, periodic) for axis in range(len(sizes))], axis=1)
    return unweighted(pairs, index.size, where, places(*sizes))


def torus(n: int, m: int, *, device: Device = None, dtype: torch.dtype | None = None) -> Data:
    r"""``w = 1`` between nodes next to each other on a torus: ``grid(n, m, periodic=True)``, placed in space.

    The normalised Laplacian has ``λ_{ab} = 1 − ½ cos(2π a / n) − ½ cos(2π b / m)``, ``a < n``, ``b < m``.

    Args:
        n: nodes around the hole, at least 3.
        m: nodes around the tube, at least 3.
        device: of all tensors.
        dtype: of weights and positions.

    Returns:
        The graph; ``pos (n m, 3)`` are ``((2 + cos φ) cos θ, (2 + cos φ) sin θ, sin φ)`` with
        ``θ = 2π a / n`` and ``φ = 2π b / m``.

    Raises:
        ValueError: if ``n`` or ``m`` is below 3.

    References:
        Fiedler (1973), *Algebraic connectivity of graphs*. As PyGSP's ``Torus``.

    Example:
        >>> torus(8, 5).pos.shape
        torch.Size([40, 3])
    """
    graph = grid(n, m, periodic=True, device=device, dtype=dtype)
    around, tube = np.repeat(on_circle(n), m, axis=0), np.tile(on_circle(m), (n, 1))
    pos = np.column_stack([(2 + tube[:, :1]) * around, tube[:, 1]])
    graph.pos = torch.from_numpy(pos).to(graph.edge_weight)
    return graph


def places(*sizes: int) -> np.ndarray:
    """``(column, −row)`` or ``(column, −row, first)`` of the nodes of a grid: the first row is on top."""
    first_last = np.indices(sizes).reshape(len(sizes), -1)
    column, row, *first = first_last[::-1]
    return np.stack([column, -row, *first], axis=1)


def _steps(index: np.ndarray, axis: int, periodic: bool) -> np.ndarray:
    """Pairs ``(2, M)`` of each node and the next along an axis."""
    count = index.shape[axis] if periodic else index.shape[axis] - 1
    ends = (index, np.roll(index, -1, axis))
    return np.stack([end.take(range(count), axis).ravel() for end in ends])
