"""Which errors are answers: a ``ValueError`` or ``TypeError`` of ours that names a value and a remedy."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

from tests.fuzz.case import Failure

SHORTEST = 25
"""Characters of a message below which it cannot name a value and a remedy."""

PROPER = "Expected more than 1 value per channel"
"""Of a batch norm in training: PyTorch's own, which names the value. (Our ``IndexError`` is proper.)"""

PYTHON = re.compile(
    r"not supported between|object is not|object cannot be|has no attribute|unexpected keyword|positional arg"
)
"""How Python's own errors read, which a line that begins with ``raise`` may raise on its way too."""

DUE = ("smaller than the pooling window",)
"""What is refused by the documentation, whatever else is asked."""

OWN = tuple(str(Path(__file__).parents[2] / package) for package in ("filters", "gsp_nonlocal"))
"""Where errors of ours are raised."""


def reason(error: BaseException, where: str) -> str:
    """The message of a proper refusal, numbers left out; a :class:`Failure` for every other error."""
    message = str(error)
    checked = type(error).__name__ == "TypeCheckError"  # of the shapes' annotations, under pytest
    if isinstance(error, ValueError) and PROPER in message:
        return _short(message)
    if (
        not isinstance(error, ValueError | TypeError | IndexError)
        or checked
        or PYTHON.search(message)
        or not _is_ours(error)
    ):
        raise Failure(
            f"raw {type(error).__name__} in {where}: {_short(message)}",
            f"{type(error).__name__} is no refusal of ours: {message[:200]}",
        ) from error
    if len(message) < SHORTEST:
        raise Failure(f"bare message in {where}", f"names no value and remedy: {message!r}") from error
    return _short(message)


def _is_ours(error: BaseException) -> bool:
    """Whether a line of this library raised the error, not one of PyTorch, NumPy or Python under it."""
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1]
    return last.filename.startswith(OWN) and (last.line or "").lstrip().startswith("raise ")


def _short(message: str) -> str:
    """The first words, without numbers and what stands in brackets, so that alike messages count together."""
    text, before = " ".join(message.split()), ""
    while text != before:
        text, before = re.sub(r"\([^()]*\)", "", text), text
    text = re.sub(r"-?\d[\d.e+-]*", "#", text)
    return text[text.index(" needs a sym") :][:70] if " needs a sym" in text else text[:70]
