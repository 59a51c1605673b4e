"""What the probe found against what the witness saw, by path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gsp_nonlocal.probe import CrossTrace, Trace
from gsp_nonlocal.shifts.structure import factored

Found = dict[str, list[Trace | CrossTrace]]
"""What the probe kept, by path."""


@dataclass(frozen=True)
class Count:
    """Numbers of attentions.

    Attributes:
        caught: those of the witness with a trace or a crossing of their module.
        named: those without, whose module is in ``skipped``, by path.
        silent: the rest of them.
        linear: factors that the probe kept besides.
        beyond: what else it kept besides.
    """

    caught: int
    named: Counter[str]
    silent: Counter[str]
    linear: Counter[str]
    beyond: Counter[str]


def counted(seen: Counter[str], found: Found, skipped: Mapping[str, str], again: Counter[str]) -> Count:
    """Compare the two.

    Args:
        seen: attentions of the witness.
        found: what the probe kept.
        skipped: reasons that the probe gave.
        again: how often a softmax was used for one more product: not counted as too much.
    """
    wanted, spare = _at_home(seen, found), _at_home(again, found)
    read = Counter({path: len(traces) for path, traces in found.items()})
    missed, more = wanted - read, read - wanted - spare
    factors = Counter({path: sum(map(_is_factors, traces)) for path, traces in found.items()})
    named = Counter({path: number for path, number in missed.items() if is_named(path, skipped)})
    return Count((wanted & read).total(), named, missed - named, more & factors, more - factors)


def _at_home(numbers: Counter[str], found: Iterable[str]) -> Counter[str]:
    """By the paths that have traces, where these are around the modules."""
    moved = Counter[str]()
    for path, number in numbers.items():
        around = [other for other in found if f"{path}.".startswith(f"{other}." if other else "")]
        moved[max(around, key=len, default=path)] += number
    return moved


def is_named(path: str, skipped: Iterable[str]) -> bool:
    """Whether a reason is given for a module, for one around it or in it."""
    return any(f"{path}.".startswith(f"{other}.") or f"{other}.".startswith(f"{path}.") for other in skipped)


def _is_factors(trace: Trace | CrossTrace) -> bool:
    return isinstance(trace, Trace) and factored(trace.shift) is not None
