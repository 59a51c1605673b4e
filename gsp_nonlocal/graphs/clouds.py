"""Points drawn from a seed, each joined to its nearest."""

from __future__ import annotations

import numpy as np
import torch
from torch_geometric.data import Data

from filters.checks import Device, require_integer, require_number
from gsp_nonlocal.creation import Options, options
from gsp_nonlocal.extras import naming_extra
from gsp_nonlocal.graphs.neighbourhoods import nearest_neighbours
from gsp_nonlocal.graphs.random_graphs import require_seed


def sensor(
    n: int, k: int = 6, seed: int = 0, *, device: Device = None, dtype: torch.dtype | None = None
) -> Data:
    r"""``w_ij = exp(−‖x_i − x_j‖² / σ²)`` among ``k`` nearest neighbours of points uniform in ``[0, 1]²``.

    Args:
        n: sensors, more than ``k``.
        k: neighbours of each; ``σ`` is the mean length of the edges.
        seed: of the points.
        device: of all tensors.
        dtype: of weights and positions.

    Returns:
        The graph; ``pos (n, 2)``.

    Raises:
        ValueError: if ``n`` is below 2, ``k`` is not below ``n``, or ``seed`` is negative.

    References:
        Shuman, Narang, Frossard, Ortega, Vandergheynst (2013), *The Emerging Field of Signal Processing on
        Graphs*. As PyGSP's ``Sensor``, except for the deviations of :func:`nearest_neighbours`.

    Example:
        >>> sensor(64, seed=1).pos.shape
        torch.Size([64, 2])
    """
    where, n, seed = options(device, dtype), require_integer("n", n, 2, "sensors"), require_seed(seed)
    return _joined(np.random.default_rng(seed).random((n, 2)), k, where)


def swiss_roll(
    n: int,
    k: int = 10,
    seed: int = 0,
    noise: float = 0.0,
    *,
    device: Device = None,
    dtype: torch.dtype | None = None,
) -> Data:
    r"""``w_ij = exp(−‖x_i − x_j‖² / σ²)`` among ``k`` nearest neighbours of ``x = (t cos t, h, t sin t)``.

    ``t`` is uniform in ``[1.5 π, 4.5 π]`` and ``h`` in ``[0, 21]``: a sheet that is rolled up. The points are
    scikit-learn's (extra ``graphs``).

    Args:
        n: points, more than ``k``.
        k: neighbours of each; ``σ`` is the mean length of the edges.
        seed: of the points.
        noise: standard deviation of what is added to each coordinate.
        device: of all tensors.
        dtype: of weights and positions.

    Returns:
        The graph; ``pos (n, 3)``, and ``y (n,)`` is ``t``, the place along the sheet.

    Raises:
        ImportError: if scikit-learn is not installed.
        ValueError: if ``n`` is below 2, ``k`` is not below ``n``, or ``noise`` or ``seed`` is negative.

    References:
        Tenenbaum, de Silva, Langford (2000), *A global geometric framework for nonlinear dimensionality
        reduction*. Deviation: PyGSP's ``SwissRoll`` joins all points whose weight is above a threshold.

    Example:
        >>> swiss_roll(100).pos.shape
        torch.Size([100, 3])
    """
    where, n, seed = options(device, dtype), require_integer("n", n, 2, "points"), require_seed(seed)
    if require_number("noise", noise) < 0:
        raise ValueError(f"noise is a standard deviation, at least 0, got {noise:g}")
    with naming_extra():
        from sklearn.datasets import make_swiss_roll
    points, along = make_swiss_roll(n, noise=noise, random_state=seed)
    graph = _joined(points, k, where)
    graph.y = torch.from_numpy(along).to(graph.edge_weight)
    return graph


def _joined(points: np.ndarray, k: int, where: Options) -> Data:
    """The graph of the points in their type: found on the processor, so that it is the same everywhere."""
    dtype = where["dtype"] or torch.get_default_dtype()
    graph = nearest_neighbours(torch.from_numpy(points).to(dtype), k)
    return graph.to(where["device"] or torch.get_default_device())
