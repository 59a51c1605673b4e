r"""
The known blocks as graphs
==========================

Nine nonlocal blocks of the literature, each a graph filter, on one feature map of a photograph. The row of
each graph shows which positions one position collects from.
"""

import torch
from matplotlib import pyplot as plt
from sklearn.datasets import load_sample_image
from torch import nn
from torch.nn.functional import interpolate

from gsp_nonlocal.blocks import registry
from gsp_nonlocal.probe import SpectralProbe
from gsp_nonlocal.spectral import attention_map

# %%
# The feature map has 32 channels on 40 × 60 positions: colours through one random convolution, each channel
# with mean 0 and standard deviation ½.

torch.manual_seed(0)
photo = torch.tensor(load_sample_image("flower.jpg")).permute(2, 0, 1)[None] / 255
image = interpolate(photo, size=(40, 60), mode="area")
standardise = nn.InstanceNorm2d(32)
with torch.no_grad():
    features = 0.5 * standardise(nn.Conv2d(3, 32, 3, padding=1, padding_mode="reflect")(image))

# %%
# ``describe()`` states a block as a graph filter. Two of the nine in full:

blocks = {}
for name in registry:
    torch.manual_seed(5)
    blocks[name] = registry.get(name)(32).eval()
for name in ("snl", "cc"):
    print(f"{name}\n{blocks[name].describe()}\n")

# %%
# They differ most in the shift.

for name, block in blocks.items():
    print(f"{name:5} {block.describe().shift}")

# %%
# :class:`gsp_nonlocal.probe.SpectralProbe` keeps the shift that each block's filter was given, here that of
# the first application. One row of it is computed, for the position in the middle of the flower. The nodes of
# ``cgnl`` are the channels of all positions; its row is shown on the channel of its own node.

node, grid = (20, 30), (40, 60)
rows = {}
for name, block in blocks.items():
    with SpectralProbe(block) as probe, torch.no_grad():
        block(features)
    row = attention_map(probe.shifts[""], node[0] * grid[1] + node[1])[0]
    rows[name] = row.view(-1, *grid)[0]
    print(f"{name:5} {type(probe.shifts['']).__name__:16} sum of the row {row.sum():10.3f}")

# %%
# Each map has its own colour scale. The numbers above it are the least and the greatest weight, divided by
# the mean of the map: 1 is an even weight. All weights of the blocks are random, so the maps show what kind
# of graph each block makes, not what it learns. ``nl`` and ``ns`` have the same graph and differ in the
# filter. ``cc`` sees a row and a column, ``anl`` the means over the cells of a pyramid, whose borders
# overlap. The graph of ``gc`` has the same row for every position. The series of ``cgnl`` is almost constant
# for untrained features.

figure, axes = plt.subplots(3, 3, figsize=(7.5, 6.2), layout="constrained")
for ax, (name, row) in zip(axes.flat, rows.items(), strict=True):
    relative = row / row.mean()
    ax.imshow(relative.numpy(), cmap="viridis")
    ax.set_title(f"{name}\n{relative.min():.4f} to {relative.max():.4f}", fontsize=11)
    ax.plot(node[1], node[0], "o", mfc="none", mec="red", ms=8, mew=2)
    ax.set(xticks=[], yticks=[])
figure.suptitle("what the marked position collects from")

# %%
# What to read next
# -----------------
#
# :doc:`/parts` has the table of all blocks, affinities and filters. :class:`gsp_nonlocal.NonlocalBlock` takes
# any affinity and any filter.
