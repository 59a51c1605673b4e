"""Pictures of the spectral study, from its numbers alone."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.files import replacing
from experiments.spectral_study.numbers import frequencies, greatest, imaginary, second_frequency, shown
from experiments.spectral_study.runs import Applied
from experiments.spectral_study.training import FILTERS, ORDERS, filter_name
from gsp_nonlocal.analysis.record import BlockRecord

GREY, BLUE = "#8b949e", "#1f5fbf"
COLOURS = ("#ea580c", "#15803d", "#7e22ce", "#111827", "#db2777", "#ca8a04", "#dc2626", "#0891b2", "#78350f")
ORDER_COLOURS = ("#93c5fd", "#2563eb", "#1e1b4b")
ACROSS = 5
WIDE = 2.0
HIGHEST = 1.2
STEP = 0.05
HIGHEST_DEVIATION = 1.6
FOLLOWED = {
    "effective_rank": "effective rank",
    "distance_to_rank_one": "distance to rank one",
    "row_agreement": "agreement of rows",
    "dirichlet_after": "mean frequency after the filter",
}
Everyone = Sequence[Applied]


def draw(everyone: Everyone, folder: Path) -> list[Path]:
    """Write all pictures that these runs have as PNGs, and return their paths."""
    figures = {folder / f"study_{name}.png": picture(everyone) for name, picture in PICTURES.items()}
    drawn = {path: figure for path, figure in figures.items() if figure is not None}
    for path, figure in drawn.items():
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=110, format="png")
    return list(drawn)


def spectra(everyone: Everyone) -> Figure:
    """Eigenvalues before and after training, a panel each: over ``λ`` where real, else in the plane."""
    rows = -(-len(everyone) // ACROSS)
    figure = Figure(figsize=(2.6 * ACROSS, 2.3 * rows + 0.5), layout="constrained")
    panels = list(figure.subplots(rows, ACROSS, squeeze=False).flat)
    for a, axes in zip(everyone, panels, strict=False):
        is_complex = imaginary(a.before) or imaginary(a.after)
        (_plane if is_complex else _histogram)(axes, a)
        axes.set_title(a.name, fontsize=10)
        axes.tick_params(labelsize=8)
    figure.supylabel("eigenvalues a graph; of complex ones Im μ", fontsize=10)
    for axes in panels[len(everyone) :]:
        axes.set_visible(False)
    handles = [Line2D([], [], color=colour, lw=5) for colour in (GREY, BLUE)]
    labels = ["before training", "after it"]
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False)
    return figure


def _points(record: BlockRecord) -> np.ndarray:
    found = [value for graph in record.graphs for value in graph.eigenvalues]
    return np.array(found).reshape(-1, 2)


def _histogram(axes: Axes, a: Applied) -> None:
    """Count eigenvalues a graph over ``λ``, zeros among them."""
    for record, colour in ((a.before, GREY), (a.after, BLUE)):
        points, graphs = _points(record), len(record.graphs)
        zeros = np.ones(record.nodes * graphs - len(points))
        places = np.concatenate([1 - points[:, 0] / _scale(record), zeros])
        heights, edges = np.histogram(places, np.linspace(-0.025, 2.025, 42))
        style: dict[str, Any] = {"fill": True, "alpha": 0.5} if colour == GREY else {"linewidth": 1.4}
        axes.stairs(heights / graphs, edges, color=colour, **style)
    axes.set_yscale("log")
    axes.set_yticks([1, 10, 100, 1000], ["1", "10", "100", "1000"])
    axes.minorticks_off()
    axes.set(xlim=(-0.05, 2.05), ylim=(0.15, 9000), xlabel=f"λ = 1 − μ{_divided(a)}")
    axes.spines[["top", "right"]].set_visible(False)


def _plane(axes: Axes, a: Applied) -> None:
    """Draw eigenvalues in the plane, with the unit circle."""
    angle = np.linspace(0, 2 * np.pi, 200)
    axes.plot(np.cos(angle), np.sin(angle), color=GREY, lw=0.8)
    for record, colour, size in ((a.before, GREY, 6), (a.after, BLUE, 2.5)):
        points = _points(record) / _scale(record)
        axes.plot(points[:, 0], points[:, 1], ".", color=colour, markersize=size, alpha=0.7)
    reach = 1.1 * max(1.0, *(greatest(record) / _scale(record) for record in (a.before, a.after)))
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel=f"μ{_divided(a)}")


def _scale(record: BlockRecord) -> float:
    """1, or the greatest ``|μ|`` where a picture around the unit circle would be too wide."""
    top = greatest(record)
    return top if top > WIDE else 1.0


def _divided(a: Applied) -> str:
    scales = dict.fromkeys(shown(_scale(record)) for record in (a.before, a.after))
    return f" / ρ, ρ = {' → '.join(scales)}" if max(_scale(a.before), _scale(a.after)) > 1 else ""


def course(everyone: Everyone) -> Figure:
    """Four measures over the training, a line each."""
    figure = Figure(figsize=(11, 7.2), layout="constrained")
    for (measure, label), axes in zip(FOLLOWED.items(), figure.subplots(2, 2).flat, strict=True):
        for a, style in _styles(everyone):
            points = _course(a, measure)
            if points:
                axes.plot(*zip(*points, strict=True), **style)
        axes.set(title=label, xlabel="step", yscale="log" if measure == "effective_rank" else "linear")
        axes.spines[["top", "right"]].set_visible(False)
    _legend(figure, everyone)
    return figure


def _course(a: Applied, measure: str) -> list[tuple[int, float]]:
    """A measure over the steps; of the energy the mean frequency, relative to the greatest ``|μ|``."""
    points = a.course(measure)
    if measure != "dirichlet_after":
        return points
    radius = dict(a.course("spectral_radius"))
    return [(step, 1 - (1 - energy) / radius[step]) for step, energy in points if radius.get(step)]


def stable(everyone: Everyone) -> Figure:
    """The deviation of powers from the shift before and after training, and their excess."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    panels = figure.subplots(1, 3)
    shows = (("deviation", 0), ("deviation", 1), ("excess", 1))
    titles = ("‖Sᵏ − S‖ / ‖S‖, before training", "the same, after training", "‖Sᵏ‖₂ / ρᵏ, after training")
    for (name, time), title, axes in zip(shows, titles, panels, strict=True):
        _powers(axes, everyone, name, time)
        axes.set(title=title, xlabel="k", xticks=range(1 + (name == "deviation"), 6))
        axes.spines[["top", "right"]].set_visible(False)
    _legend(figure, everyone)
    return figure


def _powers(axes: Axes, everyone: Everyone, name: str, time: int) -> None:
    """Draw a measure of the powers, a line each, and name those whose deviation is above the axes."""
    deviates = name == "deviation"
    above = []
    for a, style in _styles(everyone):
        found = a.powers[time]
        points = [(k, v) for k in found.exponents[deviates:] if (v := found.mean(name, k)) is not None]
        if deviates and any(value > HIGHEST_DEVIATION for _, value in points):
            above.append(a.name)
        else:
            axes.plot([k for k, _ in points], [v for _, v in points], **style)
    axes.set_yscale("linear" if deviates else "log")
    if deviates:
        axes.set_ylim(-0.03, HIGHEST_DEVIATION)
    if above:
        axes.text(0.03, 0.97, f"above: {', '.join(above)}", transform=axes.transAxes, fontsize=8, va="top")


def _styles(everyone: Everyone) -> list[tuple[Applied, dict[str, Any]]]:
    """SNL's affinity in one colour, every other network in its own; the second of two applications dotted."""
    names = list(dict.fromkeys(_network(a) for a in everyone if not a.after.is_symmetric))
    return [(a, {"lw": 1.4, "marker": ".", **_style(a, names)}) for a in everyone]


def _style(a: Applied, names: Sequence[str]) -> dict[str, Any]:
    if a.after.is_symmetric:
        return {"color": BLUE, "alpha": 0.45}
    number = names.index(_network(a))
    line = ":" if a.name.endswith("#2") else ("-", "--")[number % 2]
    return {"color": COLOURS[number % len(COLOURS)], "ls": line}


def _network(a: Applied) -> str:
    return a.name.split(" #")[0]


def _legend(figure: Figure, everyone: Everyone) -> None:
    named: dict[str, dict[str, Any]] = {}
    family = sum(a.after.is_symmetric for a in everyone)
    for a, style in _styles(everyone):
        named.setdefault(f"SNL's affinity ({family})" if a.after.is_symmetric else a.name, style)
    handles = [Line2D([], [], **style) for style in named.values()]
    figure.legend(handles, list(named), loc="outside lower center", ncols=7, frameon=False)


def responses(everyone: Everyone) -> Figure | None:
    """Learned responses of three families over ``λ``, above the frequencies of their graphs."""
    found = {
        f: [(o, a) for o in ORDERS for a in everyone if a.run.block == filter_name(f, o)] for f in FILTERS
    }
    found = {filter: rows for filter, rows in found.items() if rows}
    if not found:
        return None
    figure = Figure(figsize=(3.7 * len(found), 4.6), layout="constrained")
    panels = figure.subplots(2, len(found), squeeze=False, sharex=True, sharey="row", height_ratios=(4, 1))
    for (filter, rows), above, below in zip(found.items(), *panels, strict=True):
        for row, (order, a) in enumerate(rows):
            colour = ORDER_COLOURS[ORDERS.index(order)]
            _response(above, a, colour, f"order {order}, IoU {a.run.test:.2f}")
            _rug(below, a.after, row, colour)
        above.set(title=filter, ylim=(0, 1.75))
        above.legend(frameon=False, fontsize=8, loc="upper right")
        below.set(yticks=[], xlabel="graph frequency λ", xlim=(-0.03, 2.03))
        for axes in (above, below):
            axes.spines[["top", "right"]].set_visible(False)
    panels[0, 0].set_ylabel("mean gain, relative")
    panels[1, 0].set_ylabel("graphs")
    return figure


def _response(axes: Axes, a: Applied, colour: str, label: str) -> None:
    """Draw the gain relative to its greatest where there are frequencies; dotted where there are none."""
    response, places = a.after.responses[0], frequencies(a.after)
    lam, gain = np.array(response.frequencies), np.array(response.mean)
    gain = gain / np.interp(places, lam, gain).max()
    inside = (lam > second_frequency(a.after) - STEP) & (lam < places[-1] + STEP)
    axes.plot(lam, np.where(gain < HIGHEST, gain, np.nan), color=colour, linestyle=":", lw=1)
    axes.plot(lam[inside], gain[inside], color=colour, label=label, lw=1.8)
    axes.plot(0, gain[0], "o", color=colour, markersize=4)


def _rug(axes: Axes, record: BlockRecord, row: int, colour: str) -> None:
    places = np.unique(np.append(1 - _points(record)[:, 0], 1.0).round(3))
    axes.vlines(places, -row - 0.8, -row, color=colour, linewidth=0.8)


PICTURES: dict[str, Callable[[Everyone], Figure | None]] = {
    "spectra": spectra,
    "course": course,
    "stable": stable,
    "responses": responses,
}
"""The pictures by the name in their file."""
