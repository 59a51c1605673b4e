"""What the table of the zoo says in numbers."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.probe_zoo.trial import Row


def summary(rows: Sequence[Row]) -> str:
    """The sums of each library, and every model of which something was not caught."""
    lines = [_sums(library, [row for row in rows if row.library == library]) for library in _libraries(rows)]
    lines.append(_sums("all", rows))
    lines += [
        f"{row.library}.{row.model}: {row.notes}"
        for row in rows
        if row.caught != row.attentions or row.beyond != "0" or row.equal == "NO"
    ]
    return "\n".join(lines)


def total(rows: Sequence[Row], column: str) -> int:
    """The sum of a column."""
    return sum(int(getattr(row, column)) for row in rows)


def _libraries(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.library for row in rows))


def _sums(name: str, rows: Sequence[Row]) -> str:
    with_some = sum(row.attentions != "0" for row in rows)
    numbers = ", ".join(
        f"{total(rows, column)} {column}"
        for column in ("attentions", "caught", "named", "silent", "linear", "beyond", "compared")
    )
    worst = max((float(row.difference) for row in rows if row.difference), default=0.0)
    changed = sum(row.equal == "NO" for row in rows)
    return (
        f"{name}: {len(rows)} models, {with_some} with attention: {numbers}; "
        f"greatest difference {worst:.1e}, {changed} outputs changed"
    )
