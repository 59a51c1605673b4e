"""What the table of the zoo says in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from experiments.insertion_zoo.trial import Row


def summary(rows: Sequence[Row]) -> str:
    """Numbers of verdicts, and every model that was not right."""
    lines = []
    for name, verdicts in counts(rows).items():
        lines.append(f"{name}: " + ", ".join(f"{number} {verdict}" for verdict, number in verdicts.items()))
    lines += [
        f"{row.model} {row.module}: {row.verdict}: {row.with_example}"
        for row in rows
        if row.verdict != "right"
    ]
    return "\n".join(lines)


def counts(rows: Sequence[Row]) -> Mapping[str, Counter[str]]:
    """Verdicts with and without an example."""
    return {
        f"{len(rows)} models, with an example": Counter(row.verdict for row in rows),
        "without one": Counter(row.verdict_without for row in rows),
    }
