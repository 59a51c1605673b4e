"""The installed command ``gsp-nonlocal``: ``analyze`` a network, ``describe`` the blocks."""

import os
import sys
from argparse import REMAINDER
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper

from gsp_nonlocal.cli.parser import Parser
from gsp_nonlocal.extras import naming_extra

COMMANDS = {
    "analyze": "what graph each block of a trained network learned: tables, figures and a page",
    "describe": "the unified table of the named blocks",
}
"""Modules of this package, each with a ``main(args)``, and what they do."""


def main(args: Sequence[str] | None = None) -> int:
    """Run one of the commands; the exit code is 0, 2 for bad input, or 130 after Ctrl-C.

    Args:
        args: of the command line; by default the program's own.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal without Σ or ½ shows their escapes
            stream.reconfigure(errors="backslashreplace")
    listed = "\n".join(f"  {name:9} {text}" for name, text in COMMANDS.items())
    options = Parser("gsp-nonlocal", f"{__doc__}\n\n{listed}")
    options.add_argument("command", choices=COMMANDS)
    options.add_argument("args", nargs=REMAINDER, help="see gsp-nonlocal <command> --help")
    chosen = options.parse_args(args)
    with options.refusing(), naming_extra():
        command = import_module(f"gsp_nonlocal.cli.{chosen.command}")
    try:
        code: int = command.main(chosen.args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("\nstopped by Ctrl-C", file=sys.stderr)
        return 130
    except BrokenPipeError:  # as of `gsp-nonlocal describe | head -1`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code
