"""``gsp-nonlocal analyze``: what graph each block of a network learned, and what its filter passes.

``--model torchvision.vit_b_16 --weights weights.pth --images folder`` reads a model of torchvision, of timm
(``timm.<name>``), of transformers (``hf.<folder>``; those of texts take ``--text file``), or what a function
of your own returns (``my_package.models:build``). Several files of weights are compared on one page. Written
are ``index.html``, ``analysis.json``, ``measures.csv``, ``eigenvalues.csv`` and ``figures/``. Needs the extra
``report``.
"""

import json
import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gsp_nonlocal.analysis import Limits, Snapshot
from gsp_nonlocal.analysis.model_inputs import Inputs
from gsp_nonlocal.cli.chosen_inputs import given_inputs
from gsp_nonlocal.cli.display import Say, printable, say, show
from gsp_nonlocal.cli.looked_at import Network
from gsp_nonlocal.cli.networks import check_runs, library_model
from gsp_nonlocal.cli.parser import Parser
from gsp_nonlocal.report.explorer import share_of_budget
from gsp_nonlocal.report.folder import check_folder
from gsp_nonlocal.report.report import Analysis, analyze, write_analyses

PROGRAM = ("gsp-nonlocal", "analyze")
MODELS = "torchvision.<name>, timm.<name>, hf.<folder>, or my_package.models:build."
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
            raise ValueError(f"give --model: {MODELS}")
        found = analyses(chosen, library_networks(chosen), say, analyze)
        page = write_analyses(found, chosen.output, overwrite=chosen.overwrite)
    report(PROGRAM, chosen, args, found, page, say)
    return 0


def library_networks(chosen: Namespace) -> list[Named]:
    """Return the models that the command line asks for, one a file of weights.

    Raises:
        ValueError: If one cannot be built or loaded.
    """
    options = _options(chosen.model_options)
    return [
        (label, library_model(chosen.model, options, chosen.insert, path))
        for label, path in zip(labels(chosen.weights) or [""], chosen.weights or [None], strict=True)
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
    inputs, words = given_inputs(chosen, found[0][1], say)
    for named in found:
        check_runs(named[1], inputs, chosen.blocks, _name(named))
    check_folder(chosen.output, chosen.overwrite)
    for note in dict.fromkeys(note for _, network in found for note in network.notes):
        say(printable(note), "warning")
    if not all(network.trained for _, network in found):
        say(f"{chosen.model} has random weights: give its trained ones with --weights", "warning")
    given = {"paths": chosen.blocks, "limits": limits, "words": words, "target": chosen.target}
    given["budget"] = share_of_budget(len(found))
    return [_analysis(named, inputs, given, analyze) for named in found]


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
    if len(chosen.weights) == 1:
        more, folder = ["--weights", *chosen.weights, "ANOTHER.pth"], f"{chosen.output}_compared"
    else:
        block = found.blocks[-1].name.partition(", application")[0]
        more, folder = ["--blocks", block, "--count", str(4 * chosen.count)], f"{chosen.output}_one_block"
    changed = [*more, "--output", folder]
    replaced = [option for option in changed if option.startswith("--")]
    return shlex.join([*program, *_without(args, replaced), *changed])


def _without(args: Sequence[str], replaced: Sequence[str]) -> list[str]:
    """The options that hold: not the ``replaced`` ones, and of one that is there twice the last."""
    given: dict[str, list[str]] = {}
    for arg in args:
        if arg.startswith("--"):
            option = arg.partition("=")[0]
            option = "--weights" if "--checkpoint".startswith(option) else option  # its older name
            given.pop(option, None)
            given[option] = [arg]
        else:
            given[next(reversed(given))].append(arg)
    kept = (option for option in given if not any(full.startswith(option) for full in replaced))
    return [arg for option in kept for arg in given[option]]


def check(chosen: Namespace) -> None:
    """Refuse options that would be passed over in silence, and a number of images that is none.

    Raises:
        ValueError: Names the option.
    """
    if chosen.count < 1:
        raise ValueError(f"--count must be at least 1, got {chosen.count}")
    if chosen.model is None and (chosen.insert or chosen.model_options != "{}"):
        raise ValueError("--insert and --model_options change a library's model: give --model as well")
    if chosen.text is not None and chosen.model is None:
        raise ValueError("--text is for a model of transformers: give --model hf.<folder> as well")
    if chosen.images is None and (chosen.size or chosen.mean or chosen.std):
        raise ValueError("--size, --mean and --std say how files are read: give --images as well")


def add_options(parser: ArgumentParser) -> None:
    """Declare the options that every command of an analysis takes."""
    parser.add_argument("--model", help=MODELS)
    parser.add_argument(
        *("--weights", "--checkpoint"), nargs="+", default=[], help="File of weights, or several to compare."
    )
    parser.add_argument("--model_options", default="{}", help="Arguments of that model, as JSON.")
    parser.add_argument("--insert", nargs="+", default=[], metavar="PATH=BLOCK", help="As layer3.4=snl.")
    parser.add_argument("--images", nargs="+", help="Files or folders.")
    parser.add_argument("--text", help="File with one text a line, for a model of texts.")
    parser.add_argument("--count", type=int, default=8, help="Images or texts to analyse, at most.")
    parser.add_argument("--size", nargs=2, type=int, metavar=("H", "W"), help="Images are resized to this.")
    parser.add_argument("--mean", nargs="+", type=float, help="Subtracted from the channels.")
    parser.add_argument("--std", nargs="+", type=float, help="Divides the channels.")
    parser.add_argument("--blocks", nargs="+", help="Paths of modules; by default all that are known.")
    parser.add_argument("--graphs", type=int, default=16, help="Graphs of a block to measure, at most.")
    parser.add_argument("--nodes", type=int, default=1024, help="Greatest graph of which all is found.")
    parser.add_argument("--large", type=int, default=2, help="Greater graphs of a block to measure, at most.")
    parser.add_argument("--k", type=int, default=20, help="Eigenvalues of those.")
    parser.add_argument("--target", type=int, help="A class, by its number, whose relevance is shown too.")
    parser.add_argument("--output", default="runs/analysis", help="Folder; it must not be there.")
    parser.add_argument("--overwrite", action="store_true", help="Replace an older analysis there.")


def _analysis(
    named: Named, inputs: Inputs, given: dict[str, Any], analyze: Callable[..., Analysis]
) -> Analysis:
    label, network = named
    try:
        return analyze(network.model, inputs, label=label, **given)
    except ValueError as error:
        options = " (here --count, --size, --blocks)" if "max_nodes" in str(error) else ""
        raise ValueError(f"{_name(named)}: {error}{options}") from error


def _name(named: Named) -> str:
    """What messages call a network."""
    return named[0] or type(named[1].model).__name__


def labels(paths: Sequence[str]) -> list[str]:
    """Return what tells each file of weights from the others: the parts of its path that differ.

    Raises:
        ValueError: If one is given twice.
    """
    if len(set(map(Path, paths))) < len(paths):
        raise ValueError(f"a file of weights is given twice: {', '.join(paths)}")
    stems = [Path(path).with_suffix("").parts for path in paths]
    short = ["/".join(part for place, part in enumerate(own) if _differs(stems, place)) for own in stems]
    told = len(paths) < 2 or (all(short) and len(set(short)) == len(short))
    return [printable(label) for label in (short if told else paths)]


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
