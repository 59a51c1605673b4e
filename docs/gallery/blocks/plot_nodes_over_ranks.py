r"""
One map over two processes
==========================

Two processes hold one half of a feature map each. With ``NodeParallel`` a nonlocal block on the halves gives
what one process gives on the whole map, to rounding.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from matplotlib import pyplot as plt
from sklearn.datasets import load_sample_image
from torch import nn
from torch.nn.functional import interpolate

from gsp_nonlocal import SNL

# %%
# The program of each process. It gets some rows of the map, and a block that
# :class:`gsp_nonlocal.distributed.NodeParallel` divides. What meets all nodes, such as the degrees of the
# graph, is summed over the processes; the size of these sums does not depend on the number of nodes.

program = """
import sys
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor.parallel import parallelize_module
from gsp_nonlocal.distributed import NodeParallel

rank, folder = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
mesh = init_device_mesh("cpu", (2,))

block = torch.load(f"{folder}/block.pt", weights_only=False)
x = torch.load(f"{folder}/map.pt").tensor_split(2, dim=2)[rank].requires_grad_()
divided = parallelize_module(block, mesh, NodeParallel())
y = divided(x)
y.square().sum().backward()
torch.save({"y": y.detach(), "grad": x.grad}, f"{folder}/part{rank}.pt")
dist.destroy_process_group()
"""

# %%
# The map has 16 channels on 80 × 120 positions, made of a photograph by one random convolution.

torch.manual_seed(0)
photo = torch.tensor(load_sample_image("china.jpg")).permute(2, 0, 1)[None] / 255
with torch.no_grad():
    x = nn.InstanceNorm2d(16)(nn.Conv2d(3, 16, 3, padding=1)(interpolate(photo, size=(80, 120), mode="area")))
block = SNL(16, order=3)
nn.init.constant_(block.units[0].gate, 1.0)

with tempfile.TemporaryDirectory() as folder:
    torch.save(block, Path(folder, "block.pt"))
    torch.save(x, Path(folder, "map.pt"))
    path = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", program]
    ranks = [subprocess.Popen([*command, str(rank), folder], env=path) for rank in range(2)]
    print("exit codes:", [process.wait() for process in ranks])
    parts = [torch.load(Path(folder, f"part{rank}.pt")) for rank in range(2)]

# %%
# One process, the whole map. Values and gradients of the input agree to the rounding of float32. The batch
# norm inside the block takes its statistics over all nodes too.

x.requires_grad_()
whole = block(x)
whole.square().sum().backward()
whole = whole.detach()
for name, of_one in (("y", whole), ("grad", x.grad)):
    of_two = torch.cat([part[name] for part in parts], dim=2)
    print(f"{name:4} greatest difference, relative: {(of_two - of_one).abs().max() / of_one.abs().max():.1e}")

# %%

channel, difference = 0, torch.cat([part["y"] for part in parts], dim=2) - whole
limit = float(whole[0, channel].abs().max())
figure, axes = plt.subplots(2, 2, figsize=(7.5, 5.2), layout="constrained")
signed = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
for ax, part, rank in zip(axes[:, 0], parts, range(2), strict=True):
    ax.imshow(part["y"][0, channel].numpy(), **signed)
    ax.set_title(f"process {rank}")
drawn = axes[0, 1].imshow(whole[0, channel].numpy(), **signed)
axes[0, 1].set_title("one process")
figure.colorbar(drawn, ax=axes[0, 1], label="output, channel 0")
worst = float(difference.abs().max())
drawn = axes[1, 1].imshow(difference[0, channel].numpy(), cmap="RdBu_r", vmin=-worst, vmax=worst)
axes[1, 1].set_title("two processes less one")
figure.colorbar(drawn, ax=axes[1, 1], label="difference")
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])

# %%
# What to read next
# -----------------
#
# :doc:`/scale` says which blocks are divided, what travels between processes, and what was measured.
# :class:`gsp_nonlocal.distributed.NodeParallel` works with data parallelism as well.
