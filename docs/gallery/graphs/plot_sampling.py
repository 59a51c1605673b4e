r"""
Sample a band-limited signal
============================

A signal of the :math:`k` lowest frequencies is known at a few nodes.
:func:`gsp_nonlocal.signals.reconstruct` finds it at all nodes: exactly where the samples determine it, and
with more samples than needed where they are noisy.
"""

import matplotlib.pyplot as plt
import torch

from gsp_nonlocal import graphs
from gsp_nonlocal.signals import interpolate, reconstruct, sample
from gsp_nonlocal.spectral import igft, spectrum

# %%
# A signal of 20 coefficients
# ---------------------------

n, band = 500, 20
draw = torch.Generator().manual_seed(0)
data = graphs.sensor(n, k=6, seed=2, dtype=torch.float64)
shift = graphs.shift(data).to_dense()
coefficients = torch.zeros(1, n, 1, dtype=torch.float64)
coefficients[:, :band] = torch.randn(1, band, 1, generator=draw, dtype=torch.float64)
z = igft(coefficients, spectrum(shift, eigenvectors=True))
z = z / z.square().mean().sqrt()

# %%
# Known at 40 nodes, reconstructed at 500
# ---------------------------------------


def draw_mask(count):
    """``count`` nodes drawn at random."""
    return torch.zeros(n, dtype=torch.bool).index_fill(0, torch.randperm(n, generator=draw)[:count], True)


def error(found):
    """Root mean square error."""
    return (found - z).square().mean().sqrt().item()


mask = draw_mask(40)
exact = reconstruct(sample(z, mask), mask, shift, bandwidth=band)
harmonic = interpolate(sample(z, mask), mask, shift)
print(f"reconstruct: error {error(exact):.1e}")
print(f"interpolate: error {error(harmonic):.2f}, which knows of no band")

fig, axes = plt.subplots(1, 3, figsize=(7, 2.8), layout="constrained")
for ax, signal, title in (
    (axes[0], z, "signal"),
    (axes[1], exact, "reconstruct"),
    (axes[2], harmonic, "interpolate"),
):
    dots = ax.scatter(*data.pos.T, c=signal.flatten(), s=7, cmap="RdBu_r", vmin=-2.5, vmax=2.5)
    ax.set(title=title, aspect="equal", xticks=[], yticks=[])
axes[0].scatter(*data.pos[mask].T, s=28, facecolors="none", edgecolors="black", label="known")
axes[0].legend(loc="upper center", bbox_to_anchor=(0.5, 0))
_ = fig.colorbar(dots, ax=axes, label="signal", shrink=0.7)

# %%
# Error over the number of samples
# --------------------------------
#
# Noise of standard deviation 0.1 is added to the samples. Close to as many samples as coefficients it is
# amplified. A band that is too narrow loses a part of the signal, however many samples there are. One that is
# too wide needs more samples. Ten draws of nodes are reconstructed at once, as a batch.

counts = torch.tensor([20, 25, 35, 50, 75, 100, 150, 200, 300, 500])
fig, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
for bandwidth in (15, 20, 40):
    enough = counts[counts >= 1.2 * bandwidth]
    errors = []
    for count in enough:
        masks = torch.stack([draw_mask(count) for _ in range(10)])
        noisy = z + 0.1 * torch.randn(10, n, 1, generator=draw, dtype=torch.float64)
        found = reconstruct(sample(noisy, masks), masks, shift, bandwidth)
        errors.append((found - z).square().mean(dim=(1, 2)).sqrt().median())
    ax.loglog(enough, errors, "o-", label=f"bandwidth {bandwidth}")
    print(f"bandwidth {bandwidth}: {enough[0]} samples, error {errors[0]:.3f};", end=" ")
    print(f"{enough[-1]} samples, error {errors[-1]:.3f}")
ax.axhline(0.1, color="0.5", linestyle="--", label="noise")
ax.set(xlabel="samples", ylabel="root mean square error, median of 10")
ax.set_xticks(counts, counts.tolist())
ax.minorticks_off()
_ = ax.legend()

# %%
# What to read next
# -----------------
#
# :func:`gsp_nonlocal.signals.reconstruct` says when nodes determine a band.
# :func:`gsp_nonlocal.signals.interpolate` needs no band and no spectrum, and goes to large graphs:
# :doc:`/from_pygsp`.
