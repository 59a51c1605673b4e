r"""
A spectrogram on a graph
========================

Which frequencies does a signal have, and where on the graph? The spectrogram :math:`E_{ij} = (g_j(L)
z)_i^2` is the energy at node :math:`i` in band :math:`j`. The signal here is smooth in one region of a
graph and oscillates in the other; its spectrum alone does not tell where.
"""

# sphinx_gallery_thumbnail_number = 2
import matplotlib.pyplot as plt
import torch

from filters import Rectangular, itersine
from gsp_nonlocal import graphs
from gsp_nonlocal.signals import atom_energies, spectrogram
from gsp_nonlocal.spectral import gft, spectrum

# %%
# Two regions
# -----------
#
# White noise is filtered to a low band and to a high one; the left half of the graph gets the first and the
# right half the second.

data = graphs.sensor(600, k=8, seed=0, dtype=torch.float64)
order = data.pos[:, 0].argsort()  # nodes from left to right
shift = graphs.shift(data).to_dense()
white = torch.randn(1, 600, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
left = (data.pos[:, 0] < 0.5).view(1, -1, 1)
slow, fast = Rectangular(0.0, 0.15)(white, shift), Rectangular(0.9, 1.1)(white, shift)
z = torch.where(left, slow / slow.std(), fast / fast.std())

found = spectrum(shift, eigenvectors=True)
fig, axes = plt.subplots(1, 2, figsize=(7, 3.2), layout="constrained", width_ratios=(1, 1.2))
dots = axes[0].scatter(*data.pos.T, c=z.flatten(), s=8, cmap="RdBu_r", vmin=-3, vmax=3)
axes[0].set(title="signal", aspect="equal", xticks=[], yticks=[])
fig.colorbar(dots, ax=axes[0], shrink=0.8)
axes[1].vlines(1 - found.paired[0], 0, gft(z, found).abs().flatten(), linewidth=0.8)
_ = axes[1].set(title="its spectrum", xlabel=r"graph frequency $\lambda$", ylabel=r"$|\hat z(\lambda)|$")

# %%
# The spectrogram
# ---------------
#
# The bands are those of a tight frame, so that all energies sum to that of the signal.

count = 25
energy = spectrogram(z, shift, itersine(count))[0, :, :, 0]  # (N, bands)
print(f"sum of all energies / energy of the signal: {energy.sum() / z.square().sum():.9f}")
for name, region in (("left", left.flatten()), ("right", ~left.flatten())):
    mean = (energy[region] * torch.linspace(0, 2, count)).sum() / energy[region].sum()
    print(f"mean frequency in the {name} half: {mean:.2f}")

fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
image = ax.imshow(
    energy[order].sqrt().T, origin="lower", aspect="auto", cmap="magma", extent=(0, 600, 0, 2), vmax=2
)
ax.axvline(left.sum(), color="white", linestyle="--")
ax.set(xlabel="node, from left to right", ylabel=r"graph frequency $\lambda$")
_ = fig.colorbar(image, label=r"$\sqrt{E_{ij}}$")

# %%
# What the graph itself has
# -------------------------
#
# Without a signal, :func:`gsp_nonlocal.signals.atom_energies` says how much of each band there can be about a
# node. A comet has its greatest frequency at the centre of its star alone.

comet = graphs.comet(40, 20, dtype=torch.float64)
atoms = atom_energies(graphs.shift(comet, normalization=None), 40)[0]
fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
image = ax.imshow(atoms.T, origin="lower", aspect="auto", cmap="magma", extent=(-0.5, 39.5, 0, 2))
ax.set(xlabel="node: centre, 19 leaves, tail", ylabel=r"graph frequency $\lambda$")
_ = fig.colorbar(image, label=r"$\|g_j(L)\delta_i\|^2$")

# %%
# What to read next
# -----------------
#
# :func:`gsp_nonlocal.signals.spectrogram` takes any bank of responses, those of ``filters.frames`` among
# them. :doc:`/from_pygsp` has the other functions for signals.
