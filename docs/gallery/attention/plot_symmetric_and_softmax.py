r"""
What softmax loses: symmetric and softmax graphs
================================================

The same weights, normalised in two ways. The symmetric graph has a real spectrum in :math:`[-1, 1]` and
orthonormal eigenvectors. The softmax graph has complex eigenvalues, and they do not say what the graph does.
"""

import torch
from matplotlib import pyplot as plt
from sklearn.datasets import load_sample_image
from torch.nn.functional import interpolate

from gsp_nonlocal.affinity import EmbeddedGaussian
from gsp_nonlocal.spectral import departure_from_normality, eigenvector_condition, gft, spectrum

# %%
# The nodes are 8 × 12 positions of a photograph, with colour and place as features. Both graphs have the same
# embeddings and the same weights :math:`M_{ij} = \exp(s\,\theta_i^\top \phi_j)`. The softmax graph is
# :math:`D^{-1} M`; the symmetric one averages :math:`M` and its transpose, and divides by the roots of
# degrees.

torch.manual_seed(1)
size = (8, 12)
photo = torch.tensor(load_sample_image("flower.jpg")).permute(2, 0, 1)[None] / 255
colours = interpolate(photo, size=size, mode="area").flatten(2).mT.double()
colours = (colours - colours.mean(1, keepdim=True)) / colours.std(1, keepdim=True)
grid = torch.meshgrid(*(torch.linspace(-1, 1, n, dtype=torch.float64) for n in size), indexing="ij")
features = torch.cat([colours, torch.stack(grid, dim=-1).view(1, -1, 2)], dim=-1)

softmax = EmbeddedGaussian(5, 4, scale=8.0).double()
symmetric = EmbeddedGaussian(5, 4, scale=8.0, symmetrization="average", normalization="symmetric").double()
symmetric.load_state_dict(softmax.state_dict())
with torch.no_grad():
    graphs = {"symmetric": symmetric(features), "softmax": softmax(features)}

# %%
# Four things that hold on the symmetric graph are lost:
#
# - eigenvalues are real, so frequencies have an order;
# - the greatest :math:`|\mu|` is the greatest gain :math:`\|S\|_2`;
# - eigenvectors are orthonormal: their condition is 1;
# - a signal has the same energy by frequency as by node (Parseval).

signal = colours.mean(-1, keepdim=True)
for name, shift in graphs.items():
    found = spectrum(shift, eigenvectors=True)
    mu = found.eigenvalues[0]
    energy = gft(signal, found).abs().square().sum() / signal.square().sum()
    print(f"{name}")
    gain = torch.linalg.norm(shift.to_dense()[0], 2)
    complex_ones = int((mu.imag.abs() > 1e-6).sum()) if mu.is_complex() else 0
    print(f"  eigenvalues that are not real   {complex_ones} of {len(mu)}")
    print(f"  greatest |μ|, greatest gain     {mu.abs().max():.3f}, {gain:.3f}")
    print(f"  departure from normality        {departure_from_normality(shift).item():.3f}")
    print(f"  condition of the eigenvectors   {eigenvector_condition(shift).item():.1f}")
    print(f"  energy by frequency / by node   {energy:.3f}")

# %%
# The :math:`\varepsilon`-pseudospectrum holds the numbers that are eigenvalues of :math:`S + E` for some
# :math:`\|E\|_2 \le \varepsilon`: those where the least singular value of :math:`z I - S` is at most
# :math:`\varepsilon`. Around the eigenvalues of a symmetric matrix it is discs of radius :math:`\varepsilon`.
# Those of the softmax graph are far wider: small changes of its weights move its eigenvalues far. The dashed
# line is the border of the numerical range, the numbers :math:`v^* S v` of unit vectors: on the symmetric
# graph the interval from the least to the greatest eigenvalue.

x, y = torch.linspace(-1.4, 1.4, 57, dtype=torch.float64), torch.linspace(0, 1, 21, dtype=torch.float64)
z = torch.complex(*torch.meshgrid(x, y, indexing="xy")).flatten()
turn = torch.exp(1j * torch.linspace(0, 2 * torch.pi, 91, dtype=torch.float64)).view(-1, 1, 1)
levels = [-2, -1.75, -1.5, -1.25, -1, -0.75, -0.5, -0.25, 0]
figure, axes = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained", sharey=True)
for ax, (name, shift) in zip(axes, graphs.items(), strict=True):
    matrix = shift.to_dense()[0].to(z.dtype)
    shifted = z.view(-1, 1, 1) * torch.eye(len(matrix)) - matrix
    least = torch.cat([torch.linalg.svdvals(part)[:, -1] for part in shifted.split(64)]).view(len(y), len(x))
    upper = least.log10().numpy()  # S is real, so the lower half is the same
    for sign in (1, -1):
        drawn = ax.contourf(x, sign * y, upper, levels=levels, extend="both")
    top = torch.linalg.eigh(turn * matrix + (turn * matrix).mH).eigenvectors[:, :, -1:]
    border = (top.mH @ matrix @ top).flatten()  # of the numerical range
    ax.plot(border.real, border.imag, "--", color="white", lw=1.5)
    mu = spectrum(shift).eigenvalues[0]
    ax.plot(mu.real, mu.imag if mu.is_complex() else 0 * mu, "o", mfc="cyan", mec="black", ms=4, mew=0.5)
    ax.set(aspect="equal", title=f"{name} graph", xlabel="real part")
axes[0].set_ylabel("imaginary part")
figure.colorbar(
    drawn, ax=axes, label=r"$\log_{10}$ of the least singular value of $zI - S$", location="bottom"
)

# %%
# What to read next
# -----------------
#
# :doc:`/study` has the spectra of trained blocks. :func:`gsp_nonlocal.spectral.departure_from_normality` and
# :func:`gsp_nonlocal.spectral.eigenvector_condition` are exact on low-rank graphs of any size, and
# :func:`gsp_nonlocal.spectral.symmetric_part` gives a directed graph real frequencies.
