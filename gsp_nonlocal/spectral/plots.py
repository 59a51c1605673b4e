"""The report's plots: matplotlib figures as inline SVG that takes the colours and fonts of the page."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator
from torch import Tensor

from gsp_nonlocal.spectral.measures import effective_rank
from gsp_nonlocal.spectral.response import Response
from gsp_nonlocal.spectral.spectrum import Spectrum

SIZE = (3.9, 2.9)  # inches: about a phone's width, so that the text is never scaled down much
COLOURS = {
    "ink": "#010101",
    "faint": "#020202",
    "first": "#030303",
    "second": "#040404",
    "third": "#050505",
    "fourth": "#060606",
}
"""Stand-ins for the colours of the page: ``#030303`` becomes ``var(--first)`` in the SVG."""
SERIES = ("first", "second", "third", "fourth")
FLOOR = 1e-7  # smaller eigenvalues are rounding
FEW = 64  # up to so many eigenvalues are drawn as points, on a linear axis
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "path.simplify": False,
    "svg.hashsalt": "gsp-nonlocal",
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.labelsize": 9.0,
    "axes.titlesize": 9.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": COLOURS["faint"],
    "axes.linewidth": 0.8,
    "text.color": COLOURS["ink"],
    "axes.labelcolor": COLOURS["ink"],
    "xtick.color": COLOURS["faint"],
    "ytick.color": COLOURS["faint"],
    "xtick.labelcolor": COLOURS["ink"],
    "ytick.labelcolor": COLOURS["ink"],
}


def spectrum_svg(found: Spectrum, name: str) -> str:
    """Histogram of the frequencies, exact zeros apart, over one row of ticks for each graph."""
    with _figure(2, [4, 1]) as (figure, (above, below)):
        lam = (1 - found.paired.real).numpy()
        edges = np.linspace(min(0.0, lam.min()), max(2.0, lam.max()), 41)
        counts = np.histogram(lam, edges)[0] / len(lam)
        above.stairs(counts, edges, fill=True, color=COLOURS["first"], label="eigenvalues a graph")
        if found.exact_zeros:
            _zeros_bar(above, found.exact_zeros, edges[1] - edges[0])
        above.set_yscale("log")
        _label_powers(above.yaxis)
        above.set_ylim(0.2, 4 * max(1.0, counts.max(), found.exact_zeros))
        above.set_ylabel("count")
        above.legend(loc="upper left", bbox_to_anchor=(0, 1.16), ncols=2, columnspacing=1.0)
        _rug(below, lam)
        return _svg(figure, name)


def decay_svg(found: Spectrum, name: str) -> str:
    """``|μ|`` in falling order on a logarithmic axis, positive and negative apart, graph by graph."""
    with _figure(1, [1]) as (figure, (axes,)):
        for sign, colour, label in ((1, "first", "μ > 0"), (-1, "second", "μ < 0")):
            for index, values in enumerate(found.paired.real.numpy()):
                size = np.sort((sign * values)[sign * values > FLOOR])[::-1]
                axes.plot(
                    np.arange(1, len(size) + 1),
                    size,
                    color=COLOURS[colour],
                    marker="." if found.paired.shape[-1] <= FEW else "",
                    label=label if index == 0 else None,
                )
        rank = float(effective_rank(found).mean())
        axes.axvline(max(rank, 1.0), color=COLOURS["faint"], linestyle=":", label="effective rank")
        axes.set(yscale="log", xlabel="place in the order", ylabel="|μ|")
        _label_powers(axes.yaxis)
        if found.paired.shape[-1] > FEW:
            axes.set_xscale("log")
            _label_powers(axes.xaxis)
        axes.set_ylim(FLOOR, 3.0)
        axes.legend(loc="upper right")
        return _svg(figure, name)


def response_svg(response: Response, found: Spectrum, name: str) -> str:
    """Gain of the learned filter over ``λ``, above the frequencies that its graphs have."""
    with _figure(2, [4, 1]) as (figure, (above, below)):
        lam = response.frequencies.cpu().numpy()
        singular = response.singular_values.cpu().numpy()
        above.fill_between(
            lam,
            singular[:, -1],
            singular[:, 0],
            color=COLOURS["first"],
            alpha=0.2,
            linewidth=0,
            label="all singular values",
        )
        above.plot(lam, response.mean_gain.cpu().numpy(), color=COLOURS["first"], label="mean gain")
        above.set_ylim(0, 1.3 * max(float(singular.max()), 1e-6))
        above.set_ylabel("gain")
        above.legend(loc="upper left", ncols=2, columnspacing=1.0)
        _rug(below, (1 - found.eigenvalues.real).numpy())
        return _svg(figure, name)


def rows_svg(rows: Tensor, nodes: Sequence[int], signal: Tensor, name: str) -> str:
    """Attention of a few positions of a one-dimensional map: ``rows (P, N)``, with the signal ``(N,)``."""
    with _figure(2, [3, 1]) as (figure, (above, below)):
        for colour, row, node in zip(SERIES, rows.numpy(), nodes, strict=False):
            above.plot(row, color=COLOURS[colour], label=f"position {node}")
            below.axvline(node, color=COLOURS[colour], linewidth=1.6)
        above.set_ylabel("weight")
        above.legend(loc="lower left", bbox_to_anchor=(0, 0.98), ncols=2, columnspacing=1.0)
        below.plot(signal.numpy(), color=COLOURS["faint"])
        below.set(xlabel="position", ylabel="input")
        below.set_yticks([])
        return _svg(figure, name)


def _label_powers(axis: Axis) -> None:
    """Plain text at the powers of ten of a logarithmic axis: mathtext is slow, and is no text in SVG."""
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(_power))


def _power(value: float, _: object = None) -> str:
    exponent = round(np.log10(value))
    return f"{10**exponent}" if 0 <= exponent <= 2 else "10" + str(exponent).translate(_RAISED)


def _zeros_bar(axes: Axes, zeros: int, width: float) -> None:
    label = f"{zeros:,} exact zeros".replace(",", "\u202f")
    axes.bar(1.0, zeros, width=width, fill=False, edgecolor=COLOURS["second"], zorder=3, label=label)


def _rug(axes: Axes, lam: np.ndarray) -> None:
    """One row of ticks for each graph at its frequencies, those closer than a pixel drawn once."""
    for row, values in enumerate(lam):
        places = np.unique(values.round(3))
        across = np.column_stack([places, places, np.full_like(places, np.nan)]).ravel()
        down = np.tile([-row, -row - 0.8, np.nan], len(places))
        axes.plot(across, down, color=COLOURS["ink"], linewidth=0.7)
    axes.set(xlim=_limits(lam), ylim=(-len(lam) - 0.2, 0.4), xlabel="graph frequency λ = 1 − μ")
    axes.set_yticks([])
    axes.set_ylabel("graphs")
    axes.spines["left"].set_visible(False)


def _limits(lam: np.ndarray) -> tuple[float, float]:
    return min(-0.04, float(lam.min()) - 0.04), max(2.04, float(lam.max()) + 0.04)


@contextmanager
def _figure(rows: int, heights: Sequence[float]) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure of axes above one another, in the style of the page, without pyplot."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=SIZE, layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots(rows, 1, sharex=True, height_ratios=heights, squeeze=False)
        yield figure, list(axes[:, 0])


def _svg(figure: Figure, name: str) -> str:
    """The figure as an ``<svg>`` element whose ids start with ``name`` and whose colours are the page's."""
    buffer = io.StringIO()
    empty = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=empty)
    text = buffer.getvalue()
    text = re.sub(r"<style.*?</style>|<metadata.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text[text.index("<svg") :])
    for colour, stand_in in COLOURS.items():
        text = text.replace(stand_in, f"var(--{colour})")
    return text.replace("<svg ", '<svg aria-hidden="true" ', 1)


def on_cpu(found: Spectrum) -> Spectrum:
    """The spectrum on the CPU, where it is drawn."""
    return Spectrum(found.eigenvalues.cpu(), found.paired.cpu())
