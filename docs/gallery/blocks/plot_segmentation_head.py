r"""
A nonlocal block in a segmentation network
==========================================

In each scene a framed patch in the corner shows a colour, and the discs of that colour are to be segmented.
A small CNN cannot see the patch from a disc. With a spectral nonlocal block it can.
"""

import torch
from matplotlib import pyplot as plt
from torch import nn

from gsp_nonlocal import SNL
from gsp_nonlocal.probe import SpectralProbe
from gsp_nonlocal.spectral import attention_map

# %%
# Scenes of 32 × 32 pixels with five discs. Four have random colours; the last, on top, has that of the patch.

palette = torch.tensor([[0.9, 0.2, 0.2], [0.2, 0.7, 0.3], [0.25, 0.35, 0.9]])
axis = torch.arange(32)


def scenes(count, seed):
    """Images ``(count, 3, 32, 32)``, and masks of the discs that match the patch."""
    torch.manual_seed(seed)
    images, masks = torch.full((count, 3, 32, 32), 0.5), torch.zeros(count, 32, 32, dtype=torch.long)
    for image, mask in zip(images, masks, strict=True):
        cue = torch.randint(3, ())
        image[:, :6, :6], image[:, 1:5, 1:5] = 1.0, palette[cue].view(3, 1, 1)
        for colour in (*torch.randint(3, (4,)), cue):
            row, column, radius = *torch.randint(8, 28, (2,)), torch.randint(2, 4, ())
            disc = (axis[:, None] - row).square() + (axis - column).square() <= radius.square()
            image[:, disc] = palette[colour].view(3, 1)
            mask[disc] = int(colour == cue)
    return images + 0.08 * torch.randn(images.shape), masks


images, masks = scenes(512, seed=0)
test_images, test_masks = scenes(64, seed=1)

# %%
# Two networks with the same convolutions, at half of the resolution. One has a block before its last layers.


def conv(inputs, outputs, stride=1):
    """A convolution with its norm and activation."""
    layer = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU())


def network(*block):
    """Convolutions, the block, and a head that gives two logits for each pixel."""
    head = [conv(32, 32), nn.Conv2d(32, 2, 1), nn.Upsample(scale_factor=2, mode="bilinear")]
    return nn.Sequential(conv(3, 16), conv(16, 32, stride=2), conv(32, 32), *block, *head)


def fit(model, epochs=10):
    """Train the model, and return its masks of the test scenes."""
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters())
    steps = epochs * len(images) // 16
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=steps)
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(16):
            weight = torch.tensor([1.0, 3.0])
            loss = nn.functional.cross_entropy(model(images[batch]), masks[batch], weight)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        return model.eval()(test_images).argmax(1)


torch.manual_seed(0)
plain, nonlocal_ = network(), network(SNL(32))
found = {"without the block": fit(plain), "with the block": fit(nonlocal_)}
for name, mask in found.items():
    union, both = (mask | test_masks).sum(), (mask & test_masks).sum()
    print(
        f"{name:18} IoU of the discs {both / union:.2f}, accuracy {(mask == test_masks).float().mean():.3f}"
    )

# %%
# The accuracy of all pixels says little, since most of them are background. A row of the graph shows what a
# disc that matches collects from. Nothing was said of the patch in training but the masks.

with SpectralProbe(nonlocal_) as probe, torch.no_grad():
    nonlocal_(test_images)
places = [mask.nonzero()[mask.sum() // 2].tolist() for mask in test_masks]
shift = probe.shifts["3"]
maps = [
    attention_map(shift, (row // 2, column // 2), grid=(16, 16))[k] for k, (row, column) in enumerate(places)
]
share = torch.stack([weights[:4, :4].sum() / weights.sum() for weights in maps]).mean()
print(f"share of the weight at the patch: {share:.2f}, of the positions: {16 / 256:.2f}")

# %%

figure, axes = plt.subplots(3, 5, figsize=(8, 5), layout="constrained")
for scene, line in enumerate(axes):
    line[0].imshow(test_images[scene].permute(1, 2, 0).clamp(0, 1).numpy())
    for ax, mask in zip(line[1:4], (test_masks, *found.values()), strict=True):
        ax.imshow(mask[scene].numpy(), cmap="gray")
    row, column = places[scene]
    line[4].imshow(maps[scene].numpy(), cmap="viridis")
    line[4].plot(column // 2, row // 2, "o", mfc="none", mec="red", ms=8, mew=2)
for ax, title in zip(axes[0], ["scene", "truth", *found, "row of the graph"], strict=True):
    ax.set_title(title, fontsize=10)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])

# %%
# What to read next
# -----------------
#
# :doc:`/recipes` puts blocks into the segmentation networks of torchvision, and :doc:`/study` has other
# blocks on scenes of this kind.
