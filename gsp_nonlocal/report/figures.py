"""The figures of an analysis: matplotlib figures of one block, or of one block over a training."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gsp_nonlocal.analysis.quantities import QUANTITIES
from gsp_nonlocal.analysis.record import BlockRecord, GraphRecord, JoinRecord
from gsp_nonlocal.report.drawing import PALETTE, label_powers, sheet

FLOOR = 1e-7  # smaller eigenvalues are rounding
FEW = 64  # up to so many eigenvalues are drawn as points, on a linear axis
MOST_ROWS = 8  # rows of ticks, or curves of single graphs
PLACES = 200  # for a tick, to each unit of frequency: closer ones would be in one pixel
MOST_POINTS = 200  # of one curve
LONGEST_LABEL = 18  # letters
MAPS_ACROSS = 4  # small maps side by side
CELLS = 250  # to the width of a plane of points: each is less than a pixel
FOLLOWED = ("effective_rank", "distance_to_rank_one", "row_agreement", "dirichlet_after")


def spectrum_figure(block: BlockRecord) -> Figure:
    """Histogram of the frequencies over one row of ticks a graph; complex ones as points of the plane."""
    return _plane(block) if is_complex(block) else density_figure(block)


def density_figure(block: BlockRecord) -> Figure:
    """Histogram of the real parts of the frequencies over one row of ticks a graph."""
    with sheet(2, [4, 1]) as (figure, (above, below)):
        _histogram(above, block)
        _rug(below, block)
        return figure


def decay_figure(block: BlockRecord) -> Figure:
    """``|μ|`` in falling order on a logarithmic axis, graph by graph."""
    with sheet(1, [1]) as (figure, (axes,)):
        sizes = [np.sort([abs(complex(*value)) for value in g.eigenvalues])[::-1] for g in block.graphs]
        for index, size in enumerate(sizes[:MOST_ROWS]):
            kept = size[size > FLOOR]
            marker = "." if len(size) <= FEW else ""
            label = "a graph" if index == 0 else None
            places = _places(len(kept))
            axes.plot(places, kept[places - 1], color=PALETTE.first, marker=marker, label=label)
        rank = block.mean("effective_rank")
        if rank is not None:
            axes.axvline(max(rank, 1.0), color=PALETTE.faint, linestyle=":", label="effective rank")
        axes.set(yscale="log", xlabel="place in the order", ylabel="|μ|")
        label_powers(axes.yaxis)
        if max(map(len, sizes)) > FEW:
            axes.set_xscale("log")
            label_powers(axes.xaxis)
        axes.set_ylim(FLOOR, 3.0 * max(1.0, *(float(size.max(initial=0)) for size in sizes)))
        axes.legend(loc="lower left")
        return figure


def response_figure(block: BlockRecord) -> Figure:
    """Gain of the learned filter over ``λ``, above the frequencies that its graphs have."""
    with sheet(2, [4, 1]) as (figure, (above, below)):
        for index, response in enumerate(block.responses[:MOST_ROWS]):
            names = ("all singular values", "mean gain") if index == 0 else (None, None)
            alpha = 0.2 / len(block.responses[:MOST_ROWS])
            above.fill_between(
                response.frequencies, response.least, response.greatest,
                color=PALETTE.first, alpha=alpha, linewidth=0, label=names[0],
            )  # fmt: skip
            above.plot(response.frequencies, response.mean, color=PALETTE.first, label=names[1])
        greatest = max(max(response.greatest) for response in block.responses)
        above.set(ylim=(0, 1.3 * max(greatest, 1e-6)), ylabel="gain")
        above.legend(loc="upper left", ncols=2, columnspacing=1.0)
        _rug(below, block)
        return figure


def energy_figure(block: BlockRecord) -> Figure:
    """Share of the signal's energy over ``λ``, before and after the filter, mean over the graphs."""
    with sheet(1, [1]) as (figure, (axes,)):
        series = {"before": PALETTE.faint, "after": PALETTE.first}
        for name, colour in series.items():
            share = np.mean([getattr(graph, name) for graph in block.graphs], axis=0)
            axes.stairs(
                _coarse(share), _coarse_edges(block), color=colour, label=f"{name} the filter", lw=1.4
            )
        axes.set(xlabel="graph frequency λ", ylabel="share of the energy", ylim=(0, None))
        axes.legend(loc="upper left", bbox_to_anchor=(0, 1.16), ncols=2, columnspacing=1.0)
        return figure


def epochs_figure(blocks: Sequence[BlockRecord], labels: Sequence[str]) -> Figure:
    """Small multiples: where the eigenvalues of one block lie at several times, exact zeros left out."""
    shown = _spread(len(blocks), 8)
    with sheet(len(shown), [1] * len(shown), height=0.45 * len(shown) + 0.7) as (figure, rows):
        for axes, index in zip(rows, shown, strict=True):
            block = blocks[index]
            counts = np.log1p(np.mean([_counts(graph, block) for graph in block.graphs], axis=0))
            axes.stairs(counts, block.edges, fill=True, color=PALETTE.first)
            axes.set(ylim=(0, 1.05 * max(1.0, counts.max())), yticks=[])
            axes.set_ylabel(_plain(labels[index]), rotation=0, ha="right", va="center", parse_math=False)
        rows[-1].set_xlabel("graph frequency λ")
        return figure


def course_figure(blocks: Sequence[BlockRecord], labels: Sequence[str]) -> Figure:
    """Some measures of one block over a training, each on its own axis."""
    known = [q for q in QUANTITIES if q.name in FOLLOWED and all(b.mean(q.name) is not None for b in blocks)]
    with sheet(len(known), [1] * len(known), height=0.9 * len(known) + 0.6) as (figure, rows):
        for axes, quantity in zip(rows, known, strict=True):
            course = np.array([block.mean(quantity.name) for block in blocks], dtype=float)
            axes.plot(course, color=PALETTE.first, marker=".")
            axes.set_title(quantity.label, loc="left", pad=2)
            axes.ticklabel_format(axis="y", useOffset=False)
        ticks = _spread(len(labels), 5)
        rows[-1].set_xticks(ticks, [_plain(labels[tick]) for tick in ticks], parse_math=False)
        return figure


def singular_figure(join: JoinRecord) -> Figure:
    """Singular values in falling order on a logarithmic axis, graph by graph."""
    with sheet(1, [1]) as (figure, (axes,)):
        for values in join.singular[:MOST_ROWS]:
            kept = np.array([value for value in values if value > FLOOR])
            places = _places(len(kept))
            marker = "." if len(kept) <= FEW else ""
            axes.plot(places, kept[places - 1], color=PALETTE.first, marker=marker)
        axes.set(yscale="log", xlabel="place in the order", ylabel="σ")
        label_powers(axes.yaxis)
        return figure


def maps_figure(join: JoinRecord) -> Figure:
    """The maps of some queries in rows of four, all in one scale of colours."""
    rows = -(-len(join.maps) // MAPS_ACROSS)
    greatest = max(max(values) for values in join.maps)
    with sheet(1, [1], height=0.8 * rows + 0.4) as (figure, (axes,)):
        axes.set_axis_off()
        for place, (query, values) in enumerate(zip(join.queries, join.maps, strict=True)):
            down, across = divmod(place, MAPS_ACROSS)
            part = axes.inset_axes(
                (across / MAPS_ACROSS, 1 - (down + 1) / rows, 0.9 / MAPS_ACROSS, 0.8 / rows)
            )
            part.imshow(np.reshape(values, join.grid), vmin=0, vmax=greatest, cmap="viridis", aspect="auto")
            part.set(xticks=[], yticks=[])
            part.set_title(f"query {query + 1}", fontsize=7, pad=1.5)
        return figure


JOINS: dict[str, Callable[[JoinRecord], Figure]] = {
    "singular values": singular_figure,
    "maps of queries": maps_figure,
}
"""The figures of one cross-attention."""

FIGURES: dict[str, Callable[[BlockRecord], Figure]] = {
    "spectrum": spectrum_figure,
    "density": density_figure,
    "decay": decay_figure,
    "response": response_figure,
    "energy": energy_figure,
}
"""The figures of one block at one time, by the name of their file."""

COURSES: dict[str, Callable[..., Figure]] = {"over time": epochs_figure, "measures over time": course_figure}
"""The figures of one block over a training."""


def figures_of(block: BlockRecord) -> dict[str, Callable[[BlockRecord], Figure]]:
    """The figures that a block has: a density beside complex spectra, a response if there is one."""
    left_out = {"response"} if not block.responses else set()
    left_out |= {"density"} if not is_complex(block) else set()
    return {name: draw for name, draw in FIGURES.items() if name not in left_out}


def is_complex(block: BlockRecord) -> bool:
    """Whether an eigenvalue has an imaginary part."""
    return any(abs(imaginary) > FLOOR for graph in block.graphs for _, imaginary in graph.eigenvalues)


def _histogram(axes: Axes, block: BlockRecord) -> None:
    counts = np.mean([_counts(graph, block) for graph in block.graphs], axis=0)
    edges = np.asarray(block.edges)
    axes.stairs(counts, edges, fill=True, color=PALETTE.first, label="eigenvalues a graph")
    zeros = max(graph.zeros for graph in block.graphs)
    if zeros:
        label = f"{zeros:,} exact zeros".replace(",", "\u202f")
        axes.bar(
            1.0, zeros, width=2 * (edges[1] - edges[0]), fill=False, edgecolor=PALETTE.second, label=label
        )
    axes.set(yscale="log", ylabel="count", ylim=(0.2, 4 * max(1.0, counts.max(), zeros)))
    label_powers(axes.yaxis)
    axes.legend(loc="upper left", bbox_to_anchor=(0, 1.16), ncols=2, columnspacing=1.0)


def _counts(graph: GraphRecord, block: BlockRecord) -> np.ndarray:
    """Eigenvalues between the edges, exact zeros apart; where some are unknown, by the density."""
    if not graph.is_complete:
        return np.asarray(graph.density) * block.nodes
    frequencies = np.clip([1 - real for real, _ in graph.eigenvalues], block.edges[0], block.edges[-1])
    return np.histogram(frequencies, block.edges)[0]


def _plane(block: BlockRecord) -> Figure:
    with sheet(1, [1]) as (figure, (axes,)):
        angle = np.linspace(0, 2 * np.pi, 200)
        axes.plot(1 + np.cos(angle), np.sin(angle), color=PALETTE.faint, lw=0.8, label="|μ| = 1")
        values = np.array([value for graph in block.graphs for value in graph.eigenvalues])
        across, up = _dots(values)
        axes.plot(1 - across, -up, lw=2.5, solid_capstyle="round", color=PALETTE.first)
        axes.plot([], [], ".", ms=4, color=PALETTE.first, label="λ = 1 − μ")
        axes.axhline(0, color=PALETTE.faint, lw=0.5)
        axes.set(xlabel="Re λ", ylabel="Im λ", aspect="equal")
        axes.legend(loc="upper left", bbox_to_anchor=(0, 1.16), ncols=2, columnspacing=1.0)
        return figure


def _dots(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points ``(n, 2)`` as one path of short lines with round ends, neighbours within a pixel joined."""
    step = max(2.0, np.ptp(values, axis=0).max()) / CELLS
    column, row = np.unique(np.round(values / step).astype(int)[:, ::-1], axis=0).T[::-1]
    starts = np.flatnonzero(np.diff(row, prepend=row[0] - 1) | (np.diff(column, prepend=column[0]) != 1))
    ends = np.append(starts[1:], len(row)) - 1
    across = np.column_stack([column[starts] - 0.01, column[ends] + 0.01, np.full(len(starts), np.nan)])
    return step * across.ravel(), step * np.repeat(row[starts], 3)


def _rug(axes: Axes, block: BlockRecord) -> None:
    """One row of ticks for each graph at its frequencies, those closer than a pixel drawn once."""
    rows = block.graphs[:MOST_ROWS]
    for row, graph in enumerate(rows):
        frequencies = [1 - real for real, _ in graph.eigenvalues] + [1.0] * bool(graph.zeros)
        places = np.unique(np.round(PLACES * np.array(frequencies))) / PLACES
        across = np.column_stack([places, places, np.full_like(places, np.nan)]).ravel()
        axes.plot(across, np.tile([-row, -row - 0.8, np.nan], len(places)), color=PALETTE.ink, linewidth=0.7)
    margin = 0.04
    axes.set(xlim=(block.edges[0] - margin, block.edges[-1] + margin), ylim=(-len(rows) - 0.2, 0.4))
    axes.set(xlabel="graph frequency λ = 1 − μ", ylabel="graphs", yticks=[])
    axes.spines["left"].set_visible(False)


def _coarse(share: np.ndarray) -> np.ndarray:
    """A quarter of the bins, so that the lines of two histograms can be told apart."""
    return share.reshape(-1, 4).sum(axis=1)


def _coarse_edges(block: BlockRecord) -> np.ndarray:
    return np.asarray(block.edges[::4])


def _spread(count: int, most: int) -> list[int]:
    """At most so many indices below ``count``, evenly, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)).tolist()


def _places(count: int) -> np.ndarray:
    """At most so many of the numbers 1 to ``count``, evenly over the decades where there are many."""
    if count <= FEW:
        return np.arange(1, count + 1)
    return np.unique(np.geomspace(1, count, MOST_POINTS).round().astype(int))


def _plain(label: str) -> str:
    """A label that can be drawn: one short line, its middle left out where it is long."""
    text = "".join(letter if letter.isprintable() else "\ufffd" for letter in label)
    half = LONGEST_LABEL // 2
    return text if len(text) <= LONGEST_LABEL else f"{text[:half]}…{text[1 - half :]}"
