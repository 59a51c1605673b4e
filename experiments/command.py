"""How commands end that did not do what they were asked: with a line, and an exit code that is not 0."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import NoReturn, ParamSpec

from experiments.files import system_error
from experiments.finite import NotFiniteError
from experiments.interruption import Interrupted, Interruption

Arguments = ParamSpec("Arguments")


def command(main: Callable[Arguments, int]) -> Callable[Arguments, int]:
    """Let ``main`` end by a signal with 128 + its number, and at NaN or a full disk with a line and code 1.

    What it has finished by then, as the cells of a study, is on disk; the same command goes on behind that.
    """

    @wraps(main)
    def told(*args: Arguments.args, **named: Arguments.kwargs) -> int:
        try:
            with Interruption().listening():
                return main(*args, **named)
        except Interrupted as stop:
            print(f"\nstopped by {stop.signal.name}", file=sys.stderr)
            raise
        except Exception as error:
            tell(error)
            raise

    return told


def tell(error: Exception, program: str = "") -> None:
    """End the program with a line and code 1, if an error is of the disk or of numbers that diverged."""
    if isinstance(error, NotFiniteError):
        fail(str(error), program)
    cause = system_error(error)
    if cause is not None:
        fail(str(error) if isinstance(error, OSError) else f"the output cannot be written: {cause}", program)


def fail(message: str, program: str = "") -> NoReturn:
    """End the program with a line and code 1."""
    print(f"\n{program and f'{program}: '}error: {message}", file=sys.stderr)
    sys.exit(1)
