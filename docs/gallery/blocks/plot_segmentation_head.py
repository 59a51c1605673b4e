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
        image[:, :8, :8], image[:, 1:7, 1:7] = 1.0, palette[cue].view(3, 1, 1)
        for colour in (*torch.randint(3, (4,)), cue):
            row, column, radius = *torch.randint(10, 28, (2,)), torch.randint(2, 4, ())
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
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, padding=1), nn.BatchNorm2d(outputs), nn.ReLU())


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
            loss = nn.functional.cross_entropy(model(images[batch]), masks[batch], torch.tensor([1.0, 3.0]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        return model.eval()(test_images).argmax(1)


torch.manual_seed(0)
plain, nonlocal_ = network(), network(SNL(32))
for name, mask in (("without the block", fit(plain)), ("with the block", fit(nonlocal_))):
    union, both = (mask | test_masks).sum(), (mask & test_masks).sum()
    print(
        f"{name:18} IoU of the discs {both / union:.2f}, accuracy {(mask == test_masks).float().mean():.3f}"
    )

# %%
# The accuracy of all pixels says little, since most of them are background. What decides is seen when the
# patch of a scene is given each of the three colours: with the block the mask follows the patch, without it
# the mask of the discs stays the same.

models = {"without the block": plain, "with the block": nonlocal_}
chosen = [1, 5]
figure, axes = plt.subplots(3, 6, figsize=(8.5, 4.5), layout="constrained")
for line, colour in zip(axes, palette, strict=True):
    asked = test_images[chosen]
    asked[:, :, 1:7, 1:7] = colour.view(3, 1, 1)
    with torch.no_grad():
        answers = [model(asked).argmax(1) for model in models.values()]
    for scene, part in enumerate((line[:3], line[3:])):
        part[0].imshow(asked[scene].permute(1, 2, 0).clamp(0, 1).numpy())
        for ax, mask in zip(part[1:], answers, strict=True):
            ax.imshow(mask[scene].numpy(), cmap="gray")
for ax, title in zip(axes[0], 2 * ["scene", *models], strict=True):
    ax.set_title(title, fontsize=9)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])

# %%
# What to read next
# -----------------
#
# :doc:`/recipes` puts blocks into the segmentation networks of torchvision, and :doc:`/study` has other
# blocks on scenes of this kind.
