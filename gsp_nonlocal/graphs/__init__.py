"""Graphs by name, as PyG's ``Data``: textbook graphs, random ones, neighbours of points, pixels, conversions.

=================================================  ==========================================================
name                                               is
=================================================  ==========================================================
``ring``, ``path``, ``grid``, ``torus``            one weight, spectra in closed form
``complete``, ``comet``                            all pairs; a star with a tail
``erdos_renyi``, ``barabasi_albert``               drawn from a seed, by NetworkX
``stochastic_block_model``, ``community``          the same, with the block of each node as ``y``
``sensor``, ``swiss_roll``                         neighbours among points drawn from a seed
``nearest_neighbours(points, k)``, ``radius``      neighbours among given points; gradients reach the points
``feature_map(x, k)``, ``image_patches``           the same among positions of maps and pixels of images
``from_networkx``, ``from_scipy``, ``from_pygsp``  a graph of another package
``to_networkx``, ``to_scipy``                      and back
``shift(graph)``                                   ``S = I − 2 L / λ_max`` of a graph or a batch
=================================================  ==========================================================

Every graph is undirected: ``edge_index (2, E)`` has each edge in both directions, once, sorted, and
``edge_weight (E,)`` is equal in both. There are no self-loops, except in a graph that came with some. ``pos
(N, D)`` are positions, for pictures; graphs without any have ``None``. A seed is an integer, the same seed
gives the same graph, and PyTorch's, NumPy's and Python's own random numbers stay as they are.
"""

from gsp_nonlocal.graphs.clouds import sensor, swiss_roll
from gsp_nonlocal.graphs.conversion import from_networkx, from_pygsp, from_scipy, to_networkx, to_scipy
from gsp_nonlocal.graphs.graph_shift import shift
from gsp_nonlocal.graphs.lattices import grid, path, ring, torus
from gsp_nonlocal.graphs.maps import feature_map, image_patches
from gsp_nonlocal.graphs.neighbourhoods import nearest_neighbours, radius
from gsp_nonlocal.graphs.random_graphs import barabasi_albert, community, erdos_renyi, stochastic_block_model
from gsp_nonlocal.graphs.stars import comet, complete

__all__ = [
    "barabasi_albert",
    "comet",
    "community",
    "complete",
    "erdos_renyi",
    "feature_map",
    "from_networkx",
    "from_pygsp",
    "from_scipy",
    "grid",
    "image_patches",
    "nearest_neighbours",
    "path",
    "radius",
    "ring",
    "sensor",
    "shift",
    "stochastic_block_model",
    "swiss_roll",
    "to_networkx",
    "to_scipy",
    "torus",
]
