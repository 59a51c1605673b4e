r"""
Heat on the Minnesota road graph
================================

Heat starts at three crossings and spreads along the roads: :math:`e^{-\tau L} z` for growing times
:math:`\tau`. The graph is PyGSP's, taken over by :func:`gsp_nonlocal.graphs.from_pygsp`.
"""

import warnings

import matplotlib.pyplot as plt
import torch
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm

from filters import Heat
from gsp_nonlocal import graphs

# %%
# The graph
# ---------
#
# Nodes are crossings and edges are roads. ``data`` is PyG's ``Data``; its positions are longitude and
# latitude.

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of PyGSP, about SciPy
    import pygsp

    data = graphs.from_pygsp(pygsp.graphs.Minnesota(), dtype=torch.float64)
shift = graphs.shift(data, normalization=None)  # S = I - 2 L / lambda_max of the combinatorial Laplacian
print(data)

# %%
# Heat over time
# --------------
#
# One crossing is in the densest part of the network and two are in the country. The sum of the heat stays
# 3. The colours are logarithmic, and the same in all pictures.

places = torch.tensor([[-93.27, 44.98], [-94.88, 47.47], [-95.79, 44.45]], dtype=torch.float64)
sources = torch.cdist(places, data.pos).argmin(dim=1)
z = torch.zeros(1, data.num_nodes, 1, dtype=torch.float64)
z[0, sources] = 1

roads = data.pos[data.edge_index.T].numpy()
fig, axes = plt.subplots(1, 3, figsize=(7, 3.8), layout="constrained")
for ax, tau in zip(axes, (5.0, 40.0, 200.0), strict=True):
    heat = Heat(tau, order=150)(z, shift)[0, :, 0]
    warm = (heat > 1e-4).nonzero().flatten()
    warm = warm[heat[warm].argsort()]  # the warmest on top
    ax.add_collection(LineCollection(roads, colors="0.75", linewidths=0.5, zorder=1))
    dots = ax.scatter(*data.pos[warm].T, c=heat[warm], s=7, cmap="magma_r", norm=LogNorm(1e-4, 1), zorder=2)
    ax.set(title=rf"$\tau = {tau:g}$", aspect=1.4, xticks=[], yticks=[])
    print(f"tau = {tau:3g}: sum {heat.sum():.9f}, {len(warm):4} nodes above 1e-4, at the sources", end=" ")
    print(*(f"{value:.4f}" for value in heat[sources]))
_ = fig.colorbar(dots, ax=axes, label="heat", orientation="horizontal", shrink=0.6)

# %%
# What to read next
# -----------------
#
# :class:`filters.Heat` has its response; PyGSP's ``Heat(G, t)`` is ``Heat(t / 2)`` here. :doc:`/from_pygsp`
# has the other names.
