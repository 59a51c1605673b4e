"""``python -m experiments.benchmark``: time and memory, as ratios within one run."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track

from experiments.benchmark.block_sections import block_sections
from experiments.benchmark.filter_sections import filter_sections
from experiments.benchmark.inserted_sections import inserted_sections
from experiments.benchmark.output import print_results, read_sections, write_results
from experiments.benchmark.sections import BLOCK_SHAPES, Row, compare_blocks, compare_orders, growth
from experiments.benchmark.spectral_sections import spectral_sections
from experiments.command import command
from experiments.files import check_writable
from experiments.machine import describe_machine
from experiments.settings import check_whole

ALLOCATOR_SETTINGS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "LD_PRELOAD")


@command
def main(arguments: list[str] | None = None) -> int:
    """Run the sections; 2 for numbers out of range, or a folder that cannot be written or added to."""
    options = _parser().parse_args(arguments)
    console, machine = Console(), _machine()
    sections = _sections(options.rounds, options.quick)
    chosen = options.only or list(sections)
    try:
        check_whole("--rounds", options.rounds, 1)
        check_writable(options.output)
        _check_titles(chosen, sections)
        kept = read_sections(options.output, machine) if options.only else {}
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    measured = {title: _watch(title, *sections[title], console) for title in sections if title in chosen}
    print_results(measured, console)
    merged = {title: rows for title in sections if (rows := measured.get(title, kept.get(title)))}
    for path in write_results(merged, machine, options.output):
        console.print(f"wrote {path}")
    return 0


def _machine() -> dict[str, str]:
    machine = describe_machine()
    kept = {name: os.environ[name] for name in ALLOCATOR_SETTINGS if name in os.environ}
    machine["allocator"] = " ".join(f"{name}={value}" for name, value in kept.items()) or "default"
    if torch.cuda.is_available():
        machine["device"] = torch.cuda.get_device_name()
    return machine


def _sections(rounds: int, quick: bool) -> dict[str, tuple[Iterable[Row], int]]:
    """Title to rows, not yet measured, and how many."""
    shapes = [shape for shape in BLOCK_SHAPES if not quick or (shape[0] > 2 and shape[1] < 1024)]
    exponents = range(12, 15) if quick else range(12, 21)
    return {
        "blocks": (compare_blocks(shapes, rounds), len(shapes)),
        "orders": (compare_orders(1024 if quick else 8192, 128, 2 * rounds), 4),
        "growth": (growth(exponents), len(exponents)),
        **filter_sections(rounds, quick),
        **block_sections(rounds, quick),
        **inserted_sections(rounds, quick),
        **spectral_sections(rounds, quick),
    }


def _watch(title: str, rows: Iterable[Row], total: int, console: Console) -> list[Row]:
    return list(track(rows, description=f"{title:16}", total=total, console=console))


def _check_titles(chosen: Iterable[str], sections: Mapping[str, object]) -> None:
    unknown = [title for title in chosen if title not in sections]
    if unknown:
        raise ValueError(f"unknown section {unknown[0]!r}; choose from: {', '.join(sections)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmark", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("runs/benchmark"), help="folder for the results")
    parser.add_argument("--rounds", type=int, default=9, help="measured rounds a case (default 9)")
    parser.add_argument("--quick", action="store_true", help="small cases alone: half a minute")
    parser.add_argument("--only", nargs="+", metavar="SECTION", help="measure these, keep the others' rows")
    return parser


if __name__ == "__main__":
    sys.exit(main())
