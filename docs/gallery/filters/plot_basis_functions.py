r"""
Bases of the polynomial filters
===============================

The polynomial families span the same responses, in different bases. A basis decides how large the weights
are, and how much of a response rounding loses. Here are the bases over the graph frequency, and what they
make of one fit in float32.
"""

import matplotlib.pyplot as plt
import torch

from filters import Bernstein, Chebyshev, Favard, Jacobi, Legendre, Monomial
from gsp_nonlocal.spectral import fit_response

families = (Chebyshev, Legendre, Jacobi, Favard, Bernstein, Monomial)


def basis(family, order, lam):
    """Responses of the terms: ``(F, order + 1)``."""
    f = family(1, order + 1, order=order, dtype=torch.float64)
    with torch.no_grad():
        f.weight.copy_(torch.eye(order + 1).unsqueeze(1))  # channel k has the weight of term k alone
        return f.response(lam)[:, 0]


# %%
# The terms up to order 5
# -----------------------
#
# The shift has the eigenvalue :math:`\mu = 1 - \lambda`. Orthogonal polynomials cross zero all over the
# spectrum; powers of :math:`\mu` are large at its ends alone, and so look more alike the higher they are.
# Terms of Bernstein are bumps, one after the other. Favard's recurrence is learned; it starts as Chebyshev's
# polynomials of the second kind.

lam = torch.linspace(0, 2, 401, dtype=torch.float64)
fig, axes = plt.subplots(2, 3, figsize=(7, 4.6), sharex=True, layout="constrained")
colours = plt.get_cmap("viridis")(torch.linspace(0, 0.9, 6))
for ax, family in zip(axes.flat, families, strict=True):
    for k, term in enumerate(basis(family, 5, lam).T):
        ax.plot(lam, term, color=colours[k], label=f"k = {k}")
    ax.set(title=family.__name__, xlim=(0, 2))
fig.supxlabel(r"graph frequency $\lambda$")
fig.supylabel(r"term $g_k(\lambda)$")
_ = fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=6)

# %%
# The condition of a fit
# ----------------------
#
# The condition number of a basis bounds by how much errors of rounding grow in a fit. That of the orthogonal
# families stays small. Those of Bernstein and of the powers grow exponentially, and pass the inverse of
# float32's rounding.

orders = range(1, 31)
fig, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
for family in families:
    conditions = [torch.linalg.cond(basis(family, k, lam)).item() for k in orders]
    ax.semilogy(orders, conditions, label=family.__name__)
ax.axhline(1 / torch.finfo(torch.float32).eps, color="0.5", linestyle="--")
ax.text(22, 1.5e6, "1 / (rounding of float32)", color="0.4")
ax.set(xlabel="order", ylabel="condition number", ylim=(0.7, 1e13), xlim=(1, 30))
_ = ax.legend()

# %%
# One response in float32
# -----------------------
#
# At order 10 all families have the same error, that of the least-squares polynomial. At order 24 Bernstein
# and the powers need large weights that cancel, and lose a part of the response.


def wanted(lam):
    """Pass the frequencies about 0.7."""
    return torch.exp(-20 * (lam - 0.7) ** 2)


for order in (10, 24):
    for family in families:
        f = family(1, 1, order=order)
        error = fit_response(f, wanted).max_error
        greatest = f.weight.abs().max().item()
        print(f"{family.__name__:10} order {order}: error {error:.1e}, greatest weight {greatest:.1e}")

# %%
# What to read next
# -----------------
#
# :doc:`/parts` has the formulas and sources of the families. :class:`filters.Chebyshev` is the one to start
# with; :class:`filters.Bernstein` is the one whose weights can be read as a curve.
