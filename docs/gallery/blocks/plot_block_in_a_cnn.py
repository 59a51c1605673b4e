r"""
A nonlocal block in a CNN
=========================

A spectral nonlocal block is inserted into a ResNet-18 of torchvision. The network stays the same function
until the block is trained; with its gate open, one position of the feature map depends on the whole image.
"""

import torch
import torchvision
from matplotlib import pyplot as plt
from sklearn.datasets import load_sample_image
from torch import nn
from torch.nn.functional import interpolate

from gsp_nonlocal import SNL, insert_blocks, inserted_blocks
from gsp_nonlocal.probe import SpectralProbe
from gsp_nonlocal.spectral import attention_map

# %%
# The network has random weights, so nothing is downloaded. The block follows the module ``layer2.1``, whose
# output has 128 channels and an eighth of the image's height and width. The output of the network is bit for
# bit what it was: the gate of a new block is 0.

torch.manual_seed(0)
photo = torch.tensor(load_sample_image("china.jpg")).permute(2, 0, 1)[None] / 255
image = interpolate(photo, size=(320, 480), mode="area")
cnn = torchvision.models.resnet18(weights=None).eval()

with torch.no_grad():
    plain = cnn(image)
    insert_blocks(cnn, {"layer2.1": SNL})
    print("same output after insertion:", torch.equal(cnn(image), plain))
print(inserted_blocks(cnn))

# %%
# The nodes of the graph are the 40 × 60 positions of the map. Row :math:`i` of the shift :math:`S` holds the
# weights with which position :math:`i` collects from all positions.
# :func:`gsp_nonlocal.spectral.attention_map` computes it from the factors of :math:`S`, without the matrix.

node, grid = (26, 30), (40, 60)
with SpectralProbe(cnn) as probe, torch.no_grad():
    cnn(image)
shift = probe.shifts["layer2.1.nonlocal_block"]
row = attention_map(shift, node, grid=grid)[0]
print(shift)
print(f"weights of the row, times N: {row.min() * row.numel():.2f} to {row.max() * row.numel():.2f}")

# %%
# The gradient of one output position by the image shows what that position depends on. With the gate at 0 it
# is the receptive field of the convolutions. With the gate at 1 the filter adds a part from every position.
# No weight of an untrained row is much above :math:`1/N`, so this part is weak and spread out; the scale is
# logarithmic.

stem = nn.Sequential(cnn.conv1, cnn.bn1, cnn.relu, cnn.maxpool, cnn.layer1, cnn.layer2)


def dependence(gate):
    """How much the features at ``node`` depend on each pixel, relative to the strongest pixel."""
    nn.init.constant_(cnn.layer2[1].nonlocal_block.units[0].gate, gate)
    x = image.clone().requires_grad_()
    (grad,) = torch.autograd.grad(stem(x)[0, :, *node].sum(), x)
    grad = grad[0].abs().sum(0)
    return grad / grad.max()


before, after = dependence(0.0), dependence(1.0)
for name, found in (("gate 0", before), ("gate 1", after)):
    print(f"{name}: depends on {(found > 0).float().mean():.1%} of the pixels")

# %%

figure, axes = plt.subplots(2, 2, figsize=(7.5, 5.4), layout="constrained")
axes[0, 0].imshow(image[0].permute(1, 2, 0).numpy())
axes[0, 0].set_title("image and position i")
drawn = axes[0, 1].imshow((row * row.numel()).numpy(), extent=(0, 480, 320, 0), cmap="viridis")
axes[0, 1].set_title("row i of the graph")
figure.colorbar(drawn, ax=axes[0, 1], label=r"$N\,S_{ij}$")
for ax, found, title in zip(axes[1], (before, after), ("without the block", "with the block"), strict=True):
    drawn = ax.imshow(found.clamp_min(1e-8).numpy(), norm="log", vmin=1e-8, vmax=1, cmap="magma")
    ax.set_title(f"i depends on, {title}")
figure.colorbar(drawn, ax=axes[1, 1], label="gradient, relative")
for ax in axes.flat:
    ax.plot(8 * node[1] + 4, 8 * node[0] + 4, "o", mfc="none", mec="red", ms=9, mew=2)
    ax.set(xticks=[], yticks=[])

# %%
# What to read next
# -----------------
#
# :doc:`/insertion` says how blocks are put into any network, and what is refused. :class:`gsp_nonlocal.SNL`
# is the block.
