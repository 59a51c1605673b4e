"""Graphs of images and feature maps: positions joined to those that look alike."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad, unfold
from torch_geometric.data import Batch, Data

from filters.checks import require_integer, require_tensor
from gsp_nonlocal.graphs.lattices import places
from gsp_nonlocal.graphs.neighbourhoods import DistanceWeight, nearest_neighbours
from gsp_nonlocal.nodes import to_nodes


def feature_map(
    x: Tensor, k: int, sigma: float | None = None, weight: DistanceWeight = "gaussian"
) -> Data | Batch:
    r"""``w_ij = exp(−‖x_i − x_j‖² / σ²)`` among ``k`` nearest neighbours of the features at each position.

    The sparse counterpart of an affinity: each position sees those alone whose features are closest, wherever
    they are. Weights are differentiable in the map.

    Args:
        x: a map ``(C, H, W)``, or ``(B, C, H, W)``; ``N = H W``.
        k: neighbours of each position, 1 to ``N − 1``.
        sigma: ``σ``, in units of the features; by default the mean length of the edges, map by map.
        weight: as in :func:`nearest_neighbours`.

    Returns:
        The graph, or a batch of ``B`` graphs: ``x (N, C)`` are the features, ``pos (N, 2)`` are
        ``(column, −row)``.

    Raises:
        TypeError: if the map is no floating-point tensor.
        ValueError: if it has another shape or is empty; else as in :func:`nearest_neighbours`.

    References:
        Wang, Sun, Liu, Sarma, Bronstein, Solomon (2019), *Dynamic graph CNN for learning on point clouds*.

    Example:
        >>> batch = feature_map(torch.rand(2, 8, 5, 4), k=3)
        >>> batch.num_graphs, batch.x.shape, batch.pos[-1]
        (2, torch.Size([40, 8]), tensor([ 3., -4.]))
    """
    if require_tensor("x", x).dim() not in (3, 4) or 0 in x.shape:
        raise ValueError(f"a map has shape (C, H, W) or (B, C, H, W) and is not empty, got {tuple(x.shape)}")
    maps = x if x.dim() == 4 else x.unsqueeze(0)
    graphs = [_alike(nodes, nodes, maps.shape[2:], k, sigma, weight) for nodes in to_nodes(maps)]
    return graphs[0] if x.dim() == 3 else Batch.from_data_list(graphs)


def image_patches(
    image: Tensor, size: int = 3, k: int = 10, sigma: float | None = None, weight: DistanceWeight = "gaussian"
) -> Data:
    r"""``w_ij = exp(−‖p_i − p_j‖² / σ²)`` among ``k`` nearest neighbours of the patches around each pixel.

    ``p_i (C size²)`` are the pixels of the square around pixel ``i``; beyond the border the last pixel is
    repeated. Weights are differentiable in the image.

    Args:
        image: ``(H, W)`` or ``(C, H, W)``, floating-point; ``N = H W``.
        size: side of a patch, odd.
        k: neighbours of each pixel, 1 to ``N − 1``.
        sigma: ``σ``, in units of the patches; by default the mean length of the edges.
        weight: as in :func:`nearest_neighbours`.

    Returns:
        The graph: ``x (N, C)`` are the pixels, ``pos (N, 2)`` are ``(column, −row)``.

    Raises:
        TypeError: if the image is no floating-point tensor.
        ValueError: if it has another shape or is empty; if ``size`` is even; else as in
            :func:`nearest_neighbours`.

    References:
        Buades, Coll, Morel (2005), *A non-local algorithm for image denoising*. As PyGSP's ``ImgPatches`` for
        ``size=3``, except for the deviations of :func:`nearest_neighbours`; PyGSP mirrors the border.

    Example:
        >>> image_patches(torch.rand(3, 6, 5), k=4).x.shape
        torch.Size([30, 3])
    """
    if require_tensor("image", image).dim() not in (2, 3) or 0 in image.shape:
        raise ValueError(
            f"an image has shape (H, W) or (C, H, W) and is not empty, got {tuple(image.shape)}; "
            "make a graph of each image of a batch"
        )
    if not image.is_floating_point():
        raise TypeError(f"an image is floating-point, got {image.dtype}; convert it with .float() / 255")
    if require_integer("size", size) % 2 == 0:
        raise ValueError(f"size must be odd, for a pixel in the middle of its patch, got {size}")
    whole = image.reshape(1, -1, *image.shape[-2:])
    patches = unfold(pad(whole, [size // 2] * 4, mode="replicate"), size)[0].T
    return _alike(to_nodes(whole)[0], patches, whole.shape[2:], k, sigma, weight)


def _alike(
    x: Tensor, features: Tensor, shape: torch.Size, k: int, sigma: float | None, weight: DistanceWeight
) -> Data:
    """The graph of ``features (N, D)`` with signals ``x (N, C)``, its nodes placed in a grid."""
    graph = nearest_neighbours(features, k, sigma, weight)
    graph.x, graph.pos = x, torch.from_numpy(places(*shape)).to(features)
    return graph
