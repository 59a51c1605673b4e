r"""
Denoise a piecewise constant signal
===================================

A signal of three levels on a sensor graph, with noise, is smoothed by Tikhonov's method, by heat and by total
variation. The first two blur the borders; total variation blurs them less.
"""

# sphinx_gallery_thumbnail_number = 2
import matplotlib.pyplot as plt
import torch

from gsp_nonlocal import graphs
from gsp_nonlocal.signals import denoise

# %%
# Signal and noise
# ----------------

data = graphs.sensor(800, k=8, seed=3, dtype=torch.float64)
shift = graphs.shift(data, normalization=None)
x, y = data.pos.T
clean = ((x > 0.35).double() + ((x - 0.7).square() + (y - 0.4).square() < 0.05).double()).view(1, -1, 1)
noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
noisy = clean + 0.4 * noise


def error(found):
    """Root mean square error."""
    return (found - clean).square().mean().sqrt().item()


# %%
# The strength of each method
# ---------------------------
#
# Each is run at several strengths, and the best one is chosen by the error to the clean signal. That shows
# what a method can do; on data whose clean signal is unknown, the strength is chosen on another signal.

strengths = {
    "tikhonov": torch.logspace(-0.5, 2.5, 9),
    "heat": torch.logspace(-0.5, 2, 9),
    "tv": torch.logspace(-1, 0, 6),
}
fig, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
best = {}
for method, sweep in strengths.items():
    found = [denoise(noisy, shift, method, strength, tolerance=1e-5) for strength in sweep.tolist()]
    errors = torch.tensor([error(one) for one in found])
    best[method] = found[errors.argmin()]
    print(f"{method:9} strength {sweep[errors.argmin()]:7.3f}, error {errors.min():.3f}")
    ax.semilogx(sweep, errors, "o-", label=method)
print(f"{'noisy':9} {'':16}  error {error(noisy):.3f}")
ax.axhline(error(noisy), color="0.5", linestyle="--", label="noisy")
ax.set(xlabel="strength", ylabel="root mean square error", ylim=(0.1, 0.45))
_ = ax.legend()

# %%
# Where the errors are
# --------------------
#
# Above are the signals, below their errors. With Tikhonov's method and with heat the errors line up along the
# borders, where both sides are drawn towards each other. With total variation there are fewer of them.

shown = {"noisy": noisy, **best}
fig, axes = plt.subplots(2, 4, figsize=(7, 4.2), layout="constrained")
for (above, below), (name, signal) in zip(axes.T, shown.items(), strict=True):
    top = above.scatter(x, y, c=signal.flatten(), s=4, cmap="viridis", vmin=-0.5, vmax=2.5)
    low = below.scatter(x, y, c=(signal - clean).flatten(), s=4, cmap="RdBu_r", vmin=-0.8, vmax=0.8)
    above.set_title(name)
fig.colorbar(top, ax=axes[0], label="signal", shrink=0.9)
fig.colorbar(low, ax=axes[1], label="error", shrink=0.9)
for ax in axes.flat:
    ax.set(aspect="equal", xticks=[], yticks=[])

# %%
# What to read next
# -----------------
#
# :func:`gsp_nonlocal.signals.denoise` says what each method solves, and how exactly. :doc:`/from_pygsp` names
# the other functions for signals.
