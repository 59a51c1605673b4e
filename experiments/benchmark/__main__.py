"""``python -m experiments.benchmark``: time and memory, as ratios within one run."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track

from experiments.benchmark.block_sections import block_sections
from experiments.benchmark.filter_sections import filter_sections
from experiments.benchmark.output import print_results, write_results
from experiments.benchmark.sections import BLOCK_SHAPES, Row, compare_blocks, compare_orders, growth
from experiments.files import check_writable
from experiments.machine import describe_machine

ALLOCATOR_SETTINGS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "LD_PRELOAD")


def main(arguments: list[str] | None = None) -> int:
    """Run all sections; 2 for an output folder that cannot be written."""
    options = _parser().parse_args(arguments)
    console = Console()
    try:
        check_writable(options.output)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    results = _measure(options.rounds, options.quick, console)
    machine = describe_machine()
    kept = {name: os.environ[name] for name in ALLOCATOR_SETTINGS if name in os.environ}
    machine["allocator"] = " ".join(f"{name}={value}" for name, value in kept.items()) or "default"
    if torch.cuda.is_available():
        machine["device"] = torch.cuda.get_device_name()
    print_results(results, console)
    for path in write_results(results, machine, options.output):
        console.print(f"wrote {path}")
    return 0


def _measure(rounds: int, quick: bool, console: Console) -> dict[str, list[Row]]:
    shapes = [shape for shape in BLOCK_SHAPES if not quick or (shape[0] > 2 and shape[1] < 1024)]
    exponents = range(12, 15) if quick else range(12, 21)

    def watch(rows: Iterable[Row], title: str, total: int) -> list[Row]:
        return list(track(rows, description=f"{title:14}", total=total, console=console))

    return {
        "blocks": watch(compare_blocks(shapes, rounds), "blocks", len(shapes)),
        "orders": watch(compare_orders(1024 if quick else 8192, 128, 2 * rounds), "orders", 4),
        "growth": watch(growth(exponents), "growth", len(exponents)),
        **{
            title: watch(rows, title, n)
            for make_sections in (filter_sections, block_sections)
            for title, (rows, n) in make_sections(rounds, quick).items()
        },
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmark", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("runs/benchmark"), help="folder for the results")
    parser.add_argument("--rounds", type=int, default=9, help="measured rounds a case (default 9)")
    parser.add_argument("--quick", action="store_true", help="small cases alone: half a minute")
    return parser


if __name__ == "__main__":
    sys.exit(main())
