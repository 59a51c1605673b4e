"""The response of a filter as a plot."""

from __future__ import annotations

from typing import Any, cast

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from filters import GraphFilter, SpectralFunction, WaveletFrame

_FREQUENCIES = 401


@torch.no_grad()
def plot_response(
    filter: GraphFilter | WaveletFrame,
    ax: Axes | None = None,
    *,
    label: str | None = None,
    frequencies: Tensor | None = None,
    color: str | None = None,
) -> Axes:
    r"""Draw ``H(λ)`` over ``[0, 2]``; of a frame, every ``g_j(λ)`` and ``G(λ) = Σ_j g_j(λ)²``.

    A filter of one channel, or with one gain for every channel (``H = h I``, such as ``Heat``), is drawn as
    its curve ``h(λ)``, with sign. Any other as the range of the singular values of ``H(λ)`` and, within it,
    the mean gain ``‖H(λ)‖_F / √(in)``: the gain of a signal that is white over the channels. The frame's
    bounds ``A`` and ``B`` are the least and the greatest value of ``G``, the black line.

    Args:
        filter: anything with a response, or a frame.
        ax: where to draw; by default a new figure's.
        label: for the legend; by default the filter itself; of a frame, what stands before a band's number.
        frequencies: ``λ (F,)`` of a graph, drawn as ticks at the bottom: where the response matters.
        color: of the curve, or of all bands.

    Returns:
        The axes; ``ax.figure.savefig(path)`` keeps the picture.

    Raises:
        TypeError: if ``filter`` is no graph filter and no frame, or has no response.

    Example:
        >>> from filters import Heat
        >>> plot_response(Heat(2.0)).get_xlabel()
        'graph frequency λ'
        >>> from filters import frames
        >>> len(plot_response(frames.meyer(4)).get_legend().get_texts())
        5
    """
    if not isinstance(filter, GraphFilter | WaveletFrame):
        raise TypeError(f"expected a graph filter or a frame, got {type(filter).__name__}")
    axes = Figure(figsize=(5, 3.2), layout="constrained").subplots() if ax is None else ax
    lam = torch.linspace(0, 2, _FREQUENCIES, dtype=torch.float64)
    if isinstance(filter, WaveletFrame):
        _draw_bands(axes, filter, lam, label, color)
    else:
        _draw_gain(axes, filter, lam, str(filter) if label is None else label, color)
    if frequencies is not None:
        ticks = frequencies.flatten().cpu()
        axes.plot(
            ticks, torch.zeros_like(ticks), "|", color="0.4", transform=axes.get_xaxis_transform(), ms=9
        )
    axes.set(xlabel="graph frequency λ", ylabel="gain", xlim=(-0.03, 2.03))
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    beside: dict[str, Any] = (
        {"loc": "center left", "bbox_to_anchor": (1, 0.5)} if isinstance(filter, WaveletFrame) else {}
    )
    axes.legend(frameon=False, **beside)
    return axes


def _draw_gain(axes: Axes, filter: GraphFilter, lam: Tensor, label: str, color: str | None) -> None:
    matrices = _matrices(filter, lam)
    scalar = _common_gain(matrices)
    if scalar is not None:
        axes.plot(lam, scalar, label=label, color=color)
        return
    singular = torch.linalg.svdvals(matrices)
    mean = singular.norm(dim=-1) / matrices.shape[1] ** 0.5
    (line,) = axes.plot(lam, mean, label=f"{label}: mean gain", color=color)
    axes.fill_between(lam, singular[:, -1], singular[:, 0], alpha=0.18, color=line.get_color(), linewidth=0)


def _draw_bands(axes: Axes, frame: WaveletFrame, lam: Tensor, label: str | None, color: str | None) -> None:
    bands = cast("list[SpectralFunction]", list(frame.bands))
    gains = [band.gain(lam).cpu() for band in bands]
    for number, (band, gain) in enumerate(zip(bands, gains, strict=True), start=1):
        axes.plot(lam, gain, label=str(band) if label is None else f"{label} {number}", color=color)
    axes.plot(lam, torch.stack(gains).square().sum(0), color="black", linewidth=1, label="sum of squares")


def _matrices(filter: GraphFilter, lam: Tensor) -> Tensor:
    """``H(λ)``, asked where the filter's parameters are."""
    parameter = next(filter.parameters(), lam)
    found: Tensor = filter.response(lam.to(parameter.device)).cpu()
    return found


def _common_gain(matrices: Tensor) -> Tensor | None:
    """``h (F,)`` where every ``H(λ)`` is ``h(λ) I``."""
    _, size_in, size_out = matrices.shape
    gain = matrices[:, 0, 0]
    if size_in == size_out and torch.allclose(
        matrices, gain.view(-1, 1, 1) * torch.eye(size_in).to(matrices)
    ):
        return gain
    return None
