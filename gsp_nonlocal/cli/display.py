"""What an analysis prints: a table of 71 columns, and what is wrong."""

import sys
from collections.abc import Callable, Sequence

from gsp_nonlocal.analysis import Snapshot
from gsp_nonlocal.analysis.findings import findings, number, passes
from gsp_nonlocal.analysis.joins import JOINED

SHOWN = {
    "|μ|": "spectral_radius",
    "rank": "effective_rank",
    "to rank 1": "distance_to_rank_one",
    "rows agree": "row_agreement",
    "λ before": "dirichlet_before",
    "λ after": "dirichlet_after",
}
"""Measures in the printed table, by heading; λ is the mean frequency of the signal."""
Say = Callable[[str, str], None]
"""Prints a text of a kind: heading, name (of a block), sign (of what is wrong), warning, or the empty one."""


def say(text: str, kind: str) -> None:
    """Print ``text``; a warning goes to the error output."""
    print(text, file=sys.stderr if kind == "warning" else None)


def printable(name: object) -> str:
    r"""A name in one line: line breaks, and what else no terminal shows, by their escapes.

    Example:
        >>> print(printable("a\nb.png"))
        a\nb.png
    """
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in str(name))


def show(found: Snapshot, say: Say) -> None:
    """Print two lines a block, its path above its numbers, and what is wrong with it."""
    say(" ".join(filter(None, (found.model, found.label))), "heading")
    say(_columns(["N", *SHOWN]), "")
    for block in found.blocks:
        told = ", ".join(filter(None, (block.kind, passes(block))))
        say(f"{block.name} ({told})", "name")
        say(_columns([str(block.nodes), *(number(block.mean(name)) for name in SHOWN.values())]), "")
    for join in found.joins:
        told = ", ".join(f"{label} {number(join.mean(name))}" for name, (label, _) in JOINED.items())
        say(f"{join.name} ({join.kind}, {join.targets} queries from {join.sources} keys)", "name")
        say(f"    {told}", "")
    for text, names in _signs(found).items():
        say(f"{', '.join(names)}: {text}", "sign")


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


def _columns(cells: Sequence[str]) -> str:
    """A line of the table: 71 columns."""
    return "".join(
        f"{cell:>{1 + max(9, len(head))}}" for cell, head in zip(cells, ["N", *SHOWN], strict=True)
    )
