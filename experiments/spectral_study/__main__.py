"""What the known nonlocal blocks' graphs and filters are, before, during and after a training on cued scenes.

``python -m experiments.spectral_study`` trains each network on the colour cue and writes
``spectral_study.json``; from its numbers alone it writes the document ``docs/study.md`` with its pictures. A
training found in the JSON file is not run again; ``--document-only`` trains none.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from rich.console import Console

from experiments.command import command
from experiments.comparison import BLOCK_STEPS
from experiments.files import check_writable, replacing
from experiments.machine import describe_machine
from experiments.messages import hush
from experiments.settings import check_budget
from experiments.spectral_study.plots import draw
from experiments.spectral_study.runs import Study, applications, read_study, write_study
from experiments.spectral_study.text import document, runs_of
from experiments.spectral_study.training import EVAL_SCENES, NETWORKS, train_network

RESULTS = Path(__file__).parents[1] / "results"
DOCUMENT = Path(__file__).parents[2] / "docs" / "study.md"
NAME = "spectral_study.json"


def run_spectral_study(
    blocks: Sequence[str], seeds: Sequence[int], steps: int, path: Path, *, eval_scenes: int = EVAL_SCENES
) -> Study:
    """Train what the JSON file ``path`` lacks, keep each training there, and return all runs."""
    study, console = read_study(path), Console()
    done = {run.key for run in study.runs}
    for seed, block in product(seeds, blocks):
        if (block, seed, steps) in done:
            console.print(f"seed {seed}, {block}: done before")
            continue
        console.rule(f"seed {seed}, {block}, {steps} steps")
        with tempfile.TemporaryDirectory() as folder:
            run = train_network(block, seed, steps, folder, eval_scenes=eval_scenes)
        study = Study([*study.runs, run], describe_machine())
        write_study(study, path)
        console.print(f"test IoU {run.test:.3f} in {run.seconds:.0f} s")
    return read_study(path)


def write_document(study: Study, steps: int, path: Path) -> None:
    """Write the page of the runs of this number of steps, and its pictures into ``images`` beside it."""
    draw(applications(runs_of(study, steps)), path.parent / "images")
    with replacing(path) as temporary:
        temporary.write_text(document(study, steps, "images"), encoding="utf-8")


def check(output: Path, page: Path, seeds: Sequence[int], steps: int, *, document_only: bool = False) -> None:
    """Make sure of all inputs before any work.

    Raises:
        ValueError: If ``steps`` or a seed is out of range, a folder cannot be written, the JSON file is
            another one, or a document alone is asked for and there is no run of so many steps.
    """
    check_budget(seeds, steps)
    check_writable(output)
    try:
        check_writable(page.parent / "images")
    except ValueError as error:
        raise ValueError(str(error).replace("--output", "--document")) from error
    study = read_study(output / NAME)
    if document_only and steps not in {run.steps for run in study.runs}:
        raise ValueError(
            f"'{output / NAME}' has no run of {steps} steps; leave out --document-only, or give the --steps "
            "of one that is there"
        )


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
    Console().print(f"written: {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
