"""What a case is: text that makes it, and failures that say how to make it again."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from tests.fuzz.tolerance import closely

Check = Callable[[Any], "Outcome"]


@dataclass(frozen=True)
class Outcome:
    """What became of a case: ``"held"``, ``"refused"`` with the message, ``"not judged"`` with the reason."""

    verdict: str
    reason: str = ""


class Failure(AssertionError):  # noqa: N818
    """A law that does not hold, or an error that is none of ours; ``signature`` tells its kind."""

    def __init__(self, signature: str, message: str) -> None:
        super().__init__(message)
        self.signature = signature


def twice(check: Check) -> Check:
    """A check that looks at a failing case once more, closely, before it says so."""

    @functools.wraps(check)
    def checked(case: Any) -> Outcome:
        try:
            return check(case)
        except Failure:
            with closely():
                return check(case)

    return checked


def as_test(case: object, failure: BaseException) -> str:
    """The case as a pytest test that can be pasted into a file of ``tests/``."""
    kind = type(case)
    reason = " ".join(str(failure).split())[:300].replace("\\", "/").replace('"', "'")
    module = kind.__module__
    names = sorted({name for name in ("Graph", kind.__name__) if name in repr(case)})
    graph = ["from tests.fuzz.graphs import Graph"] if names != [kind.__name__] else []
    return "\n".join(
        [
            *graph,
            f"from {module} import {kind.__name__}, check",
            "",
            "",
            "def test_found_by_the_fuzzer():",
            f'    """{reason}"""',
            f"    check({case!r})",
            "",
        ]
    )


def dtype_of(name: str) -> torch.dtype:
    """``torch.float32`` of ``"float32"``."""
    dtype = getattr(torch, name)
    assert isinstance(dtype, torch.dtype)
    return dtype
