r"""
Rollout, relevance, and what a map is worth
===========================================

Three ways to say which pixels the class of a small vision transformer comes from, and a curve that tests
whether they say anything.
"""

import torch
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from timm.models import VisionTransformer
from torch import nn

from gsp_nonlocal.attribution import deletion_curve, norm_weighted, relevance, rollout
from gsp_nonlocal.probe import SpectralProbe
from gsp_nonlocal.spectral import attention_map

# %%
# The model is that of :doc:`plot_vit_heads`: two layers of four heads on the 64 pixels of a digit and a class
# token.

torch.manual_seed(0)
digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 8 - 1
labels = torch.tensor(digits.target)
size = {"img_size": 8, "patch_size": 1, "in_chans": 1, "num_classes": 10}
vit = VisionTransformer(**size, embed_dim=32, depth=2, num_heads=4, mlp_ratio=2)
vit.patch_embed.proj = nn.Conv2d(1, 32, 3, padding=1)
for start in (vit.cls_token, vit.pos_embed):
    nn.init.normal_(start, std=0.2)

epochs, batches = 12, torch.arange(1400).split(64)
optimizer = torch.optim.AdamW(vit.parameters())
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=epochs * len(batches))
for _ in range(epochs):
    for batch in torch.randperm(1400).split(64):
        loss = nn.functional.cross_entropy(vit(images[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()

# %%
# Each map is the row of the class token in a graph, one graph an image:
#
# - the last layer alone, its heads weighted by the values that they carry
#   (:func:`gsp_nonlocal.attribution.norm_weighted`);
# - rollout, the product of all layers with their residuals (:func:`gsp_nonlocal.attribution.rollout`);
# - relevance, a product of all layers too, of the positive parts of weight times gradient for the class
#   (:func:`gsp_nonlocal.attribution.relevance`).

tested, classes = images[1400:1432], labels[1400:1432]
vit.eval()
with SpectralProbe(vit) as probe, torch.no_grad():
    found = vit(tested).argmax(1)
print(f"correct: {int((found == classes).sum())} of {len(tested)}")
graphs = {
    "last layer": norm_weighted(probe.traces["blocks.1.attn"][0]),
    "rollout": rollout(probe),
    "relevance": relevance(vit, tested, target=found.tolist()),
}
maps = {name: attention_map(graph, 0)[:, 1:].view(-1, 8, 8) for name, graph in graphs.items()}

# %%
# ``deletion_curve`` takes pixels away, those of the greatest weight first, and follows the probability of the
# class. A map that says where the class comes from makes it fall sooner than a random order. The random
# orders are the measure of what the maps are worth.

curves = {name: deletion_curve(vit, tested, scores, found, steps=16) for name, scores in maps.items()}
for name, curve in curves.items():
    print(f"{name}\n  {curve}")

# %%

shown = [3, 5, 8]
figure, axes = plt.subplots(len(shown), 4, figsize=(7, 5), layout="constrained")
for line, image in zip(axes, shown, strict=True):
    line[0].imshow(tested[image, 0].numpy(), cmap="gray")
    line[0].set_ylabel(f"found: {found[image]}")
    for ax, scores in zip(line[1:], maps.values(), strict=True):
        ax.imshow(scores[image].numpy(), cmap="magma")
for ax, title in zip(axes[0], ("image", *maps), strict=True):
    ax.set_title(title)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])

# %%
# All three maps are better than random orders here. The differences among the three are small beside that.

figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
for name, curve in curves.items():
    ax.plot(curve.fractions, curve.probability.mean(0), "o-", ms=4, label=name)
of_random = curve.random.mean(1)
ax.plot(curve.fractions, of_random.mean(0), "k--", label="random orders")
ax.fill_between(curve.fractions, of_random.amin(0), of_random.amax(0), color="k", alpha=0.15)
ax.set(xlabel="share of pixels taken away", ylabel="mean probability of the class")
ax.legend(frameon=False)

# %%
# What to read next
# -----------------
#
# :doc:`/analysis` has these maps on the page of a whole model, and their sources.
# :func:`gsp_nonlocal.attribution.insertion_curve` puts pixels in instead.
