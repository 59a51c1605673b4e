"""The response of a filter as a plot."""

from __future__ import annotations

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from filters import GraphFilter

_FREQUENCIES = 401


@torch.no_grad()
def plot_response(
    filter: GraphFilter,
    ax: Axes | None = None,
    *,
    label: str | None = None,
    frequencies: Tensor | None = None,
    color: str | None = None,
) -> Axes:
    r"""Draw ``H(λ)`` over ``[0, 2]``.

    A filter of one channel, or with one gain for every channel (``H = h I``, such as ``Heat``), is drawn as
    its curve ``h(λ)``, with sign. Any other as the range of the singular values of ``H(λ)`` and, within it,
    the mean gain ``‖H(λ)‖_F / √(in)``: the gain of a signal that is white over the channels.

    Args:
        filter: anything with a response.
        ax: where to draw; by default a new figure's.
        label: for the legend; by default the filter itself.
        frequencies: ``λ`` of a graph, drawn as ticks at the bottom: where the response matters.
        color: of the curve.

    Returns:
        The axes; ``ax.figure.savefig(path)`` keeps the picture.

    Raises:
        TypeError: if ``filter`` is no graph filter, or has no response.

    Example:
        >>> from filters import Heat
        >>> plot_response(Heat(2.0)).get_xlabel()
        'graph frequency λ'
    """
    if not isinstance(filter, GraphFilter):
        raise TypeError(f"expected a graph filter, got {type(filter).__name__}")
    lam = torch.linspace(0, 2, _FREQUENCIES, dtype=torch.float64)
    parameter = next(filter.parameters(), lam)
    matrices = filter.response(lam.to(parameter.device)).cpu()
    axes = Figure(figsize=(5, 3.2), layout="constrained").subplots() if ax is None else ax
    label = str(filter) if label is None else label
    scalar = _common_gain(matrices)
    if scalar is not None:
        axes.plot(lam, scalar, label=label, color=color)
    else:
        singular = torch.linalg.svdvals(matrices)
        mean = singular.norm(dim=-1) / matrices.shape[1] ** 0.5
        (line,) = axes.plot(lam, mean, label=f"{label}: mean gain", color=color)
        axes.fill_between(
            lam, singular[:, -1], singular[:, 0], alpha=0.18, color=line.get_color(), linewidth=0
        )
    if frequencies is not None:
        ticks = frequencies.flatten().cpu()
        axes.plot(
            ticks, torch.zeros_like(ticks), "|", color="0.4", transform=axes.get_xaxis_transform(), ms=9
        )
    axes.set(xlabel="graph frequency λ", ylabel="gain", xlim=(-0.03, 2.03))
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.legend(frameon=False)
    return axes


def _common_gain(matrices: Tensor) -> Tensor | None:
    """``h (F,)`` where every ``H(λ)`` is ``h(λ) I``."""
    _, size_in, size_out = matrices.shape
    gain = matrices[:, 0, 0]
    if size_in == size_out and torch.allclose(
        matrices, gain.view(-1, 1, 1) * torch.eye(size_in).to(matrices)
    ):
        return gain
    return None
