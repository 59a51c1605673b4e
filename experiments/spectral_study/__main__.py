"""What the known nonlocal blocks' graphs and filters are, before, during and after a training on cued scenes.

``python -m experiments.spectral_study`` trains each network on the colour cue and writes
``spectral_study.json``; from its numbers alone it renews tables and pictures of ``docs/study.md``, the prose
of which is written by hand. A training found in the JSON file is not run again; ``--document-only`` trains
none.
"""

import argparse
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from rich.console import Console

from experiments.cells import Key
from experiments.command import command
from experiments.comparison import BLOCK_STEPS
from experiments.files import check_writable, replacing
from experiments.grid import RESULTS, markdown_table, run_cells
from experiments.machine import describe_machine
from experiments.messages import hush
from experiments.prose import bare, filled, unfounded
from experiments.settings import check_budget
from experiments.spectral_study.plots import draw
from experiments.spectral_study.runs import Study, applications, keep_run, read_study
from experiments.spectral_study.tables import PLACES, runs_of, tables
from experiments.spectral_study.training import NETWORKS, train_network

DOCUMENT = Path(__file__).parents[2] / "docs" / "study.md"
NAME = "spectral_study.json"
TITLE = "Spectra of the known blocks, before and after training"


def run_spectral_study(blocks: Sequence[str], seeds: Sequence[int], steps: int, path: Path) -> Study:
    """Train what the JSON file ``path`` lacks, keep each training there, and return all runs."""
    run_cells(
        [Key("scenes", block, seed, steps) for seed, block in product(seeds, blocks)],
        lambda: {run.key for run in read_study(path).runs},
        lambda key, checkpoints: train_network(key.network, key.seed, key.steps, checkpoints),
        lambda run: keep_run(run, describe_machine(), path),
    )
    return read_study(path)


def document(study: Study, steps: int, page: str | None) -> str:
    """Return the page with the tables of the runs of this number of steps; one of tables alone for None.

    Raises:
        ValueError: If the page lacks the place of a table, or has one that is unknown.
    """
    found = {name: markdown_table(*table) for name, table in tables(study, steps).items()}
    return bare(TITLE, found) if page is None else filled(page, found)


def write_document(study: Study, steps: int, path: Path) -> None:
    """Renew the page's tables, and its pictures in ``images`` beside it."""
    text = document(study, steps, _page(path))
    draw(applications(runs_of(study, steps)), path.parent / "images")
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _page(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def check(output: Path, page: Path, seeds: Sequence[int], steps: int, *, document_only: bool = False) -> None:
    """Make sure of all inputs before any work.

    Raises:
        ValueError: If ``steps`` or a seed is out of range, a folder cannot be written, the JSON file is
            another one, the page has no places for the tables, or a document alone is asked for and there is
            no run of so many steps.
    """
    check_budget(seeds, steps)
    check_writable(output)
    try:
        check_writable(page.parent / "images")
    except ValueError as error:
        raise ValueError(str(error).replace("--output", "--document")) from error
    study = read_study(output / NAME)
    if document_only and not runs_of(study, steps):
        raise ValueError(
            f"'{output / NAME}' has no run of {steps} steps; leave out --document-only, or give the --steps "
            "of one that is there"
        )
    try:
        if page.exists():
            filled(page.read_text(encoding="utf-8"), dict.fromkeys(PLACES, ()))
    except ValueError as error:
        raise ValueError(f"'{page}': {error}; choose another with --document") from error


@command
def main(args: Sequence[str] | None = None) -> int:
    """Run the study from the command line."""
    parser = argparse.ArgumentParser(prog="python -m experiments.spectral_study", description=__doc__)
    parser.add_argument("--blocks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[3])
    parser.add_argument("--steps", type=int, default=BLOCK_STEPS["scenes"], help="Steps a training.")
    parser.add_argument("--output", default=str(RESULTS))
    parser.add_argument("--document", default=str(DOCUMENT), help="Page; its pictures go into images/ there.")
    parser.add_argument("--document-only", action="store_true", help="Train nothing: the page alone.")
    chosen = parser.parse_args(args)
    hush()
    output, page, only = Path(chosen.output), Path(chosen.document), chosen.document_only
    try:
        check(output, page, chosen.seeds, chosen.steps, document_only=only)
    except ValueError as error:
        parser.error(str(error))
    blocks = [] if only else chosen.blocks
    study = run_spectral_study(blocks, chosen.seeds, chosen.steps, output / NAME)
    write_document(study, chosen.steps, page)
    console = Console()
    console.print(f"written: {page}")
    for number in unfounded(page.read_text(encoding="utf-8")):
        console.print(f"its prose quotes what no table says: {number}", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
