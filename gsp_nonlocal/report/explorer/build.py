"""A block's rows of ``S`` over a few images, to be clicked through, in as many bytes as there are for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import isfinite

from torch import Tensor

from gsp_nonlocal.analysis.arrangement import Arrangement, arrange
from gsp_nonlocal.probe.trace import CrossTrace, Trace
from gsp_nonlocal.report.explorer.atlas import draw_atlas
from gsp_nonlocal.report.explorer.image_rows import Rows, image_rows, join_rows
from gsp_nonlocal.report.explorer.plan import Plan, join_plans, plans
from gsp_nonlocal.report.explorer.view import Picture, View
from gsp_nonlocal.spectral.layout import Layout

VIEWS_BYTES = 3_400_000
"""Bytes of all views of a page, whose explorer then stays below 3.8 MB."""

MEAN_SHARE = 4
"""The mean of many heads may take one of so many parts of a block's bytes."""

NO_ROOM = "Only the mean of the heads is here: for each head, choose fewer blocks or images."
"""Said where the budget does not hold one row of each head."""


def views(
    path: str,
    trace: Trace | CrossTrace,
    image_size: tuple[int, ...],
    *,
    snapshot: str = "",
    images: Sequence[int] | None = None,
    budget: int = VIEWS_BYTES,
) -> list[View]:
    """The rows of a trace's graphs, to be clicked through; of cross-attention, those of its queries.

    The mean of the heads and each of them, as finely as ``budget`` allows: the rows of all positions; else of
    every second or third position; else also their means over cells of positions. Heads are left out, with a
    sentence that says so, only where not one row of each fits.

    Args:
        path: name of the block.
        trace: what a probe kept of it; keys of cross-attention are taken as patches, as a sequence is.
        image_size: spatial size of the model's input.
        snapshot: when this was, such as ``"epoch 3"``.
        images: numbers of images of the batch; by default all.
        budget: most bytes of the views in a page.

    Raises:
        ValueError: if there is no such image, or not even one row of each fits.

    Example:
        >>> import torch
        >>> from gsp_nonlocal import SNL
        >>> from gsp_nonlocal.probe import SpectralProbe
        >>> model = SNL(4)
        >>> with SpectralProbe(model) as probe:
        ...     _ = model(torch.randn(2, 4, 6, 8))
        >>> [view] = views("block", probe.traces[""][0], (6, 8))
        >>> view.queries, view.targets, len(view.pictures)
        ((6, 8), (6, 8), 2)
    """
    chosen = _chosen(images, len(trace.signal) // trace.graphs)
    arrangement = arrange(_layout(trace), image_size)
    names = (path, snapshot)
    if trace.graphs == 1:
        found = _finest(names, trace, chosen, arrangement, False, budget)
    else:
        found = _mean_and_heads(names, trace, chosen, arrangement, budget)
    if found:
        return found
    raise ValueError(
        f"{budget} bytes do not hold one row of {path or 'the model itself'} for each of {len(chosen)} "
        "images; raise the budget, or choose fewer images"
    )


def _layout(trace: Trace | CrossTrace) -> Layout:
    """Of the nodes that rows go over."""
    return trace.layout if isinstance(trace, Trace) else Layout((trace.weights.shape[2],))


def _mean_and_heads(
    names: tuple[str, str],
    trace: Trace | CrossTrace,
    images: list[int],
    arrangement: Arrangement,
    budget: int,
) -> list[View]:
    """The mean in its part of the budget, a quarter if there are many heads, then each head in the rest."""
    share = budget // min(MEAN_SHARE, trace.graphs + 1)
    mean = _finest(names, trace, images, arrangement, False, share)
    heads = _finest(names, trace, images, arrangement, True, budget - _size(mean)) if mean else []
    if heads:
        return mean + heads
    mean = _finest(names, trace, images, arrangement, False, budget - len(NO_ROOM) - 1)
    return [replace(view, note=f"{view.note} {NO_ROOM}".strip()) for view in mean]


def _finest(
    names: tuple[str, str],
    trace: Trace | CrossTrace,
    images: list[int],
    arrangement: Arrangement,
    heads: bool,
    budget: int,
) -> list[View]:
    """The views of the heads or of their mean in the finest plan that fits; none if none does."""
    for plan in _plans(trace, arrangement, heads, budget // len(images)):
        drawn = _drawn(trace, images, arrangement, plan, budget)
        found = [
            _view((*names, name), arrangement, plan, pictures)
            for name, *pictures in zip(plan.names, *drawn, strict=True)
            if pictures
        ]
        if found and _size(found) <= budget:
            return found
    return []


def _plans(trace: Trace | CrossTrace, arrangement: Arrangement, heads: bool, budget: int) -> Iterator[Plan]:
    if isinstance(trace, Trace):
        return plans(arrangement, trace.graphs, heads, budget)
    return join_plans(arrangement, trace, heads, budget)


def _size(found: list[View]) -> int:
    return sum(len(view.json()) for view in found)


def all_views(
    traces: Mapping[str, Trace | CrossTrace],
    image_size: tuple[int, ...],
    *,
    snapshot: str = "",
    images: Sequence[int] | None = None,
    budget: int = VIEWS_BYTES,
) -> list[View]:
    """The views of several blocks, by path: what small graphs leave of the budget goes to the larger ones.

    Arguments and errors are those of :func:`views`.
    """
    found: dict[str, list[View]] = {}
    for path in sorted(traces, key=lambda path: _weight(traces[path])):
        share = budget // (len(traces) - len(found))
        found[path] = views(path, traces[path], image_size, snapshot=snapshot, images=images, budget=share)
        budget -= _size(found[path])
    return [view for path in traces for view in found[path]]


def _weight(trace: Trace | CrossTrace) -> int:
    """How much there is to show."""
    rows = trace.shift.shape[-1] if isinstance(trace, Trace) else trace.weights.shape[1]
    return trace.graphs * rows


def _chosen(images: Sequence[int] | None, count: int) -> list[int]:
    chosen = list(range(count)) if images is None else list(images)
    if not chosen or not all(0 <= image < count for image in chosen):
        raise ValueError(f"images are numbers from 0 to {count - 1}, at least one; got {chosen}")
    return chosen


def _drawn(
    trace: Trace | CrossTrace, images: list[int], arrangement: Arrangement, plan: Plan, budget: int
) -> list[list[Picture]]:
    """For each image the pictures of its graphs; nothing if the first one alone takes more than its share."""
    drawn: list[list[Picture]] = []
    for image in images:
        rows = _rows(trace, image, arrangement, plan)
        drawn.append([_picture(rows.graph(index), arrangement.extra > 0) for index in range(len(rows.tiles))])
        if len(images) * sum(len(picture.atlas) for picture in drawn[0]) > budget:
            return []
    return drawn


def _rows(trace: Trace | CrossTrace, image: int, arrangement: Arrangement, plan: Plan) -> Rows:
    if isinstance(trace, Trace):
        return image_rows(trace, image, arrangement, plan.sampling, plan.heads)
    return join_rows(trace, image, plan.asked, arrangement, plan.sampling, plan.heads)


def _picture(rows: Rows, has_tokens: bool) -> Picture:
    even = _rounded(rows.even, 3)
    return Picture(
        *draw_atlas(rows.tiles, rows.even),
        greatest=tuple(value if isfinite(value) else None for value in _rounded(rows.greatest, 3)),
        where=tuple(rows.where.tolist()),
        spread=_rounded(rows.spread, 3),
        share=_rounded(rows.share, 2) if has_tokens else (),
        even=even[0] if len(set(even)) == 1 else even,
    )


def _rounded(values: Tensor, digits: int) -> tuple[float, ...]:
    """To so many digits, whole numbers as such: what JSON writes in the fewest letters."""
    rounded = (float(f"{value:.{digits}g}") for value in values.tolist())
    return tuple(int(value) if isfinite(value) and value == int(value) else value for value in rounded)


def _view(names: tuple[str, str, str], arrangement: Arrangement, plan: Plan, pictures: list[Picture]) -> View:
    down, across = arrangement.frames // arrangement.columns, arrangement.columns
    (queries_down, queries_across), (height, width) = plan.sampling.queries, plan.sampling.targets
    return View(
        *names,
        grid=(arrangement.frames, arrangement.height, arrangement.width),
        columns=across,
        queries=(down * queries_down, across * queries_across),
        targets=(down * height, across * width),
        tokens=_asked(arrangement, plan),
        nodes=arrangement.extra + arrangement.positions,
        overlaid=arrangement.overlaid,
        note=_note(arrangement, plan, pictures),
        pictures=tuple(pictures),
    )


def _asked(arrangement: Arrangement, plan: Plan) -> tuple[str, ...]:
    """Names of what can be asked beside positions: queries of cross-attention, or the extra nodes."""
    if plan.asked:
        return tuple(f"query {query + 1}" for query in plan.asked)
    return ("class token", *(f"token {number}" for number in range(2, arrangement.extra + 1)))[
        : arrangement.extra
    ]


def _note(arrangement: Arrangement, plan: Plan, pictures: list[Picture]) -> str:
    """Sentences on what was assumed, averaged and left out."""
    said = [*arrangement.notes, *plan.notes((arrangement.height, arrangement.width))]
    broken = sum(value is None for picture in pictures for value in picture.greatest)
    if broken:
        said.append(f"{broken} rows are not finite, and not drawn.")
    return " ".join(said)
