"""Sections measured one after the other, with what else the machine did meanwhile."""

from __future__ import annotations

from collections.abc import Mapping

import psutil
from rich.console import Console
from rich.progress import track

from experiments.benchmark.measure import Others
from experiments.benchmark.sections import Row, Section


def watch(sections: Mapping[str, Section], console: Console) -> tuple[dict[str, list[Row]], dict[str, str]]:
    """The rows of each section, and how they were measured, in words."""
    measured: dict[str, list[Row]] = {}
    conditions: dict[str, str] = {}
    for title, section in sections.items():
        others, before = Others(), psutil.getloadavg()[0]
        rows = track(section.rows, description=f"{title:16}", total=section.total, console=console)
        measured[title] = list(rows)
        rounds = f"Medians of {section.rounds} rounds" if section.rounds > 1 else "One round"
        conditions[title] = (
            f"{rounds}; other programs took {others.cores():.2f} of {psutil.cpu_count()} cores meanwhile, "
            f"load {before:.1f} before and {psutil.getloadavg()[0]:.1f} after"
        )
    return measured, conditions
