r"""
Design a filter from a wanted response
======================================

:func:`gsp_nonlocal.spectral.fit_response` sets the weights of a filter so that its response
:math:`H(\lambda)` is as close as can be to a wanted one. Four families are fitted to the same band, and
their errors are compared at equal numbers of parameters.
"""

import matplotlib.pyplot as plt
import torch

from filters import ARMA, Cayley, Chebyshev, Rational
from gsp_nonlocal.spectral import fit_response


def band(lam):
    """Pass the frequencies about 0.5."""
    return torch.exp(-(((lam - 0.5) / 0.2) ** 4))


# %%
# One filter of each family
# -------------------------
#
# Weights are found exactly, since the response is linear in them. Zooms and poles are moved by a trust-region
# search. The result says how far the fitted response is from the wanted one.

torch.manual_seed(0)
lam = torch.linspace(0, 2, 401)
makers = {
    "Chebyshev": lambda order: Chebyshev(1, 1, order=order),
    "Cayley": lambda order: Cayley(1, 1, order=order),
    "Rational": lambda order: Rational(1, 1, order=order, poles=2),
    "ARMA": lambda order: ARMA(1, 1, order=order),
}
orders = {"Chebyshev": 12, "Cayley": 6, "Rational": 8, "ARMA": 6}

fig, axes = plt.subplots(2, 2, figsize=(7, 5), sharex=True, sharey=True, layout="constrained")
for ax, (name, order) in zip(axes.flat, orders.items(), strict=True):
    f = makers[name](order)
    fit = fit_response(f, band)
    count = sum(p.numel() for p in f.parameters())
    print(f"{name:10} {count:3} parameters, greatest error {fit.max_error:.3f}")
    ax.plot(lam, band(lam), color="0.6", linewidth=4, label="wanted")
    ax.plot(lam, f.response(lam).flatten().detach(), color="C3", label="fitted")
    ax.set(title=f"{name}, {count} parameters", xlim=(0, 2))
axes[0, 0].legend()
fig.supxlabel(r"graph frequency $\lambda$")
_ = fig.supylabel(r"gain $H(\lambda)$")

# %%
# The rational filter is closest: its two pairs of complex poles can stand beside any frequency. The poles of
# ARMA are real and lie outside the spectrum, so that no term of it is a band.

# %%
# Error over the number of parameters
# -----------------------------------
#
# For this band the rational filter needs the fewest parameters for an error, and ARMA the most. A smoother
# response may rank them otherwise.

sweeps = {
    "Chebyshev": (3, 7, 11, 15, 19, 23, 27, 31),
    "Cayley": (1, 3, 5, 7, 9, 11),
    "Rational": (3, 6, 9, 12, 15, 18, 21),
    "ARMA": (2, 4, 6, 8),
}
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for name, sweep in sweeps.items():
    counts, errors = [], []
    for order in sweep:
        f = makers[name](order).double()
        errors.append(fit_response(f, band).rms_error)
        counts.append(sum(p.numel() for p in f.parameters()))
    ax.semilogy(counts, errors, "o-", label=name)
ax.set(xlabel="parameters", ylabel="root mean square error")
ax.grid(alpha=0.3)
_ = ax.legend()

# %%
# What to read next
# -----------------
#
# :doc:`/parts` lists all families with their formulas. :class:`filters.Rational` says why its poles keep it
# stable.
