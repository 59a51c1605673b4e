"""The paper's experiments: every block in one command, resumable cell by cell.

``python -m experiments.paper --dataset cifar10 --data DATA --backbone preresnet20 --blocks none snl nl
--seeds 0 1 2`` trains each network by each seed as ``python -m experiments fit`` does, and writes
``cifar10.csv``, a page and a figure. The same command goes on wherever it was stopped, and several of them
share the work.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from experiments.command import command
from experiments.files import check_writable
from experiments.messages import hush
from experiments.paper.ablations import NAMES, ablation
from experiments.paper.cells import read_paper_cells
from experiments.paper.executors import EXECUTORS, executors_of, run_here, run_side_by_side
from experiments.paper.measuring import costs_of
from experiments.paper.networks import parse_networks
from experiments.paper.page import write_page
from experiments.paper.plan import Plan, datasets
from experiments.paper.spectra import measure_spectra, read_spectra, table_of
from experiments.paper.training import CellError
from experiments.settings import check_budget, check_whole
from gsp_nonlocal.reading import first_line

ALL = ("none", "snl", "nl", "ns", "a2", "cgnl", "cc", "dnl", "anl", "gc")


def parser_of() -> argparse.ArgumentParser:
    """Return the options of the command."""
    parser = argparse.ArgumentParser(prog="python -m experiments.paper", description=__doc__)
    parser.add_argument("--dataset", required=True, choices=datasets(), help="A config of configs/paper.")
    parser.add_argument("--data", required=True, help="Folder of the data.")
    parser.add_argument("--backbone", help="As --model.backbone; by default that of the config.")
    parser.add_argument("--blocks", nargs="+", help="Networks: none, snl, snl:filter=cayley,order=3, …")
    parser.add_argument("--ablation", choices=NAMES, help="Its networks, in place of --blocks.")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--epochs", type=int, help="Of a training; warm-up and drops in proportion.")
    parser.add_argument("--subset", type=int, help="Number of training images.")
    parser.add_argument("--executor", choices=EXECUTORS, default="here", help="local, slurm: by submitit.")
    parser.add_argument(
        "--job",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="For submitit: side_by_side=4, …",
    )
    parser.add_argument("--output", default="runs/paper/grid", help="Folder of the results.")
    parser.add_argument("--no-costs", action="store_true", help="Measure no costs: a table without them.")
    parser.add_argument("extra", nargs="*", help="After --: further options of python -m experiments fit.")
    return parser


def plan_of(chosen: argparse.Namespace) -> Plan:
    """Return what is asked for, checked.

    Raises:
        ValueError: Names what is wrong.
    """
    if chosen.blocks and chosen.ablation:
        raise ValueError("--blocks and --ablation each say which networks; give one of them")
    check_budget(chosen.seeds, None)
    for name in ("epochs", "subset"):
        if getattr(chosen, name) is not None:
            check_whole(f"--{name}", getattr(chosen, name), 1)
    plan = Plan(
        chosen.dataset, chosen.data, chosen.backbone or "", [], chosen.seeds, Path(chosen.output),
        chosen.epochs, chosen.subset, tuple(chosen.extra),
    )  # fmt: skip
    backbone = chosen.backbone or plan.config["model"]["init_args"]["backbone"]
    words = ablation(chosen.ablation, backbone) if chosen.ablation else chosen.blocks or ALL
    plan = replace(plan, backbone=backbone, networks=parse_networks(words))
    plan.check()
    return plan


def parameters_of(words: Sequence[str]) -> dict[str, Any]:
    """Return ``KEY=VALUE`` words as a mapping, values as YAML.

    Raises:
        ValueError: If a word is no such form.
    """
    pairs = [word.partition("=") for word in words]
    for key, sign, _ in pairs:
        if not sign:
            raise ValueError(f"--job {key} is no KEY=VALUE, such as timeout_min=600")
    try:
        return {key: yaml.safe_load(value) for key, _, value in pairs}
    except yaml.YAMLError as error:
        raise ValueError(f"--job {' '.join(words)}: a value is no YAML ({first_line(error)})") from error


@command
def main(args: Sequence[str] | None = None) -> int:
    """Run the grid from the command line; 1 if a training failed."""
    hush()
    parser = parser_of()
    chosen = parser.parse_args(args)
    try:
        plan = plan_of(chosen)
        check_writable(plan.output)
        done = {cell.key for cell in read_paper_cells(plan.table)}
        read_spectra(table_of(plan))
        jobs = [job for job in plan.jobs() if job.key not in done]
        given, logs = parameters_of(chosen.job), plan.output / "jobs"
        executors = [] if chosen.executor == "here" else executors_of(chosen.executor, logs, len(jobs), given)
    except ValueError as error:
        parser.error(str(error))
    try:
        failed = run_side_by_side(jobs, executors) if executors else run_here(jobs)
    except CellError as error:
        print(f"\n{error}", file=sys.stderr)
        return error.code
    return report(plan, failed, not chosen.no_costs)


def report(plan: Plan, failed: Sequence[str], with_costs: bool) -> int:
    """Write page and figure of all cells that are there, and say what is missing; 1 if a training failed."""
    console, cells = Console(), read_paper_cells(plan.table)
    missing = {job.key for job in plan.jobs()} - {cell.key for cell in cells}
    if cells:
        classes = plan.resolved["model"]["init_args"]["num_classes"]
        costs = costs_of(plan) if with_costs else {}
        page = write_page(plan.dataset, cells, classes, costs, measure_spectra(plan), plan.output)
        console.print(page.read_text(encoding="utf-8"))
        console.print(f"page: {page}, figure: {page.with_suffix('.png')}")
    for line in failed:
        console.print(f"failed: {line}")
    if missing:
        console.print(f"{len(missing)} cells are missing or trained elsewhere; the same command goes on")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
