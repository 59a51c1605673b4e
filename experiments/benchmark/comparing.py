"""What became slower since an earlier run."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.benchmark.output import Earlier, Results, shown
from experiments.benchmark.sections import Row

MARGIN = 0.15
"""What counts as slower: by more than this share."""

NAMES = (
    *("map", "block", "filter", "case", "what", "order", "nodes", "pass"),
    *("inserted", "graph", "model", "allocator", "r", "k"),
)
"""Columns that say which row it is."""
SLOWER = (
    "times the floor",
    "times order 1",
    "times Chebyshev 1",
    "times longer",
    "over their share",
    "over its operations",
    "ratio",
)
"""Ends of columns with multiples of a time of the same run, of which less is better."""


def became_slower(results: Results, machine: dict[str, str], earlier: Earlier) -> list[str]:
    """A line for each figure that is worse than ``earlier``'s by more than :data:`MARGIN`.

    Times are compared on the same machine and setting alone; on another, multiples within one run.
    """
    same = machine == earlier.machine
    lines = []
    for title, rows in results.items():
        known = {_name(row): row for row in earlier.results.get(title, [])}
        for row in rows:
            for column, now, before in _shared(row, known.get(_name(row), {})):
                worse = _times_worse(column, now, before, same)
                if worse > 1 + MARGIN:
                    name = ", ".join(_name(row))
                    lines.append(f"{title}, {name}: {column} {before:.3g} → {now:.3g} ({worse:.2f} times)")
    return lines


def _name(row: Row) -> tuple[str, ...]:
    return tuple(f"{column} {shown(row[column])}" for column in NAMES if column in row)


def _shared(row: Row, other: Row) -> Iterator[tuple[str, float, float]]:
    for column, value in row.items():
        before = other.get(column)
        if column not in NAMES and isinstance(value, float) and isinstance(before, float) and before > 0:
            yield column, value, before


def _times_worse(column: str, now: float, before: float, same_machine: bool) -> float:
    """How much worse a figure became; 0 for one that is no time, or is not compared."""
    if column.startswith("times faster"):
        return before / now
    if column.endswith(SLOWER):
        return now / before
    is_time = column.split()[-1] in ("ms", "s")
    return now / before if is_time and same_machine else 0.0
