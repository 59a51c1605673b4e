r"""
A graph of a million nodes
==========================

A training step of a spectral nonlocal block on a map of 1024 × 1024 positions, the spectrum of its graph, and
the time of a step over the number of nodes.
"""

import resource
from time import perf_counter

import torch
from matplotlib import pyplot as plt

from gsp_nonlocal import SNL
from gsp_nonlocal.spectral import spectrum

# %%
# One position is one node, and all pairs of nodes have an edge. As a matrix of float32 the graph would take 4
# TiB. The block keeps its exact factors: two embeddings of 8 channels for each node.

torch.manual_seed(0)
side = 1024
nodes = side**2
block, x = SNL(16), torch.randn(1, 16, side, side)
with torch.no_grad():
    shift = block.shift(x)
print(f"{nodes:,} nodes, {nodes**2 * 4 / 2**40:.0f} TiB as a matrix")
print(f"{shift}, {shift.left.numel() * 4 / 2**20:.0f} MiB as factors")

# %%
# All eigenvalues follow from the factors: the ones below, and 0 as often as is missing to the number of
# nodes.

found = spectrum(shift)
print(f"eigenvalues: {found.eigenvalues.numel():,}, of which exactly 0 by rank: {found.exact_zeros:,}")
print("the others:", [round(mu, 4) for mu in found.paired[0].tolist()])

# %%
# A forward and a backward pass. The greatest memory of the process so far is an upper bound of what they
# take: it includes PyTorch, and whatever else ran in this process.


def seconds(block, x):
    """Time of one training step."""
    x = x.requires_grad_()
    start = perf_counter()
    block(x).square().mean().backward()
    return perf_counter() - start


torch.nn.init.constant_(block.units[0].gate, 0.5)
step = min(seconds(block, x) for _ in range(2))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(f"one training step: {step:.1f} s, greatest memory so far: {peak:.1f} GiB")

# %%
# The same block with ``form="dense"`` multiplies by the :math:`N \times N` matrix. Its time grows with
# :math:`N^2`, and so does its memory; with factors both grow with :math:`N`.


def times(form, sides):
    """The least time of two steps, for maps of these sides."""
    block = SNL(16, form=form)
    return [min(seconds(block, torch.randn(1, 16, s, s)) for _ in range(2)) for s in sides]


few, many = [16, 24, 32, 48, 64], [16, 32, 64, 128, 256, 512]
dense, factors = times("dense", few), [*times("low_rank", many), step]
print(f"{few[-1] ** 2:,} nodes: dense {dense[-1] / factors[2]:.0f} times as long as factors")

# %%

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.loglog([s**2 for s in few], dense, "s-", label=r"dense matrix, $N^2$ numbers")
ax.loglog([s**2 for s in [*many, side]], factors, "o-", label=r"SNL by its factors, $16\,N$ numbers")
ax.set(xlabel="nodes N", ylabel="time of a training step in s")
ax.grid(alpha=0.3)
ax.legend(frameon=False)

# %%
# What to read next
# -----------------
#
# :doc:`/scale` divides one map over several devices. :class:`gsp_nonlocal.LowRankShift` is the shift kept as
# factors, :func:`gsp_nonlocal.spectral.spectrum` finds its eigenvalues.
