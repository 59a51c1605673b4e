r"""
What training does to a graph
=============================

A small CNN with a spectral nonlocal block learns handwritten digits. The eigenvalues of its graphs and the
response of its filter, before and after.
"""

import torch
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from torch import nn

from gsp_nonlocal import SNL
from gsp_nonlocal.probe import SpectralProbe
from gsp_nonlocal.spectral import block_response, spectrum

# %%
# The images have 8 × 8 pixels, so each graph has 64 nodes. The embeddings have 8 channels, so at most 16
# eigenvalues of each graph are not 0.

torch.manual_seed(0)
digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
labels = torch.tensor(digits.target)
train, test = range(1400), range(1400, len(labels))


def conv(inputs, outputs):
    """A convolution with its norm and activation."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


block = SNL(16, 8, order=3)
head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)]
net = nn.Sequential(conv(1, 16), block, conv(16, 32), *head)

# %%
# A probe reads the graph of each test image; ``paired`` holds the 16 eigenvalues that the factors give. The
# response is that of the linear part of the block: the projection of values, then the filter.


def look():
    """Accuracy, eigenvalues of all test images, and the response of the filter."""
    net.eval()
    with SpectralProbe(net) as probe, torch.no_grad():
        found = net(images[test]).argmax(1)
    net.train()
    accuracy = (found == labels[test]).float().mean()
    return accuracy, spectrum(probe.shifts["1"]).paired, block_response(block)


before = look()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)
for _ in range(20):
    for batch in torch.randperm(len(train)).split(64):
        loss = nn.functional.cross_entropy(net(images[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    schedule.step()
after = look()

for name, (accuracy, mu, response) in (("before", before), ("after", after)):
    gain = response.mean_gain
    print(f"{name:6} accuracy {accuracy:.2f}")
    print(f"       second eigenvalue {mu[:, 1].mean():.2f}, least {mu[:, -1].mean():.2f}")
    print(f"       {response.kind}, gain at λ = 0: {gain[0]:.2f}, at λ = 1: {gain[50]:.2f}")
print(f"gate: {block.units[0].gate.item():.2f}")

# %%
# The greatest eigenvalue of each graph is 1, before and after: the shift is normalised, and its weights are
# not negative. Training moves other eigenvalues away from 0, to both sides. The filter gains most at
# :math:`\lambda = 0`, the frequency of the signal :math:`D^{1/2} 1`. At :math:`\lambda = 1` lie the 48 or
# more eigenvalues that are 0; what it does there, it does to every signal in the null space of the shift.

figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3.6), layout="constrained")
for name, (_, mu, response), color in (("before", before, "tab:blue"), ("after", after, "tab:orange")):
    place = torch.arange(1, mu.shape[1] + 1)
    left.plot(place, mu.mean(0), "o-", ms=4, color=color, label=name)
    left.fill_between(place, mu.quantile(0.05, dim=0), mu.quantile(0.95, dim=0), color=color, alpha=0.2)
    right.plot(response.frequencies, response.mean_gain, color=color, label=name)
left.axhline(0, color="0.7", lw=0.8)
left.set(
    xlabel="place of the eigenvalue",
    ylabel=r"eigenvalue $\mu$",
    title="graphs of the test images",
    xticks=range(1, 17, 3),
)
right.set(xlabel=r"graph frequency $\lambda = 1 - \mu$", ylabel="mean gain", title="filter", ylim=(0, None))
left.legend(frameon=False)

# %%
# What to read next
# -----------------
#
# :doc:`/study` has the same for every known block. :class:`gsp_nonlocal.probe.SpectralProbe` reads any model,
# :func:`gsp_nonlocal.spectral.block_response` a block.
