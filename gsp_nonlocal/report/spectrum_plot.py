"""The spectrum of a graph as a plot."""

from __future__ import annotations

from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from filters import ShiftOperator
from gsp_nonlocal.spectral import Spectrum, spectrum


class Multiplicities(NamedTuple):
    """Distinct frequencies ``λ (K,)``, ascending, and how often each is there, ``(K,)``."""

    frequency: Tensor
    times: Tensor


def plot_spectrum(
    found: Spectrum | ShiftOperator | Tensor,
    ax: Axes | None = None,
    *,
    label: str | None = None,
    color: str | None = None,
) -> Axes:
    r"""Draw, over each frequency ``λ = 1 − μ``, a line as high as its multiplicity.

    Heights sum to the number of nodes, or of the eigenvalues that were asked for. Frequencies are one where
    they differ by less than rounding makes of one: 100 times the machine epsilon of the shift, times
    ``max |μ|`` where that is above 1.

    Args:
        found: a spectrum, or a shift or matrix ``(B, N, N)`` or ``(N, N)`` whose spectrum is found.
        ax: where to draw; by default a new figure's.
        label: for the legend, which adds the numbers of nodes and frequencies; of a batch, each graph is
            numbered.
        color: of the lines; by default one for each graph.

    Returns:
        The axes; ``ax.figure.savefig(path)`` keeps the picture.

    Raises:
        TypeError: if ``found`` is none of these.
        ValueError: if a frequency is not real.

    Example:
        >>> from gsp_nonlocal import graphs
        >>> axes = plot_spectrum(graphs.shift(graphs.ring(6)))
        >>> axes.get_legend().get_texts()[0].get_text(), axes.lines[0].get_ydata().tolist()
        ('6 nodes, 4 frequencies', [1, 2, 2, 1])
    """
    found = found if isinstance(found, Spectrum) else spectrum(found)
    if not found.is_real:
        raise ValueError(
            "the spectrum is complex, and has no order on a line; draw spectrum(symmetric_part(shift))"
        )
    axes = Figure(figsize=(5, 3.2), layout="constrained").subplots() if ax is None else ax
    graphs = found.frequencies.real.cpu()
    for number, frequencies in enumerate(graphs):
        name = " ".join(filter(None, [label or "", f"graph {number}" if len(graphs) > 1 else ""]))
        what = "nodes" if found.is_complete else "eigenvalues"
        _draw(axes, _multiplicities(frequencies, found.rounding), name, what, color)
    axes.set(xlabel="graph frequency λ", ylabel="multiplicity", ylim=(0, None))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0)
    return axes


def _draw(axes: Axes, distinct: Multiplicities, name: str, what: str, color: str | None) -> None:
    """Stems: dots on top, which carry the numbers, and lines down to 0."""
    total, different = int(distinct.times.sum()), len(distinct.times)
    said = f"{total} {what}, {different} {'frequency' if different == 1 else 'frequencies'}"
    label = f"{name}: {said}" if name else said
    (dots,) = axes.plot(*distinct, "o", ms=3, color=color, label=label)
    axes.vlines(distinct.frequency, 0, distinct.times, color=dots.get_color(), linewidth=1)


def _multiplicities(frequencies: Tensor, rounding: float) -> Multiplicities:
    """Of frequencies ``(N,)``; those of one group stand for it by their mean."""
    ordered = frequencies.sort().values
    apart = 100 * rounding * (1 - ordered).abs().max().clamp_min(1.0)
    group = torch.cat([ordered.new_zeros(1), (ordered.diff() > apart).double().cumsum(0)]).long()
    count = group.bincount()
    return Multiplicities(ordered.new_zeros(len(count)).index_add(0, group, ordered) / count, count)
