r"""
Reduce a graph and its signal
=============================

:func:`gsp_nonlocal.signals.graph_pyramid` halves a graph level by level, by Kron reduction, and keeps what
the coarse signal does not predict. The signal comes back exactly, and approximately from the coarse levels
alone.
"""

import matplotlib.pyplot as plt
import torch

from gsp_nonlocal import graphs
from gsp_nonlocal.report import plot_graph
from gsp_nonlocal.signals import Pyramid, grad, graph_pyramid, kron_reduction, sparsify, synthesise

# %%
# A pyramid of three levels
# -------------------------

data = graphs.sensor(500, k=6, seed=1, dtype=torch.float64)
shift = graphs.shift(data, normalization=None)
x, y = data.pos.T
z = (torch.sin(4 * x) * torch.cos(5 * y) + 0.5 * (x + y > 1.2)).view(1, -1, 1)

parts = graph_pyramid(z, shift, levels=3)
for level, s in enumerate(parts.shifts):
    print(f"level {level}: {s.shape[-1]:3} nodes")

# %%
# The graphs and their signals
# ----------------------------
#
# ``parts.kept`` has the nodes that each level takes over. :func:`gsp_nonlocal.signals.kron_reduction` of
# PyG's ``Data`` gives the same nodes a graph to draw. Reduction joins all nodes that had a path over
# removed ones: most edges of coarse graphs are weak. Drawn are those of at least 5 % of the greatest
# weight.

levels = [data]
for nodes in parts.kept:
    levels.append(kron_reduction(levels[-1], nodes))

fig, axes = plt.subplots(2, 2, figsize=(7, 5.8), layout="constrained")
for j, (ax, graph) in enumerate(zip(axes.flat, levels, strict=True)):
    part = Pyramid(parts.coarse, parts.errors[j:], parts.kept[j:], parts.shifts[j:])
    strong = graph.edge_weight > 0.05 * graph.edge_weight.max()
    plot_graph(graph.edge_subgraph(strong), synthesise(part), ax=ax)
    ax.set_title(f"{graph.num_nodes} nodes", fontsize=10)
    print(f"level {j}: {graph.num_edges // 2:5} edges, {int(strong.sum()) // 2:4} drawn")

# %%
# The way back
# ------------
#
# With all prediction errors the signal is exact. Where those of the finest levels are left out, it is what
# the coarse levels predict, and smoother.

fig, axes = plt.subplots(1, 4, figsize=(7, 2.3), layout="constrained")
for left_out, ax in enumerate(axes):
    errors = [e if j >= left_out else torch.zeros_like(e) for j, e in enumerate(parts.errors)]
    found = synthesise(parts._replace(errors=errors))
    numbers = parts.coarse.numel() + sum(e.numel() for e in parts.errors[left_out:])
    share = ((found - z).norm() / z.norm()).item()
    print(f"errors of {left_out} levels left out: {numbers:3} numbers, relative error {share:.1e}")
    dots = ax.scatter(x, y, c=found.flatten(), s=3, cmap="viridis", vmin=-1, vmax=1.2)
    ax.set(title=f"{numbers} numbers", aspect="equal", xticks=[], yticks=[])
_ = fig.colorbar(dots, ax=axes, label="signal", shrink=0.7)

# %%
# Fewer edges
# -----------
#
# :func:`gsp_nonlocal.signals.sparsify` draws edges of a dense graph by their effective resistances. Weights
# are unbiased: energies of signals stay close, and the closer, the more edges are drawn.

coarse = levels[-1]
energy = grad(parts.coarse, coarse).square().sum()
print(f"all {coarse.num_edges // 2} edges")
for samples in (100, 400, 1600):
    found = sparsify(coarse, samples=samples)
    ratio = grad(parts.coarse, found.graph).square().sum() / energy
    edges, pieces = found.graph.num_edges // 2, found.components
    print(f"{samples:4} draws: {edges:4} edges, {pieces} component(s), energy {ratio:.2f} of what it was")

# %%
# What to read next
# -----------------
#
# :func:`gsp_nonlocal.signals.kron_reduction` keeps a low-rank shift low-rank, in time linear in the number of
# nodes. :doc:`/from_pygsp` says what differs from PyGSP's pyramid.
