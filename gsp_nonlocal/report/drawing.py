"""How figures are drawn: colours, fonts, axes above one another, and saving, without pyplot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

SIZE = (3.9, 2.9)  # inches: about a phone's width, so that the text is never scaled down much
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Palette:
    """Colours of a figure."""

    ink: str = "#1b2330"
    faint: str = "#66707f"
    first: str = "#1f5fbf"
    second: str = "#c2410c"
    third: str = "#0f766e"
    fourth: str = "#7e22ce"


PALETTE = Palette()


def save(figure: Figure, target: Path | TextIO, **options: Any) -> None:
    """Write a figure in the style that it was drawn in: ticks and text take theirs only now.

    Args:
        figure: of this module.
        target: a file, by its ending PNG or SVG, or a stream.
        options: of matplotlib's ``savefig``.
    """
    with matplotlib.rc_context(_style()):
        figure.savefig(target, **options)
    figure.set_layout_engine("none")  # it is found: a second file of the figure takes half the time


def label_powers(axis: Axis) -> None:
    """Plain text at the powers of ten of a logarithmic axis: mathtext is slow, and is no text in SVG."""
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(_power))


def _power(value: float, _: object = None) -> str:
    exponent = round(np.log10(value))
    return f"{10**exponent}" if 0 <= exponent <= 2 else "10" + str(exponent).translate(_RAISED)


@contextmanager
def sheet(
    rows: int, heights: Sequence[float], height: float = SIZE[1]
) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure of axes above one another, in the style of the page, without pyplot."""
    with matplotlib.rc_context(_style()):
        figure = Figure(figsize=(SIZE[0], height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, 1, sharex=True, height_ratios=heights, squeeze=False)
        yield figure, list(axes[:, 0])


def _style() -> dict[Any, Any]:
    return {
        "svg.fonttype": "none",
        "path.simplify": False,
        "svg.hashsalt": "gsp-nonlocal",
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans", "sans-serif"],
        "text.usetex": False,
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
        "axes.edgecolor": PALETTE.faint,
        "axes.linewidth": 0.8,
        "text.color": PALETTE.ink,
        "axes.labelcolor": PALETTE.ink,
        "xtick.color": PALETTE.faint,
        "ytick.color": PALETTE.faint,
        "xtick.labelcolor": PALETTE.ink,
        "ytick.labelcolor": PALETTE.ink,
    }
