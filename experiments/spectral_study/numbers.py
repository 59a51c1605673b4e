"""Numbers of the spectral study, and how they are shown."""

import cmath
import math
from collections.abc import Callable, Sequence
from statistics import mean
from typing import NamedTuple

import numpy as np

from experiments.spectral_study.runs import Applied
from gsp_nonlocal.analysis.record import BlockRecord, ResponseRecord

Number = float | None
Of = Callable[[Applied], Number]
SHOWN_AS_ZERO = 1e-5
"""Smaller numbers are shown as 0."""
ROUNDED = 1e-3
"""Imaginary parts of kept eigenvalues, which have four places, count beyond this."""
REAL = 1e-6
"""Imaginary parts below this share of the greatest ``|μ|`` are rounding."""


class Pair(NamedTuple):
    """A number before and after training."""

    before: Number
    after: Number

    def __str__(self) -> str:
        return f"{shown(self.before)} → {shown(self.after)}"


def pair(applied: Applied, measure: str | Callable[[BlockRecord], Number]) -> Pair:
    """Return a measure's mean over the graphs, or a function of the record, before and after training."""
    of = measure if callable(measure) else lambda record: record.mean(measure)
    return Pair(of(applied.before), of(applied.after))


def after(measure: str) -> Of:
    """Return what gives a measure's mean over the graphs after training."""
    return lambda applied: applied.after.mean(measure)


def greatest(record: BlockRecord) -> float:
    """Return the greatest ``|μ|`` of all graphs."""
    return max(record.values("spectral_radius"), default=0.0)


def smallest(record: BlockRecord) -> float:
    """Return the smallest ``Re μ`` of all graphs."""
    return min(record.values("smallest"), default=0.0)


def imaginary(record: BlockRecord) -> float:
    """Return the greatest ``|Im μ|`` of all graphs; 0 where it is rounding."""
    found = max(record.values("imaginary"), default=0.0)
    return found if found > REAL * greatest(record) else 0.0


def strong_angles(record: BlockRecord, share: float) -> list[int]:
    """Return the angles in degrees of complex eigenvalues of at least this share of the greatest ``|μ|``."""
    values = [complex(*value) for graph in record.graphs for value in graph.eigenvalues]
    strong = [v for v in values if v.imag > ROUNDED and abs(v) >= share * greatest(record)]
    return sorted({round(math.degrees(cmath.phase(value))) for value in strong})


def frequency(record: BlockRecord, when: str) -> Number:
    """Return the signal's mean frequency ``1 − zᵀSz / (ρ zᵀz)`` ``"before"`` or ``"after"`` the filter.

    With the spectral radius ``ρ`` in the place of 1 it lies in [0, 2] for any symmetric ``S``.
    """
    found = [
        1 - (1 - energy) / radius
        for graph in record.graphs
        if (energy := graph.measures.get(f"dirichlet_{when}")) is not None
        and (radius := graph.measures.get("spectral_radius"))
    ]
    return mean(found) if found else None


def kinds(record: BlockRecord) -> str:
    """Return the shapes of its responses."""
    return ", ".join(sorted({response.kind for response in record.responses})) or "none"


def shown(value: Number) -> str:
    """Three digits or places, with a true minus sign; a dash for what is not known, 0 for rounding."""
    if value is None:
        return "–"
    size = float(f"{abs(value):.3g}")
    if size < SHOWN_AS_ZERO:
        return "0"
    if size >= 1e6 or size < 5e-4:
        digits, exponent = f"{value:.0e}".split("e")
        text = f"{digits}e{int(exponent)}"
    else:
        places = next(places for limit, places in ((1, 3), (10, 2), (100, 1), (1e6, 0)) if size < limit)
        text = f"{value:,.{places}f}"
    return text.replace("-", "\u2212")


def frequencies(record: BlockRecord) -> list[float]:
    """Return the graph frequencies ``Re λ`` of all graphs, ascending, each once; 1 where eigenvalues are
    0."""
    found = {round(1 - real, 3) for graph in record.graphs for real, _ in graph.eigenvalues}
    few = any(len(graph.eigenvalues) < record.nodes for graph in record.graphs)
    return sorted(found | ({1.0} if few else set()))


def second_frequency(record: BlockRecord) -> float:
    """Return the least frequency that is not 0 to two places; 0 if there is none."""
    return min((lam for lam in frequencies(record) if lam > 5e-3), default=0.0)


def relative_gains(record: BlockRecord, response: ResponseRecord) -> list[float]:
    """Return the mean gains at the frequencies that the graphs have, relative to the greatest of them."""
    gains = np.interp(frequencies(record), response.frequencies, response.mean)
    return (gains / (gains.max() or 1.0)).tolist()


def turns(gains: Sequence[float], flat: float = 0.02) -> int:
    """Return how often a curve turns, swings of ``flat`` or less aside."""
    number, direction, extreme = 0, 0.0, gains[0]
    for gain in gains[1:]:
        step = gain - extreme
        if direction * step > 0:
            extreme = gain
        elif abs(step) > flat:
            number, direction, extreme = number + bool(direction), step, gain
    return number


def spread_ratio(a: Applied) -> Number:
    """Return the spread of the block's output in times of that of its input, after training."""
    given, returned = a.run.spread[1]
    return returned / given if given > 0 else None


def greatest_power(a: Applied, name: str, time: int) -> Number:
    """Return the greatest over ``k > 1`` of a measure of the powers, before (0) or after (1) training."""
    found = a.powers[time]
    return max((v for k in found.exponents[1:] if (v := found.mean(name, k)) is not None), default=None)


def excess(a: Applied) -> Number:
    """Return ``‖S⁵‖_2 / ρ⁵`` after training."""
    return a.powers[1].mean("excess", a.powers[1].exponents[-1])
