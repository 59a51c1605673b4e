"""What a probe holds, as a small table for notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from torch import nn

from gsp_nonlocal.probe.trace import CrossTrace, Trace
from gsp_nonlocal.shifts import ShiftOperator
from gsp_nonlocal.shifts.biadjacency import Biadjacency

ROWS_SHOWN = 40
"""Most rows of a table; of the others their number is told."""


def probe_html(
    modules: Mapping[str, nn.Module],
    traces: Mapping[str, Sequence[Trace]],
    crossings: Mapping[str, Sequence[CrossTrace]],
    skipped: Mapping[str, str],
) -> str:
    """The graphs that a probe caught, a row each, and what it skipped, with reasons; before a pass a hint.

    Example:
        >>> import torch
        >>> from gsp_nonlocal import SNL
        >>> from gsp_nonlocal.probe import SpectralProbe
        >>> model = SNL(8)
        >>> with SpectralProbe(model) as probe:
        ...     _ = model(torch.randn(1, 8, 6, 6))
        >>> "<td>the model itself</td><td>SNL</td><td>36</td><td>1</td>" in probe._repr_html_()
        True
    """
    graphs = [(path, one.shift, one.graphs) for path, found in traces.items() for one in found]
    joins = [(path, one.weights, one.graphs) for path, found in crossings.items() for one in found]
    held: list[tuple[str, ShiftOperator | Biadjacency, int]] = [*graphs, *joins]
    rows = [
        (path or "the model itself", type(modules[path]).__name__, nodes_of(s.shape), count, type(s).__name__)
        for path, s, count in held
    ]
    if not rows and not skipped:
        return "<p>SpectralProbe: nothing was read yet; call the model inside of it.</p>"
    return table_html(("module", "kind", "nodes", "graphs an image", "shift"), rows, skipped)


def nodes_of(shape: Sequence[int]) -> str:
    """``N`` of a graph, or ``queries × keys`` of one between two sets of nodes."""
    queries, keys = shape[-2:]
    return str(queries) if queries == keys else f"{queries} × {keys}"


def table_html(heads: Iterable[str], rows: Sequence[Iterable[object]], skipped: Mapping[str, str]) -> str:
    """A table of ``heads`` and ``rows``, and below it a list of what has none, with the reasons; all escaped.

    Example:
        >>> table_html(["a"], [["<b>"]], {"c": "d"})
        '<table><tr><th>a</th></tr><tr><td>&lt;b&gt;</td></tr></table><p>Not read:</p><ul><li>c: d</li></ul>'
    """
    lines = ["".join(f"<th>{escape(head)}</th>" for head in heads)]
    lines += ["".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in rows[:ROWS_SHOWN]]
    table = f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"
    more = f"<p>… and {len(rows) - ROWS_SHOWN} more.</p>" if len(rows) > ROWS_SHOWN else ""
    reasons = "".join(f"<li>{escape(path)}: {escape(reason)}</li>" for path, reason in skipped.items())
    return table + more + (f"<p>Not read:</p><ul>{reasons}</ul>" if reasons else "")
