r"""
Export to ONNX
==============

A CNN with a nonlocal block is exported once, and runs in onnxruntime at other batches and sizes of image than
the one that it was exported with.
"""

import logging
import tempfile
import warnings
from pathlib import Path

import onnxruntime
import torch
from matplotlib import pyplot as plt
from sklearn.datasets import load_sample_image
from torch import nn
from torch.export import Dim
from torch.nn.functional import interpolate

from gsp_nonlocal import SNL

# %%
# The network keeps the size of the image, so its output can be looked at. Its gate is open; the weights are
# random.

torch.manual_seed(0)
block = SNL(16, order=3)
nn.init.constant_(block.units[0].gate, 1.0)
net = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), block, nn.Conv2d(16, 1, 3, padding=1)).eval()

# %%
# The program is traced with one size; batch, height and width are declared as dynamic.

dynamic = {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
logging.disable(logging.WARNING)
with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the exporter's own code
    program = torch.onnx.export(
        net, (torch.rand(2, 3, 20, 24),), dynamo=True, dynamic_shapes=(dynamic,), verbose=False
    )
    file = Path(folder, "net.onnx")
    program.save(file)
    print(f"{file.name}: {file.stat().st_size / 1024:.0f} KiB, {len(program.model.graph)} operators")
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
logging.disable(logging.NOTSET)
name = session.get_inputs()[0].name

# %%
# Both run on a photograph at several sizes. The differences are those of rounding.

photo = torch.tensor(load_sample_image("china.jpg")).permute(2, 0, 1)[None] / 255
for height, width, batch in ((20, 24, 2), (40, 60, 1), (107, 160, 3), (214, 320, 1)):
    x = interpolate(photo, size=(height, width), mode="area").repeat(batch, 1, 1, 1)
    with torch.no_grad():
        of_torch = net(x)
    (of_onnx,) = session.run(None, {name: x.numpy()})
    difference = (torch.from_numpy(of_onnx) - of_torch).abs().max()
    print(f"{batch} × {height} × {width}: greatest difference {difference:.1e} of {of_torch.abs().max():.2f}")

# %%

left, right = of_torch[0, 0].numpy(), of_onnx[0, 0]
error, mean, limit = right - left, left.mean(), 3 * left.std()
most = abs(error).max()
figure, axes = plt.subplots(1, 3, figsize=(8, 3), layout="constrained")
axes[0].imshow(left - mean, cmap="RdBu_r", vmin=-limit, vmax=limit)
drawn = axes[1].imshow(right - mean, cmap="RdBu_r", vmin=-limit, vmax=limit)
figure.colorbar(drawn, ax=axes[:2], label="output less its mean", location="bottom", shrink=0.6)
drawn = axes[2].imshow(error, cmap="RdBu_r", vmin=-most, vmax=most)
figure.colorbar(drawn, ax=axes[2], label="difference", location="bottom")
for ax, title in zip(axes, ("PyTorch", "onnxruntime", "onnxruntime less PyTorch"), strict=True):
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, fontsize=11)

# %%
# What to read next
# -----------------
#
# :doc:`/insertion` lists what else keeps a network with blocks what it is: ``torch.export``,
# ``torch.compile``, ``torch.fx``, LoRA and others.
