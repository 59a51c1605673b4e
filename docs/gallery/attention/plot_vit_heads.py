r"""
What did my attention learn?
============================

A small vision transformer learns handwritten digits. A probe reads the graph of each of its heads: where the
heads look, and their eigenvalues in the complex plane.
"""

import torch
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from timm.models import VisionTransformer
from torch import nn

from gsp_nonlocal.probe import SpectralProbe
from gsp_nonlocal.spectral import attention_map, departure_from_normality, row_agreement, spectrum

# %%
# A vision transformer of timm with two layers of four heads. Each pixel is a token, embedded with its
# neighbours by a 3 × 3 convolution; with the class token there are 65 nodes. It is trained for some seconds.

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
# The probe reads any model as it is. For each attention it holds one graph an image and head, here of 40
# images. The departure from normality says how much the eigenvalues leave unsaid of a graph; the agreement of
# rows is 1 where all tokens look at the same.

vit.eval()
with torch.no_grad():
    found = vit(images[1400:]).argmax(1)
    print(f"accuracy on {len(found)} test images: {(found == labels[1400:]).float().mean():.2f}")
    tested, heads = images[1400:1440], 4
    with SpectralProbe(vit) as probe:
        vit(tested)
for path, shift in probe.shifts.items():
    for name, measure in {"departure": departure_from_normality, "agreement": row_agreement}.items():
        of_heads = measure(shift).view(-1, heads).mean(0)
        print(f"{path} {name}", [round(number, 2) for number in of_heads.tolist()])

# %%
# The row of the class token in each head, for one image: where the class token collects from. Colours are
# logarithmic; 1 is an even weight.

image = 3
figure, axes = plt.subplots(2, 5, figsize=(8, 3.6), layout="constrained")
for line, (path, shift) in zip(axes, probe.shifts.items(), strict=True):
    line[0].imshow(tested[image, 0].numpy(), cmap="gray")
    line[0].set_ylabel(path)
    rows = attention_map(shift, 0)[image * heads : (image + 1) * heads, 1:].view(heads, 8, 8)
    for head, (ax, row) in enumerate(zip(line[1:], rows, strict=True)):
        drawn = ax.imshow(65 * row.numpy(), cmap="magma", norm="log", vmin=0.1, vmax=65)
        ax.set_title(f"head {head}", fontsize=10)
figure.colorbar(drawn, ax=axes, label=r"weight $N\,S_{0j}$")
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])

# %%
# All eigenvalues of the graphs. Rows sum to 1, so 1 is an eigenvalue of each graph, and all others lie within
# the unit circle. A second eigenvalue near 1 belongs to a head whose tokens form groups that hardly collect
# from each other. Most eigenvalues are close to 0. That does not mean that the head does little: where the
# departure from normality is great, eigenvalues are small and the matrix is not.

figure, axes = plt.subplots(2, 4, figsize=(8, 4.4), layout="constrained", sharex=True, sharey=True)
for line, (path, shift) in zip(axes, probe.shifts.items(), strict=True):
    mu = spectrum(shift).eigenvalues.view(-1, heads, 65)
    print(path, "mean second eigenvalue:", [round(m, 2) for m in mu[..., 1].real.mean(0).tolist()])
    for head, ax in enumerate(line):
        ax.plot(mu[:, head].real.flatten(), mu[:, head].imag.flatten(), ".", ms=4, alpha=0.5)
        ax.add_patch(plt.Circle((0, 0), 1, fill=False, color="0.7"))
        ax.set(aspect="equal", title=f"{path.removesuffix('.attn')}, head {head}")
figure.supxlabel("real part of the eigenvalue")
figure.supylabel("imaginary part")

# %%
# What to read next
# -----------------
#
# :doc:`/analysis` says which attention is read and how, and writes all of this as a page.
# :class:`gsp_nonlocal.probe.SpectralProbe` is the probe.
