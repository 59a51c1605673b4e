"""The benchmark's table, picture and file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from experiments.benchmark.sections import Row
from experiments.files import replacing

Results = Mapping[str, Sequence[Row]]


def write_results(results: Results, machine: Mapping[str, str], folder: Path) -> list[Path]:
    """Write ``benchmark.json``, ``benchmark.md`` and ``benchmark.png``, each whole or not at all."""
    paths = [folder / f"benchmark.{suffix}" for suffix in ("json", "md", "png")]
    with replacing(paths[0]) as file:
        file.write_text(json.dumps({"machine": dict(machine), **results}, indent=1), encoding="utf-8")
    with replacing(paths[1]) as file:
        file.write_text(f"# Benchmark\n\n{tables(results, machine)}\n", encoding="utf-8")
    with replacing(paths[2]) as file:
        _picture(results).savefig(file, dpi=150, format="png")
    return paths


def read_sections(folder: Path, machine: Mapping[str, str]) -> dict[str, list[Row]]:
    """What ``benchmark.json`` in ``folder`` holds from earlier, nothing if there is none.

    Raises:
        ValueError: if it holds something else, or was measured on another machine, whose figures do not
            belong beside new ones.
    """
    path = folder / "benchmark.json"
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        measured_on = found.pop("machine")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"'{path}' holds no benchmark ({type(error).__name__}); move it away") from error
    if measured_on != dict(machine):
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
            table.add_row(*(_text(row.get(column, "")) for column in columns))
        console.print(table)


def tables(results: Results, machine: Mapping[str, str], heading: str = "##") -> str:
    """The machine in a line, and a table a section, as Markdown."""
    lines = ["Written by `make benchmark`. " + ", ".join(f"{k}: {v}" for k, v in machine.items())]
    for title, rows in results.items():
        columns = _columns(rows)
        lines += [
            "",
            f"{heading} {title}",
            "",
            "| " + " | ".join(columns) + " |",
            "|" + "---|" * len(columns),
        ]
        lines += ["| " + " | ".join(_text(row.get(c, "")) for c in columns) + " |" for row in rows]
    return "\n".join(lines)


def _columns(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _text(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.2f}"


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
