"""Spectral analysis of trained networks: what graph each block learned, and what its filter passes.

``python -m experiments.analyze --checkpoint runs/demo/digits_snl.ckpt`` reads the network of a training of
these experiments and its own test images. All else is ``gsp-nonlocal analyze``, the installed command, for
models of other packages and of one's own: ``--model``.
"""

import sys
from argparse import Namespace
from collections.abc import Sequence

from rich.console import Console

from experiments.command import command
from experiments.messages import hush
from experiments.networks import trained_task
from gsp_nonlocal.cli.analyze import Named, add_options, analyses, check, labels, library_networks, report
from gsp_nonlocal.cli.parser import Parser
from gsp_nonlocal.report import Analysis, analyze, write_analyses

PROGRAM = ("python", "-m", "experiments.analyze")
_STYLES = {"heading": "bold", "name": "cyan", "sign": "yellow", "warning": "yellow"}
console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)  # names of files are no markup


def networks(chosen: Namespace) -> list[Named]:
    """Return the networks that the command line asks for.

    Raises:
        ValueError: If one cannot be built or loaded.
    """
    if chosen.model is not None:
        return library_networks(chosen)
    return [
        (label, trained_task(path))
        for label, path in zip(labels(chosen.weights), chosen.weights, strict=True)
    ]


def analyse(chosen: Namespace) -> list[Analysis]:
    """Analyse every network on the same images.

    Raises:
        ValueError: If something in the command line does not fit.
        OSError: If the output folder is there, or cannot be written.
    """
    check(chosen)
    if chosen.model is None and not chosen.weights:
        raise ValueError("give --checkpoint with a training's checkpoint, or --model with a library's model")
    return analyses(chosen, networks(chosen), _say, analyze)


def _say(text: str, kind: str) -> None:
    console.print(text, style=_STYLES.get(kind))


def parser() -> Parser:
    """Return the command line."""
    options = Parser(" ".join(PROGRAM), __doc__)
    add_options(options)
    return options


@command
def main(args: Sequence[str] | None = None) -> int:
    """Run the analysis from the command line."""
    options = parser()
    chosen = options.parse_args(args)
    hush()
    with options.refusing():
        found = analyse(chosen)
        page = write_analyses(found, chosen.output, overwrite=chosen.overwrite)
    report(PROGRAM, chosen, sys.argv[1:] if args is None else args, found, page, _say)
    return 0


if __name__ == "__main__":
    sys.exit(main())
