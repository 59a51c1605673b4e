"""``python -m experiments.benchmark``: time and memory, as ratios within one run."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from rich.console import Console

from experiments.benchmark.block_sections import block_sections
from experiments.benchmark.comparing import MARGIN, became_slower
from experiments.benchmark.filter_sections import filter_sections
from experiments.benchmark.graph_sections import graph_sections
from experiments.benchmark.inserted_sections import inserted_sections
from experiments.benchmark.output import (
    Earlier,
    Results,
    print_results,
    read_results,
    read_sections,
    write_results,
)
from experiments.benchmark.sections import UNSET, Section, main_sections
from experiments.benchmark.spectral_sections import spectral_sections
from experiments.benchmark.split_sections import split_sections
from experiments.benchmark.toolkit_sections import toolkit_sections
from experiments.benchmark.watch import watch
from experiments.command import command
from experiments.files import check_writable
from experiments.machine import describe_machine
from experiments.settings import check_whole

ALLOCATOR_SETTINGS = (*UNSET, "LD_PRELOAD")


@command
def main(arguments: list[str] | None = None) -> int:
    """Run the sections; 1 if something is slower than in ``--compare``.

    2 for numbers out of range, a folder that cannot be written or added to, a file that holds no benchmark.
    """
    options = _parser().parse_args(arguments)
    console, machine = Console(), _machine()
    sections = _sections(options.rounds, options.quick)
    chosen = options.only or list(sections)
    try:
        check_whole("--rounds", options.rounds, 1)
        check_writable(options.output)
        _check_titles(chosen, sections)
        kept = read_sections(options.output, machine) if options.only else Earlier({}, machine, {})
        if options.quick and options.compare:
            raise ValueError("--compare is for the sizes of a whole run; leave out --quick")
        against = read_results(options.compare) if options.compare else None
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    measured, conditions = watch({title: sections[title] for title in sections if title in chosen}, console)
    print_results(measured, console)
    merged = {title: rows for title in sections if (rows := measured.get(title, kept.results.get(title)))}
    for path in write_results(merged, machine, options.output, kept.conditions | conditions):
        console.print(f"wrote {path}")
    return 0 if against is None else _compare(measured, machine, against, console)


def _compare(measured: Results, machine: dict[str, str], against: Earlier, console: Console) -> int:
    """Say what became slower; 1 if something did."""
    slower = became_slower(measured, machine, against)
    where = "" if machine == against.machine else " (of another machine or setting: multiples alone)"
    console.print(f"slower than the earlier run by more than {MARGIN:.0%}{where}: {len(slower) or 'nothing'}")
    for line in slower:
        console.print(f"  {line}", soft_wrap=True)
    return 1 if slower else 0


def _machine() -> dict[str, str]:
    machine = describe_machine()
    kept = {name: os.environ[name] for name in ALLOCATOR_SETTINGS if name in os.environ}
    machine["allocator"] = " ".join(f"{name}={value}" for name, value in kept.items()) or "default"
    if torch.cuda.is_available():
        machine["device"] = torch.cuda.get_device_name()
    return machine


def _sections(rounds: int, quick: bool) -> dict[str, Section]:
    """Title to rows, not yet measured."""
    return {
        **main_sections(rounds, quick),
        **filter_sections(rounds, quick),
        **graph_sections(rounds, quick),
        **toolkit_sections(rounds, quick),
        **block_sections(rounds, quick),
        **inserted_sections(rounds, quick),
        **spectral_sections(rounds, quick),
        **split_sections(rounds, quick),
    }


def _check_titles(chosen: Iterable[str], sections: Mapping[str, object]) -> None:
    unknown = [title for title in chosen if title not in sections]
    if unknown:
        raise ValueError(f"unknown section {unknown[0]!r}; choose from: {', '.join(sections)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmark", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("runs/benchmark"), help="folder for the results")
    parser.add_argument("--rounds", type=int, default=15, help="measured rounds a case (default 15)")
    parser.add_argument("--quick", action="store_true", help="small cases alone: half a minute")
    parser.add_argument("--only", nargs="+", metavar="SECTION", help="measure these, keep the others' rows")
    parser.add_argument(
        "--compare", type=Path, metavar="FILE", help="a benchmark.json: name what became slower than there"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
