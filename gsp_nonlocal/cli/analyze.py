"""``gsp-nonlocal analyze``: what graph each block of a network learned, and what its filter passes.

``--model torchvision.vit_b_16 --checkpoint weights.pth --images folder`` reads any model of torchvision or
timm. Several checkpoints are compared on one page. Written are ``index.html``, ``analysis.json``,
``measures.csv``, ``eigenvalues.csv`` and ``figures/``. Needs the extra ``report``.
"""

import json
import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from gsp_nonlocal.analysis import Limits, Snapshot
from gsp_nonlocal.cli.display import Say, say, show
from gsp_nonlocal.cli.networks import Network, check_runs, library_model
from gsp_nonlocal.cli.parser import Parser
from gsp_nonlocal.cli.pictures import Format, read_pictures
from gsp_nonlocal.report.explorer import share_of_budget
from gsp_nonlocal.report.folder import check_folder
from gsp_nonlocal.report.report import Analysis, analyze, write_analyses

PROGRAM = ("gsp-nonlocal", "analyze")
Named = tuple[str, Network]
"""A network and its label, which is empty where there is no other."""


def main(args: Sequence[str]) -> int:
    """Run the analysis from the command line."""
    options = Parser(" ".join(PROGRAM), __doc__)
    add_options(options)
    chosen = options.parse_args(args)
    with options.refusing():
        check(chosen)
        if chosen.model is None:
            raise ValueError("give --model, torchvision.<model> or timm.<model>, as torchvision.vit_b_16")
        found = analyses(chosen, library_networks(chosen), say, analyze)
        page = write_analyses(found, chosen.output, overwrite=chosen.overwrite)
    report(PROGRAM, chosen, args, found, page, say)
    return 0


def library_networks(chosen: Namespace) -> list[Named]:
    """Return the models of torchvision or timm that the command line asks for, one a checkpoint.

    Raises:
        ValueError: If one cannot be built or loaded.
    """
    options = _options(chosen.model_options)
    return [
        (label, library_model(chosen.model, options, chosen.insert, path))
        for label, path in zip(labels(chosen.checkpoint) or [""], chosen.checkpoint or [None], strict=True)
    ]


def analyses(
    chosen: Namespace, found: Sequence[Named], say: Say, analyze: Callable[..., Analysis]
) -> list[Analysis]:
    """Analyse every network on the same images, once all of the command line is known to fit.

    Args:
        chosen: The options of :func:`add_options`.
        found: The networks.
        say: Prints.
        analyze: :func:`gsp_nonlocal.report.analyze`.

    Raises:
        ValueError: If something does not fit.
        OSError: If the output folder is there, or cannot be written.
    """
    large = min(chosen.large, chosen.graphs)
    limits = Limits(graphs=chosen.graphs, large=large, nodes=chosen.nodes, k=chosen.k)
    images = pictures(chosen, found[0][1], say)
    for named in found:
        check_runs(named[1], images, chosen.blocks, _name(named))
    check_folder(chosen.output, chosen.overwrite)
    if not chosen.checkpoint:
        say(f"{chosen.model} has random weights: give its trained ones with --checkpoint", "warning")
    given = {"paths": chosen.blocks, "limits": limits, "budget": share_of_budget(len(found))}
    return [_analysis(named, images, given, analyze) for named in found]


def pictures(chosen: Namespace, network: Network, say: Say) -> Tensor:
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
        say(f"left out: {file}: {reason}", "warning")
    return found.images


def report(
    program: Sequence[str],
    chosen: Namespace,
    args: Sequence[str],
    found: Sequence[Analysis],
    page: Path,
    say: Say,
) -> None:
    """Print the numbers, where the page is, and the next useful command."""
    for analysis in found:
        show(analysis.snapshot, say)
    say(f"Look at:\n  {page}", "")
    say(f"Next:\n  {follow(program, chosen, args, found[-1].snapshot)}", "")


def follow(program: Sequence[str], chosen: Namespace, args: Sequence[str], found: Snapshot) -> str:
    """Return the next useful command: one block over more images, or the comparison with another training."""
    if len(chosen.checkpoint) == 1:
        more, folder = ["--checkpoint", *chosen.checkpoint, "ANOTHER.ckpt"], f"{chosen.output}_compared"
    else:
        block = found.blocks[-1].name.partition(", application")[0]
        more, folder = ["--blocks", block, "--count", str(4 * chosen.count)], f"{chosen.output}_one_block"
    given = [*args, *more, "--output", folder]  # of an option that is there twice the last one holds
    return shlex.join([*program, *given])


def check(chosen: Namespace) -> None:
    """Refuse options that would be passed over in silence, and a number of images that is none.

    Raises:
        ValueError: Names the option.
    """
    if chosen.count < 1:
        raise ValueError(f"--count must be at least 1, got {chosen.count}")
    if chosen.model is None and (chosen.insert or chosen.model_options != "{}"):
        raise ValueError("--insert and --model_options change a library's model: give --model as well")
    if chosen.images is None and (chosen.size or chosen.mean or chosen.std):
        raise ValueError("--size, --mean and --std say how files are read: give --images as well")


def add_options(parser: ArgumentParser) -> None:
    """Declare the options that every command of an analysis takes."""
    parser.add_argument("--checkpoint", nargs="+", default=[], help="File of weights, or several to compare.")
    parser.add_argument("--model", help="torchvision.<model> or timm.<model>.")
    parser.add_argument("--model_options", default="{}", help="Arguments of that model, as JSON.")
    parser.add_argument("--insert", nargs="+", default=[], metavar="PATH=BLOCK", help="As layer3.4=snl.")
    parser.add_argument("--images", nargs="+", help="Files or folders.")
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


def _analysis(
    named: Named, images: Tensor, given: dict[str, Any], analyze: Callable[..., Analysis]
) -> Analysis:
    label, network = named
    try:
        return analyze(network.model, images, label=label, **given)
    except ValueError as error:
        options = " (here --count, --size, --blocks)" if "max_nodes" in str(error) else ""
        raise ValueError(f"{_name(named)}: {error}{options}") from error


def _name(named: Named) -> str:
    """What messages call a network."""
    return named[0] or type(named[1].model).__name__


def labels(paths: Sequence[str]) -> list[str]:
    """Return what tells each checkpoint from the others: the parts of its path that differ.

    Raises:
        ValueError: If one is given twice.
    """
    if len(set(map(Path, paths))) < len(paths):
        raise ValueError(f"a checkpoint is given twice: {', '.join(paths)}")
    stems = [Path(path).with_suffix("").parts for path in paths]
    short = ["/".join(part for place, part in enumerate(own) if _differs(stems, place)) for own in stems]
    told = len(paths) < 2 or (all(short) and len(set(short)) == len(short))
    return short if told else list(paths)


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


def _format(chosen: Namespace, form: Format) -> Format:
    given = {name: getattr(chosen, name) for name in ("size", "mean", "std")}
    changes: dict[str, Any] = {name: tuple(values) for name, values in given.items() if values is not None}
    return replace(form, **changes)
