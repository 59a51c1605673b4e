"""Where the channels of an output are: told by what changes with the size of the input, and by widths."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt

from gsp_nonlocal.insert.layouts import ChannelsFirst, ChannelsLast, OutputLayout, Tokens
from gsp_nonlocal.insert.passes import Output
from gsp_nonlocal.insert.rehearsal import ratio_to_prefix

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Evidence:
    """What is known of an output of shape ``shape (B, …)``.

    Args:
        output: of the pass of the example.
        widths: of the layers of the network.
        doubled: its shape for twice the samples.
        resized: its shape for an input of ``factor`` times the positions.
    """

    output: Output
    widths: frozenset[int]
    doubled: Shape | None = None
    resized: Shape | None = None
    factor: Fraction = Fraction(1)

    @property
    def shape(self) -> Shape:
        """Of the output."""
        return self.output.shape or ()


class UnclearError(ValueError):
    """A layout that cannot be told for certain; the text is the reason."""


def find_layout(evidence: Evidence) -> OutputLayout:
    """The layout of an output.

    Raises:
        UnclearError: where the evidence does not tell it.
    """
    _require_batch(evidence)
    axis = _channel_axis(evidence)
    if axis == 1:
        return ChannelsFirst()
    return ChannelsLast() if len(evidence.shape) > 3 else Tokens(_prefix(evidence))


def _require_batch(evidence: Evidence) -> None:
    shape, doubled = evidence.shape, evidence.doubled
    if doubled is not None and doubled != (2 * shape[0], *shape[1:]):
        raise UnclearError(
            f"twice the samples change {_text(shape)} to {_text(doubled)}: its first axis is no batch"
        )


def _channel_axis(evidence: Evidence) -> int:
    shape, resized = evidence.shape, evidence.resized
    last = len(shape) - 1
    candidates = [1, last]
    if resized is not None and len(resized) == len(shape):
        fixed = [axis for axis in range(1, len(shape)) if shape[axis] == resized[axis]]
        if fixed in ([1], [last]):
            return fixed[0]
        candidates = [axis for axis in candidates if axis in fixed]
    return _by_width(shape, candidates, evidence.widths)


def _by_width(shape: Shape, candidates: Sequence[int], widths: frozenset[int]) -> int:
    """The only candidate whose size is a width of some layer."""
    known = [axis for axis in candidates if shape[axis] in widths]
    if len(known) != 1:
        reason = "the width of a layer" if known else "no width of a layer"
        sizes = " and ".join(f"{shape[axis]}" for axis in known or (1, -1))
        raise UnclearError(f"{sizes} of {_text(shape)} {'each may be' if known else 'are'} {reason}")
    return known[0]


def _prefix(evidence: Evidence) -> int:
    """Number of leading tokens that are no positions."""
    length, grids = evidence.shape[1], evidence.output.grids
    joined = _joined(length, evidence.output.joins)
    found = {joined} if joined is not None else set()
    if evidence.resized is not None and evidence.resized[1] != length:
        by_size = ratio_to_prefix(length, evidence.resized[1], evidence.factor)
        found |= {by_size} if by_size is not None and (by_size == 0 or joined is not None) else set()
    if not found and _is_pooled(length, grids, evidence.output.joins):
        found = {0}
    if len(found) != 1:
        told = (
            f"{' or '.join(map(str, sorted(found)))} of" if found else "no map of the pass tells how many of"
        )
        raise UnclearError(f"{told} its {length} tokens are no positions")
    return found.pop()


def _is_pooled(length: int, grids: Collection[int], joins: Sequence[tuple[int, ...]]) -> bool:
    """Whether tokens are the positions of a map that was seen, or of squares of it if nothing was joined."""
    if length in grids or joins:
        return length in grids
    return any(grid % length == 0 and isqrt(grid // length) ** 2 == grid // length for grid in grids)


def _joined(length: int, joins: Sequence[tuple[int, ...]]) -> int | None:
    """Tokens before the longest piece of the sequences of that length; ``None`` where none was joined."""
    found = set()
    for pieces in joins:
        most = max(pieces)
        if sum(pieces) == length and len(pieces) > 1 and 2 * most > length:
            place = pieces.index(most)
            if sum(pieces[place + 1 :]):
                raise UnclearError(
                    f"tokens are joined from {' + '.join(map(str, pieces))}: some are at the end"
                )
            found.add(sum(pieces[:place]))
    if len(found) > 1:
        raise UnclearError(f"sequences of {length} tokens are joined with {sorted(found)} in front")
    return found.pop() if found else None


def _text(shape: Shape) -> str:
    return f"({', '.join(map(str, shape))})"
