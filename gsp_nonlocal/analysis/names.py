"""Names of blocks as people read them: 2 before 10, and a run of them by its ends."""

from __future__ import annotations

import re
from collections.abc import Sequence

SHORTEST_RUN = 3
"""Fewer names that follow each other are written out."""

_NUMBER = re.compile(r"(\d+)")


def natural(name: str) -> list[tuple[int, str]]:
    """A key for sorting: numbers within names in the order of their values.

    Example:
        >>> sorted(["blocks.10", "blocks.2", "blocks.1"], key=natural)
        ['blocks.1', 'blocks.2', 'blocks.10']
    """
    parts = _NUMBER.split(name)
    return [(int(part), "") if place % 2 else (-1, part) for place, part in enumerate(parts)]


def runs(names: Sequence[str], order: Sequence[str]) -> list[tuple[str, str]]:
    """The first and the last of each run of names, those that follow each other in ``order``.

    Args:
        names: some of ``order``.
        order: all that there are, such as the blocks in the order in which they ran.

    Returns:
        Pairs; of a name that stands alone twice the same. A run has at least ``SHORTEST_RUN`` names.

    Example:
        >>> runs(["b.0", "b.2", "b.3", "b.4"], [f"b.{number}" for number in range(12)])
        [('b.0', 'b.0'), ('b.2', 'b.4')]
    """
    places = sorted(order.index(name) for name in names)
    starts = [index for index, place in enumerate(places) if not index or place != places[index - 1] + 1]
    groups = [places[start:end] for start, end in zip(starts, [*starts[1:], len(places)], strict=True)]
    found: list[tuple[str, str]] = []
    for group in groups:
        whole = [(group[0], group[-1])] if len(group) >= SHORTEST_RUN else [(place, place) for place in group]
        found += [(order[first], order[last]) for first, last in whole]
    return found


def padded(names: Sequence[str]) -> list[str]:
    """The names with zeros before their numbers, so that any program that sorts them by letters counts.

    Only numbers that stand at the same place of names that are otherwise alike get as many digits.

    Example:
        >>> padded(["blocks.2.attn", "blocks.10.attn", "head2"])
        ['blocks.02.attn', 'blocks.10.attn', 'head2']
    """
    widths: dict[tuple[str, int], int] = {}
    for name in names:
        for place, number in enumerate(_NUMBER.findall(name)):
            key = (_NUMBER.sub("#", name), place)
            widths[key] = max(widths.get(key, 0), len(number))
    return [_padded(name, widths) for name in names]


def _padded(name: str, widths: dict[tuple[str, int], int]) -> str:
    parts = _NUMBER.split(name)
    pattern = _NUMBER.sub("#", name)
    return "".join(
        part.zfill(widths[pattern, place // 2]) if place % 2 else part for place, part in enumerate(parts)
    )
