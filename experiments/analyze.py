"""Spectral analysis of trained networks: what graph each block learned, and what its filter passes.

``python -m experiments.analyze --checkpoint runs/demo/digits_snl.ckpt`` reads the network of a training of
these experiments and its own test images; ``--checkpoint weights.pth --model torchvision.vit_b_16 --images
folder`` any model of torchvision or timm. Several checkpoints are compared on one page. Written are
``index.html``, ``analysis.json``, ``measures.csv``, ``eigenvalues.csv`` and ``figures/``.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from torch import Tensor

from experiments.command import command
from experiments.data.pictures import Format, read_pictures
from experiments.messages import hush
from experiments.networks import Network, check_runs, library_model, trained_task
from gsp_nonlocal.spectral import Analysis, Limits, Snapshot, analyze, write_analyses
from gsp_nonlocal.spectral.analysis.findings import findings, number, passes
from gsp_nonlocal.spectral.report.explorer import share_of_budget
from gsp_nonlocal.spectral.report.folder import check_folder

SHOWN = {
    "|μ|": "spectral_radius",
    "rank": "effective_rank",
    "to rank 1": "distance_to_rank_one",
    "rows agree": "row_agreement",
    "λ before": "dirichlet_before",
    "λ after": "dirichlet_after",
}
"""Measures in the printed table, by heading; λ is the mean frequency of the signal."""
console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)  # names of files are no markup
Named = tuple[str, Network]
"""A network and its label, which is empty where there is no other."""


def networks(chosen: argparse.Namespace) -> list[Named]:
    """Return the networks that the command line asks for.

    Raises:
        ValueError: If one cannot be built or loaded.
    """
    labels = _labels(chosen.checkpoint)
    if chosen.model is None:
        return [(label, trained_task(path)) for label, path in zip(labels, chosen.checkpoint, strict=True)]
    options = _options(chosen.model_options)
    found = [
        (label, library_model(chosen.model, options, chosen.insert, path))
        for label, path in zip(labels or [""], chosen.checkpoint or [None], strict=True)
    ]
    if not chosen.checkpoint:
        text = f"{chosen.model} has random weights: give its trained ones with --checkpoint"
        console.print(text, style="yellow")
    return found


def pictures(chosen: argparse.Namespace, network: Network) -> Tensor:
    """Return the images to analyse, ``(M, C, H, W)``; what cannot be read is named on the way.

    Raises:
        ValueError: If there is none.
    """
    if chosen.images is None:
        if network.own_images is None:
            raise ValueError("give --images, files or folders: this model has no images of its own")
        return network.own_images(chosen.count)
    found = read_pictures(chosen.images, _format(chosen, network.form), chosen.count)
    for file, reason in found.unreadable.items():
        console.print(f"left out: {file}: {reason}", style="yellow")
    return found.images


def run(chosen: argparse.Namespace) -> list[Analysis]:
    """Analyse every network on the same images.

    Raises:
        ValueError: If something in the command line does not fit.
        OSError: If the output folder is there, or cannot be written.
    """
    _check(chosen)
    large = min(chosen.large, chosen.graphs)
    limits = Limits(graphs=chosen.graphs, large=large, nodes=chosen.nodes, k=chosen.k)
    found = networks(chosen)
    images = pictures(chosen, found[0][1])
    for named in found:
        check_runs(named[1], images, chosen.blocks, _name(named))
    check_folder(chosen.output, chosen.overwrite)
    budget = share_of_budget(len(found))
    return [_analysis(named, images, chosen.blocks, limits, budget) for named in found]


def show(found: Snapshot) -> None:
    """Print two lines a block, its path above its numbers, and what is wrong with it."""
    console.print(" ".join(filter(None, (found.model, found.label))), style="bold")
    console.print(_columns(["N", *SHOWN]))
    for block in found.blocks:
        told = ", ".join(filter(None, (block.kind, passes(block))))
        console.print(f"{block.name} ({told})", style="cyan")
        console.print(_columns([str(block.nodes), *(number(block.mean(name)) for name in SHOWN.values())]))
    for text, names in _signs(found).items():
        console.print(f"{', '.join(names)}: {text}", style="yellow")


def follow(chosen: argparse.Namespace, args: Sequence[str], found: Snapshot) -> str:
    """Return the next useful command: one block over more images, or the comparison with another training."""
    if len(chosen.checkpoint) == 1:
        more, folder = ["--checkpoint", *chosen.checkpoint, "ANOTHER.ckpt"], f"{chosen.output}_compared"
    else:
        block = found.blocks[-1].name.partition(", application")[0]
        more, folder = ["--blocks", block, "--count", str(4 * chosen.count)], f"{chosen.output}_one_block"
    given = [*args, *more, "--output", folder]  # of an option that is there twice the last one holds
    return shlex.join(["python", "-m", "experiments.analyze", *given])


def _signs(found: Snapshot) -> dict[str, list[str]]:
    """What is wrong, and with which blocks."""
    signs: dict[str, list[str]] = {}
    for block in found.blocks:
        for finding in findings(block):
            if finding.kind == "bad":
                signs.setdefault(finding.text, []).append(block.name)
    for path, reason in found.skipped.items():
        signs.setdefault(reason, []).append(path)
    return signs


def _analysis(
    named: Named, images: Tensor, paths: Sequence[str] | None, limits: Limits, budget: int
) -> Analysis:
    label, network = named
    try:
        return analyze(network.model, images, label=label, paths=paths, limits=limits, budget=budget)
    except ValueError as error:
        options = " (here --count, --size, --blocks)" if "max_nodes" in str(error) else ""
        raise ValueError(f"{_name(named)}: {error}{options}") from error


def _name(named: Named) -> str:
    """What messages call a network."""
    return named[0] or type(named[1].model).__name__


def _check(chosen: argparse.Namespace) -> None:
    """Refuse a command line without a network or an image, and options that it would pass over in silence."""
    if chosen.count < 1:
        raise ValueError(f"--count must be at least 1, got {chosen.count}")
    if chosen.model is None and not chosen.checkpoint:
        raise ValueError("give --checkpoint with a training's checkpoint, or --model with a library's model")
    if chosen.model is None and (chosen.insert or chosen.model_options != "{}"):
        raise ValueError("--insert and --model_options change a library's model: give --model as well")
    if chosen.images is None and (chosen.size or chosen.mean or chosen.std):
        raise ValueError("--size, --mean and --std say how files are read: give --images as well")


def _labels(paths: Sequence[str]) -> list[str]:
    """What tells each checkpoint from the others: the parts of its path that differ."""
    if len(set(map(Path, paths))) < len(paths):
        raise ValueError(f"a checkpoint is given twice: {', '.join(paths)}")
    stems = [Path(path).with_suffix("").parts for path in paths]
    labels = ["/".join(part for place, part in enumerate(own) if _differs(stems, place)) for own in stems]
    told = len(paths) < 2 or (all(labels) and len(set(labels)) == len(labels))
    return labels if told else list(paths)


def _differs(stems: Sequence[tuple[str, ...]], place: int) -> bool:
    return len({stem[place : place + 1] for stem in stems}) > 1


def _options(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise ValueError(f"--model_options is a JSON object, such as '{{\"num_classes\": 10}}'; got {text!r}")
    return found


def _format(chosen: argparse.Namespace, form: Format) -> Format:
    given = {name: getattr(chosen, name) for name in ("size", "mean", "std")}
    changes: dict[str, Any] = {name: tuple(values) for name, values in given.items() if values is not None}
    return replace(form, **changes)


def _columns(cells: Sequence[str]) -> str:
    """A line of the table: 71 columns."""
    return "".join(
        f"{cell:>{1 + max(9, len(head))}}" for cell, head in zip(cells, ["N", *SHOWN], strict=True)
    )


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.analyze",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--checkpoint", nargs="+", default=[], help="One, or several to compare.")
    parser.add_argument(
        "--model", help="torchvision.<model> or timm.<model>; by default the checkpoint's own."
    )
    parser.add_argument("--model_options", default="{}", help="Arguments of that model, as JSON.")
    parser.add_argument("--insert", nargs="+", default=[], metavar="PATH=BLOCK", help="As layer3.4=snl.")
    parser.add_argument(
        "--images",
        nargs="+",
        help="Files or folders; by default the task's test images, colour-cued scenes or digits.",
    )
    parser.add_argument("--count", type=int, default=8, help="Images to analyse, at most.")
    parser.add_argument("--size", nargs=2, type=int, metavar=("H", "W"), help="Images are resized to this.")
    parser.add_argument("--mean", nargs="+", type=float, help="Subtracted from the channels.")
    parser.add_argument("--std", nargs="+", type=float, help="Divides the channels.")
    parser.add_argument("--blocks", nargs="+", help="Paths of modules; by default all that are known.")
    parser.add_argument("--graphs", type=int, default=16, help="Graphs of a block to measure, at most.")
    parser.add_argument("--nodes", type=int, default=1024, help="Greatest graph of which all is found.")
    parser.add_argument("--large", type=int, default=2, help="Greater graphs of a block to measure, at most.")
    parser.add_argument("--k", type=int, default=20, help="Eigenvalues of those.")
    parser.add_argument("--output", default="runs/analysis", help="Folder; it must not be there.")
    parser.add_argument("--overwrite", action="store_true", help="Replace an older analysis there.")
    return parser


@command
def main(args: Sequence[str] | None = None) -> int:
    """Run the analysis from the command line."""
    options = parser()
    chosen = options.parse_args(args)
    hush()
    try:
        found = run(chosen)
        page = write_analyses(found, chosen.output, overwrite=chosen.overwrite)
    except (ValueError, TypeError, OSError) as error:
        options.error(str(error))
    for analysis in found:
        show(analysis.snapshot)
    console.print("Look at:", page, sep="\n  ")
    again = follow(chosen, sys.argv[1:] if args is None else args, found[-1].snapshot)
    console.print("Next:", again, sep="\n  ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
