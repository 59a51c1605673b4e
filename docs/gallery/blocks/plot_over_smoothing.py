r"""
Over-smoothing, and filters that avoid it
=========================================

Layers of one graph filter are stacked on the graph of a photograph. Repeated aggregation makes all nodes
alike. What is left at depth is what the filter passes best, so other filters keep the nodes apart.
"""

import torch
from matplotlib import pyplot as plt
from sklearn.datasets import load_sample_image
from torch.nn.functional import interpolate

from filters import Aggregation, Chebyshev, Diffusion, Identity, Monomial
from gsp_nonlocal.affinity import Gaussian
from gsp_nonlocal.spectral import spectrum

# %%
# The nodes are 36 × 54 positions. Their features are colour and place, and the graph is the softmax graph of
# a nonlocal block: its rows sum to 1, so its greatest eigenvalue is 1 and belongs to the constant signal.

size = (36, 54)
photo = torch.tensor(load_sample_image("flower.jpg")).permute(2, 0, 1)[None] / 255
colours = interpolate(photo, size=size, mode="area").flatten(2).mT.double()
rows, columns = torch.meshgrid(*(torch.linspace(-1, 1, n) for n in size), indexing="ij")
place = torch.stack([rows, columns], dim=-1).view(1, -1, 2)
features = torch.cat([2 * (colours - colours.mean(1, keepdim=True)), place], dim=-1)
shift = Gaussian(5, scale=1.0)(features)
mu = spectrum(shift, k=6).eigenvalues[0].real
print("greatest eigenvalues:", [round(m, 3) for m in mu.tolist()])

# %%
# Three layers of one channel, with fixed weights: that of the nonlocal block, that of the nonlocal stage with
# its residual, and a spectral nonlocal layer that damps what all nodes share.


def weighted(layer, *weights):
    """The filter with these weights."""
    layer.weight.data.copy_(torch.tensor(weights).view(-1, 1, 1))
    return layer.double()


layers = {
    "nonlocal block, S z": weighted(Aggregation(1, 1), 1.0),
    "nonlocal stage, z + ½ (S − I) z": Identity() + 0.5 * weighted(Diffusion(1, 1), 1.0),
    "spectral, z − ½ S z": weighted(Chebyshev(1, 1, order=1), 1.0, -0.5),
}
for name, layer in layers.items():
    gain = layer.response(torch.tensor([0.0, 1.0], dtype=torch.float64)).flatten()
    print(f"{name:32} gain at λ = 0: {gain[0]:.2f}, at λ = 1: {gain[1]:.2f}")

# %%
# After :math:`K` layers the gain is :math:`H(\lambda)^K`. How far the signal is from a constant one is
# measured relative to its norm: 0 where all nodes are alike, 1 where their mean is 0. In place of a stack,
# one filter of order :math:`K` can reach as far: a :class:`filters.Monomial` starts as PageRank, which
# returns to the signal.


def distance(x):
    """Distance from the mean over the nodes, relative."""
    return float((x - x.mean(1, keepdim=True)).norm() / x.norm())


torch.manual_seed(0)
depth, matrix, z = 32, shift.to_dense(), colours.mean(-1, keepdim=True)
signals, distances = {}, {}
with torch.no_grad():
    for name, layer in layers.items():
        stack = [z]
        for _ in range(depth):
            stack.append(layer(stack[-1], matrix))
        signals[name], distances[name] = stack[-1], [distance(x) for x in stack]
    stack = [z] + [Monomial(1, 1, order=k).double()(z, matrix) for k in range(1, depth + 1)]
signals["PageRank, order K"] = stack[-1].sign().mean() * stack[-1]
distances["PageRank, order K"] = [distance(x) for x in stack]
for name, found in distances.items():
    print(f"{name:32} distance {found[0]:.3f}, after {depth} layers {found[-1]:.1e}")

# %%
# The first two filters pass :math:`\lambda = 0` best, and all nodes become alike; the residual only slows it.
# The third loses the mean and keeps differences. PageRank keeps both: on this graph, whose eigenvalues are
# not negative, its gain is at least the restart probability, 0.1, at every order. Maps are drawn at equal
# norm.

figure = plt.figure(figsize=(7.5, 5.4), layout="constrained")
top, bottom = figure.subfigures(2, 1, height_ratios=[1.9, 1])
ax = top.subplots()
for name, found in distances.items():
    ax.semilogy(found, label=name)
ax.set(xlabel="layers K", ylabel="distance from the mean, relative")
ax.grid(alpha=0.3)
ax.legend(frameon=False)
for ax, (name, x) in zip(bottom.subplots(1, 4), signals.items(), strict=True):
    scaled = (x / x.square().mean().sqrt()).view(size)
    drawn = ax.imshow(scaled.numpy(), cmap="RdBu_r", vmin=-2.5, vmax=2.5)
    ax.set_title(name.split(",")[0], fontsize=9)
    ax.set(xticks=[], yticks=[])
bottom.colorbar(drawn, ax=bottom.axes, label=f"signal, K = {depth}")

# %%
# What to read next
# -----------------
#
# :doc:`/parts` has the responses of all filters. :func:`gsp_nonlocal.spectral.distance_to_rank_one` measures
# how close a graph is to over-smoothing in one step.
