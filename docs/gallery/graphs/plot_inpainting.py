r"""
Fill in a photograph
====================

Of a part of a photograph 70 % of the pixels are lost. :func:`gsp_nonlocal.signals.interpolate` fills them
in on two graphs: the sparse one that joins neighbouring pixels, and a fully connected one, kept as low-rank
factors, that joins all pixels by colour and position. The sparse graph is the better one here.
"""

import matplotlib.pyplot as plt
import torch
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_sample_image

from gsp_nonlocal import graphs
from gsp_nonlocal.shifts import LowRankShift
from gsp_nonlocal.signals import interpolate

# %%
# The photograph and what is left of it
# -------------------------------------

height, width = 144, 192
crop = load_sample_image("china.jpg")[130 : 130 + height, 230 : 230 + width]
image = torch.from_numpy(crop.copy()).double() / 255
draw = torch.Generator().manual_seed(0)
known = torch.rand(height, width, generator=draw) < 0.3
values, mask = image.view(1, -1, 3), known.flatten()  # nodes are pixels, channels are colours


def psnr(found):
    """Decibels, of colours in [0, 1]."""
    return -10 * (found.clamp(0, 1) - image).square().mean().log10().item()


# %%
# Three fillings
# --------------
#
# 1. Gaussian means of the known pixels, of a width of one pixel.
# 2. The harmonic signal on the grid: each lost pixel is the mean of its neighbours, four inside the picture.
# 3. The harmonic signal on :math:`S = Z \Lambda^{-1} Z^T` (Liu, He, Chang 2010): the rows of :math:`Z` are
#    softmax weights of 128 anchors, pixels drawn at random, by distance in colour and position. Colours are
#    those of the Gaussian means, as the true ones are lost.

share = torch.from_numpy(gaussian_filter(known.double(), 1.0)).clamp_min(1e-9)
smooth = torch.from_numpy(gaussian_filter(image * known[..., None], (1.0, 1.0, 0))) / share[..., None]

grid = graphs.shift(graphs.grid(height, width, dtype=torch.float64), normalization=None, lambda_max=8.0)
sparse = interpolate(values, mask, grid).view_as(image)

place = torch.cartesian_prod(torch.arange(height), torch.arange(width)) / width
features = torch.cat([smooth.view(-1, 3), place], dim=1)
anchors = features[torch.randperm(len(features), generator=draw)[:128]]
z = torch.softmax(-torch.cdist(features, anchors).square() / (2 * 0.05**2), dim=1)
factors = LowRankShift((z / z.sum(0).sqrt())[None], spectral_bound=1.0)
low_rank = interpolate(values, mask, factors).view_as(image)

# %%
# Which is better
# ---------------
#
# Neighbours in the picture say more of a lost pixel than pixels of like colour elsewhere. The low-rank
# graph has at most 128 frequencies below 1, too few for the fine lines, and is itself made of the colours
# of the means.

filled = {"Gaussian means": torch.where(known[..., None], image, smooth)}
filled |= {"sparse graph": sparse, "low-rank graph": low_rank}
shown = {"original": image, "known": torch.where(known[..., None], image, 1.0), **filled}
fig, axes = plt.subplots(2, 3, figsize=(7, 4), layout="constrained")
for ax, (name, picture) in zip(axes.flat, shown.items(), strict=False):
    ax.imshow(picture.clamp(0, 1))
    ax.set_title(name, fontsize=10)
    ax.set_axis_off()
for place, (name, picture) in enumerate(filled.items()):
    print(f"{name:14} {psnr(picture):.2f} dB")
    axes[1, 2].plot(psnr(picture), place, "o", color="C0", markersize=9)
    axes[1, 2].text(psnr(picture), place + 0.2, name, ha="center")
axes[1, 2].set_title("PSNR in dB", fontsize=10)
_ = axes[1, 2].set(xlim=(19.8, 21.9), ylim=(-0.5, 2.7), yticks=[])

# %%
# What to read next
# -----------------
#
# :func:`gsp_nonlocal.signals.interpolate` says how each kind of graph is solved. :doc:`/from_pygsp` says
# what came out on whole photographs that lost half of their pixels, beside nonlocal means.
