r"""
Compose filters, and write one
==============================

Filters are values: ``f + g`` runs two in parallel, ``f @ g`` one after the other, and ``a * f`` scales one.
Their responses add, multiply and scale. A filter of one's own is one method, and
:func:`gsp_nonlocal.testing.check_filter` holds it to the laws of filters.
"""

import matplotlib.pyplot as plt
import torch

import filters
from filters import Heat, Identity, MexicanHat
from gsp_nonlocal import graphs
from gsp_nonlocal.report import plot_response
from gsp_nonlocal.spectral import fit_response
from gsp_nonlocal.testing import check_filter

# %%
# Sums, cascades, multiples
# -------------------------

low, hat = Heat(4.0), MexicanHat(1.5)
high = Identity() - low
composed = {
    "f + g": (low, hat, low + hat),
    "f @ g": (high, hat, high @ hat),
    "0.5 * f": (hat, None, 0.5 * hat),
}
fig, axes = plt.subplots(1, 3, figsize=(7, 3), sharey=True, layout="constrained")
for ax, (name, (f, g, result)) in zip(axes, composed.items(), strict=True):
    plot_response(f, ax=ax, label="f", color="C0")
    if g is not None:
        plot_response(g, ax=ax, label="g", color="C1")
    plot_response(result, ax=ax, label=name, color="black")
    ax.set(title=name, ylabel="", xlabel=r"frequency $\lambda$")
axes[0].set_ylabel(r"gain $H(\lambda)$")

lam = torch.linspace(0, 2, 101, dtype=torch.float64)
product = low.response(lam) * hat.response(lam)
print("f @ g:", low @ hat)
print(f"response of f @ g less the product: {((low @ hat).response(lam) - product).abs().max():.0e}")

# %%
# The composition acts on signals as its parts do.

data = graphs.sensor(300, seed=0, dtype=torch.float64)
shift = graphs.shift(data)
z = torch.randn(1, 300, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
print(f"(f @ g)(z) less f(g(z)): {((low @ hat)(z, shift) - low(hat(z, shift), shift)).abs().max():.0e}")

# %%
# A filter of one's own
# ---------------------
#
# ``terms`` yields the signals that the weights mix. These are :math:`z`, :math:`Rz` and :math:`R^2 z` with
# :math:`R = (I + 4L)^{-1}`; since :math:`L = I - S`, that is :math:`(5I - 4S)^{-1}`.


class Smoother(filters.Filter):
    """``y = z W_0 + R z W_1 + R² z W_2 + …`` with ``R = (I + 4L)⁻¹``."""

    def terms(self, shift, z):
        """``z, R z, R² z, …``: one more than the order."""
        yield z
        for _ in range(self.order):
            z = shift.solve(z, 5.0, -4.0)
            yield z


check_filter(Smoother(3, 2, order=2))
print("Smoother keeps the laws")

# %%
# It is fitted to a response and composed as the filters of the library are.

own = Smoother(1, 1, order=2)
fit = fit_response(own, lambda lam: torch.exp(-2 * lam))
print(f"greatest error of the fit: {fit.max_error:.3f}")
fig, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
ax.plot(lam, torch.exp(-2 * lam), color="0.7", linewidth=5, label="wanted")
plot_response(own, ax=ax, label="Smoother, fitted")
plot_response(own @ own, ax=ax, label="Smoother @ Smoother")
plot_response(Identity() - own, ax=ax, label="Identity - Smoother")
_ = ax.set(xlabel=r"graph frequency $\lambda$", ylabel=r"gain $H(\lambda)$")

# %%
# A law that is broken
# --------------------
#
# This one adds a constant, so that it is not linear in the signal. The check, here on one graph, names the
# laws that it breaks.


class Wrong(filters.Filter):
    """``y = (S z + 1) W``."""

    def terms(self, shift, z):
        """The signal, plus a constant."""
        yield z
        yield shift(z) + 1.0


torch.manual_seed(0)
try:
    check_filter(Wrong(3, 2, order=1), graphs.shift(graphs.ring(12)))
except AssertionError as error:
    print(error)

# %%
# What to read next
# -----------------
#
# :doc:`/parts` has a filter of one's own beside those of the library; :class:`filters.Filter` says what
# else a family may write.
