"""A command line that is refused in one line, with exit code 2."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


class Parser(ArgumentParser):
    """A parser whose errors are one line.

    Args:
        prog: what the messages call the command.
        description: for ``--help``, printed as it is.
    """

    def __init__(self, prog: str, description: str | None) -> None:
        super().__init__(prog, description=description, formatter_class=RawDescriptionHelpFormatter)

    def error(self, message: str) -> NoReturn:
        """End the program with one line and code 2."""
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())}\n")

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """End the program so at bad input, a file that cannot be read or written, or a missing package."""
        try:
            yield
        except (ValueError, TypeError, OSError, ImportError) as error:
            self.error(str(error))
