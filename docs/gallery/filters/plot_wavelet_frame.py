r"""
Wavelet frames: a signal taken apart and put together
=====================================================

A frame is a bank of responses :math:`g_j(\lambda)` from which a signal comes back. Where their squares sum to
a constant, the frame is tight: the energies of the bands sum to that of the signal, times the constant.
"""

# sphinx_gallery_thumbnail_number = 2
import matplotlib.pyplot as plt
import torch

from filters import frames, itersine
from gsp_nonlocal import graphs
from gsp_nonlocal.report import plot_response

# %%
# Frames by name
# --------------
#
# The black line is the sum of squares :math:`\sum_j g_j(\lambda)^2`; its least and greatest value are the
# frame bounds.

banks = {
    "meyer": frames.meyer(5),
    "itersine": itersine(5),
    "half_cosine": frames.half_cosine(5),
    "abspline": frames.abspline(5),
}
fig, axes = plt.subplots(2, 2, figsize=(7, 5), sharex=True, layout="constrained")
for ax, (name, frame) in zip(axes.flat, banks.items(), strict=True):
    plot_response(frame, ax=ax)
    ax.get_legend().remove()
    ax.set(title=name, xlabel="", ylabel="")
    lower, upper = frame.frame_bounds()
    print(f"{name:12} frame bounds A = {lower:.3f}, B = {upper:.3f}")
fig.supxlabel(r"graph frequency $\lambda$")
_ = fig.supylabel(r"gain $g_j(\lambda)$")

# %%
# A signal in bands
# -----------------
#
# The signal is smooth, with a jump along a circle. The low band has the smooth part. Bands 3 to 5 are large
# at the jump alone. On a dense shift the bands are exact; on a sparse one they are polynomials, off by
# ``band.error``.

data = graphs.sensor(600, k=6, seed=1, dtype=torch.float64)
shift = graphs.shift(data, normalization=None).to_dense()
inside = (data.pos - 0.5).norm(dim=1) < 0.3
z = (data.pos[:, 0] + inside.double()).view(1, -1, 1)

frame = frames.meyer(5)
bands = frame(z, shift)  # (1, N, 5, 1)
fig, axes = plt.subplots(2, 3, figsize=(7, 4.6), layout="constrained")
axes[0, 0].scatter(*data.pos.T, c=z[0, :, 0], s=8, cmap="viridis")
axes[0, 0].set_title("signal")
for j, ax in enumerate(axes.flat[1:]):
    band = bands[0, :, j, 0]
    most = band.abs().max()
    ax.scatter(*data.pos.T, c=band, s=8, cmap="RdBu_r", vmin=-most, vmax=most)
    ax.set_title(f"band {j + 1}: up to {most:.2f}")
for ax in axes.flat:
    ax.set(aspect="equal", xticks=[], yticks=[])

# %%
# The way back
# ------------
#
# The energies of the bands sum to that of the signal, and the signal is put together up to rounding.

again = frame.reconstruct(bands, shift)
for j, band in enumerate(bands[0, :, :, 0].T):
    print(f"band {j + 1}: {band.square().sum() / z.square().sum():7.2%} of the energy")
print(f"sum of the bands: {bands.square().sum() / z.square().sum():.12f}")
print(f"greatest error of the reconstruction: {(again - z).abs().max():.1e}")

# %%
# What to read next
# -----------------
#
# ``filters.frames`` has all frames with their formulas; :class:`filters.WaveletFrame` makes one of any
# responses. :doc:`/from_pygsp` gives their names in PyGSP.
