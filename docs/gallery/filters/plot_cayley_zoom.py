r"""
The zoom of a Cayley filter
===========================

A Cayley filter sends each frequency to the unit circle, :math:`C_h(\lambda) = (h\lambda - i)/(h\lambda + i)`.
The zoom :math:`h` says which frequencies get room there: a large one spreads the low frequencies, where the
communities of a graph are.
"""

# sphinx_gallery_thumbnail_number = 2
import matplotlib.pyplot as plt
import torch

from filters import Cayley, Chebyshev
from gsp_nonlocal import graphs
from gsp_nonlocal.spectral import fit_response, spectrum

# %%
# This graph with five communities has four low frequencies beside :math:`\lambda = 0`, close to each other
# and far from all others.

data = graphs.community(200, 5, inside=0.5, between=0.01, seed=0)
frequencies = spectrum(graphs.shift(data)).frequencies[0].float()
print("lowest frequencies:", [round(f, 3) for f in frequencies[:7].tolist()])

# %%
# The frequencies on the circle
# -----------------------------
#
# For a small zoom they crowd at :math:`C = -1`; for a large one the low frequencies part, and the high ones
# crowd at :math:`C = 1`.

zooms = (0.5, 3.0, 20.0)
circle = torch.exp(1j * torch.linspace(0, 2 * torch.pi, 200))
fig, axes = plt.subplots(1, 3, figsize=(7, 2.9), layout="constrained")
for ax, h in zip(axes, zooms, strict=True):
    c = (h * frequencies - 1j) / (h * frequencies + 1j)
    ax.plot(circle.real, circle.imag, color="0.85")
    dots = ax.scatter(c.real, c.imag, c=frequencies, cmap="viridis", s=25, vmin=0, vmax=1.5, zorder=2)
    ax.set(
        title=f"h = {h:g}", aspect="equal", xlabel=r"Re $C_h(\lambda)$", xticks=(-1, 0, 1), yticks=(-1, 0, 1)
    )
axes[0].set_ylabel(r"Im $C_h(\lambda)$")
_ = fig.colorbar(dots, label=r"graph frequency $\lambda$", shrink=0.8)

# %%
# The same coefficients at several zooms
# --------------------------------------
#
# With its coefficients kept, the response depends on the product :math:`h\lambda` alone: another zoom
# stretches it along the axis.

lam = torch.linspace(0, 2, 2001)
f = Cayley(1, 1, order=3)
fig, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
with torch.no_grad():
    f.weight.copy_(torch.tensor([0.5, 0, 0, 0, 0, -0.5, 0.0]).view(-1, 1, 1))  # (1 - Re C^3) / 2
    for h in zooms:
        f.log_zoom.fill_(h).log_()
        ax.plot(lam, f.response(lam).flatten(), label=f"h = {h:g}")
ax.plot(frequencies, torch.full_like(frequencies, -0.06), "|", color="0.4", markersize=9)
ax.set(
    xlabel=r"graph frequency $\lambda$ (ticks: those of the graph)",
    ylabel=r"gain $H(\lambda)$",
    xlim=(-0.02, 2),
)
_ = ax.legend()

# %%
# The communities apart from the constant
# ---------------------------------------
#
# The response is to be 1 at the four frequencies of the communities, and 0 at :math:`\lambda = 0`, which is
# close to them, and at all others. :func:`gsp_nonlocal.spectral.fit_response` finds the weights, and for the
# Cayley filter the zoom as well. A polynomial with as many parameters is less sharp there.

low, high = frequencies[1], frequencies[4]
centre, width = (low + high) / 2, (high - low) / 2 + 0.05


def band(lam):
    """Pass the frequencies of the communities."""
    return torch.exp(-(((lam - centre) / width) ** 4))


cayley, polynomial = Cayley(1, 1, order=4, zoom=5.0), Chebyshev(1, 1, order=9)
fig, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
ax.plot(lam, band(lam), color="0.6", linewidth=4, label="wanted")
for name, g in (("Cayley, order 4", cayley), ("Chebyshev, order 9", polynomial)):
    fit = fit_response(g, band)
    print(
        f"{name:18} {sum(p.numel() for p in g.parameters())} parameters, greatest error {fit.max_error:.3f}"
    )
    ax.plot(lam, g.response(lam).flatten().detach(), label=name)
print(f"zoom found: {cayley.zoom.item():.1f}")
ax.plot(frequencies, torch.full_like(frequencies, -0.3), "|", color="0.4", markersize=9)
ax.set(xlabel=r"graph frequency $\lambda$", ylabel=r"gain $H(\lambda)$", xlim=(-0.02, 1.5))
_ = ax.legend()

# %%
# What to read next
# -----------------
#
# :class:`filters.Cayley` takes several zooms at once, and learns them. :doc:`/parts` has the other families.
