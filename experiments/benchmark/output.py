"""The benchmark's table, picture and file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from experiments.benchmark.sections import Row
from experiments.files import replacing

Results = Mapping[str, Sequence[Row]]
Conditions = Mapping[str, str]
"""Of each section, how it was measured, in words."""


class Earlier(NamedTuple):
    """What a file of results holds."""

    results: dict[str, list[Row]]
    machine: dict[str, str]
    conditions: dict[str, str]


def write_results(
    results: Results, machine: Mapping[str, str], folder: Path, conditions: Conditions | None = None
) -> list[Path]:
    """Write ``benchmark.json``, ``benchmark.md`` and ``benchmark.png``, each whole or not at all."""
    conditions = dict(conditions or {})
    found = {"machine": dict(machine), "conditions": conditions, **results}
    paths = [folder / f"benchmark.{suffix}" for suffix in ("json", "md", "png")]
    with replacing(paths[0]) as file:
        file.write_text(
            json.dumps(found, indent=1),
            encoding="utf-8",
        )
    with replacing(paths[1]) as file:
        file.write_text(f"# Benchmark\n\n{tables(results, machine, conditions)}\n", encoding="utf-8")
    with replacing(paths[2]) as file:
        _picture(results).savefig(file, dpi=150, format="png")
    return paths


def read_results(path: Path) -> Earlier:
    """The results in a file ``benchmark.json``.

    Raises:
        ValueError: if it holds something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        machine, conditions = dict(found.pop("machine")), dict(found.pop("conditions", {}))
        if not all(isinstance(row, dict) for rows in found.values() for row in rows):
            raise TypeError
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"'{path}' holds no benchmark ({type(error).__name__}); move it away") from error
    return Earlier(found, machine, conditions)


def read_sections(folder: Path, machine: Mapping[str, str]) -> Earlier:
    """What ``benchmark.json`` in ``folder`` holds from earlier, nothing if there is none.

    Raises:
        ValueError: if it holds something else, or was measured on another machine, whose figures do not
            belong beside new ones.
    """
    path = folder / "benchmark.json"
    if not path.exists():
        return Earlier({}, dict(machine), {})
    found = read_results(path)
    if found.machine != dict(machine):
        raise ValueError(
            f"'{path}' is of another machine or setting; choose another --output, or measure all"
        )
    return found


def print_results(results: Results, console: Console) -> None:
    """The same tables on the terminal."""
    for title, rows in results.items():
        columns = _columns(rows)
        table = Table(*columns, title=title)
        for row in rows:
            table.add_row(*(shown(row.get(column, "")) for column in columns))
        console.print(table)


def tables(
    results: Results,
    machine: Mapping[str, str],
    conditions: Conditions,
    heading: str = "##",
    command: str = "make benchmark",
) -> str:
    """The machine in a line, and a table a section with how it was measured, as Markdown."""
    lines = [f"Written by `{command}`. " + ", ".join(f"{k}: {v}" for k, v in machine.items())]
    for title, rows in results.items():
        columns = _columns(rows)
        lines += [
            "",
            f"{heading} {title}",
            "",
            *([f"{conditions[title]}.", ""] if title in conditions else []),
            "| " + " | ".join(columns) + " |",
            "|" + "---|" * len(columns),
        ]
        lines += ["| " + " | ".join(shown(row.get(c, "")) for c in columns) + " |" for row in rows]
    return "\n".join(lines)


def _columns(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def shown(value: float | str) -> str:
    """A figure as tables have it."""
    if isinstance(value, str):
        return value
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.2g}"


def _picture(results: Results) -> Figure:
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    rows = results.get("growth", [])
    if not rows:
        return figure
    for axes, unit, title in zip(
        figure.subplots(1, 2), ("s", "MiB"), ("time of a training step", "peak memory"), strict=True
    ):
        for kind, label in (("snl", "SNL, order 3, low-rank"), ("textbook", "order 1, dense textbook")):
            points = [(r["nodes"], r[f"{kind} {unit}"]) for r in rows if f"{kind} {unit}" in r]
            if points:
                axes.loglog(*zip(*points, strict=True), "o-", label=label)
        nodes = [float(r["nodes"]) for r in rows]
        last = float(rows[-1][f"snl {unit}"])
        axes.loglog(nodes, [last * n / nodes[-1] for n in nodes], ":", color="grey", label="linear in N")
        if unit == "MiB":
            wanted = [float(r["MiB of one N×N matrix"]) for r in rows]
            axes.loglog(nodes, wanted, "--", color="tab:red", label="one N×N matrix alone")
        axes.set(title=title, xlabel="nodes N (positions of the map)", ylabel=unit)
        axes.grid(alpha=0.3)
        axes.legend()
    return figure
