"""Sections of the spectral study's document on the graphs: a question, its answer in sentences, the table."""

from collections.abc import Sequence

from experiments.data.scenes import PALETTE
from experiments.spectral_study.runs import Applied
from experiments.spectral_study.tables import (
    Of,
    after,
    greatest,
    imaginary,
    listed,
    pair,
    shown,
    smallest,
    strong_angles,
    table,
)

BEYOND = 1e-3
STRONG = 0.4
MOVED = 0.05
DEPENDS, INDEPENDENT = 0.9, 0.99
NORMAL = 0.01
ON_SYMMETRY = (
    "The distance to symmetry is ‖S − Sᵀ‖/(2‖S‖). The departure from normality is the share of ‖S‖ "
    "that the eigenvalues leave unsaid: at 0 eigenvectors are orthogonal, near 1 eigenvalues say "
    "little of what S does."
)
ON_RANK = (
    "The distance to rank one is the share of ‖S‖ beyond its greatest singular value. The effective rank "
    "says how many eigenvalues carry the graph. The agreement of rows is the mean cosine of all pairs of "
    "rows: at 1 every position attends to the same. "
    f"A scene shows {len(PALETTE)} tints."
)
Everyone = Sequence[Applied]


def eigenvalues(everyone: Everyone) -> list[str]:
    """Which spectra are real, which complex, and which leave ``[−1, 1]``."""
    rows = [
        [a.name, "yes" if a.after.is_symmetric else "no"]
        + [pair(a, of) for of in (greatest, smallest, imaginary)]
        for a in everyone
    ]
    return [
        "## Are the spectra real, and within 1?",
        "",
        *(_spectra(everyone, time) for time in ("before", "after")),
        *_turning(everyone),
        *_symmetric_range(everyone),
        *table(["network", "symmetric", "greatest \\|μ\\|", "smallest Re μ", "greatest \\|Im μ\\|"], rows),
    ]


def _spectra(everyone: Everyone, time: str) -> str:
    def part(a: Applied) -> float:
        return imaginary(getattr(a, time))

    def radius(a: Applied) -> float:
        return greatest(getattr(a, time))

    apart, real = [a for a in everyone if part(a)], [a for a in everyone if not part(a)]
    above = [a for a in everyone if radius(a) > 1 + BEYOND]
    return (
        f"- {time.capitalize()} training, real: {listed(real, everyone)}; complex, with the greatest "
        f"\\|Im μ\\|: {listed(apart, everyone, part)}. \\|μ\\| above 1: {listed(above, everyone, radius)}."
    )


def _turning(everyone: Everyone) -> list[str]:
    """Say where strong complex eigenvalues lie: a cycle of n groups has them at multiples of 360°/n."""
    found = {a.name: strong_angles(a.after, STRONG) for a in everyone if imaginary(a.after)}
    named = [f"{name} ({', '.join(f'{x}°' for x in angles)})" for name, angles in found.items() if angles]
    if not named:
        return []
    return [
        f"- Complex and large after training, \\|μ\\| ≥ {STRONG} ρ, at angles of ±: {', '.join(named)}. "
        "A shift that sends groups of positions round in a cycle of three has them at ±120°, of four at ±90°."
    ]


def _symmetric_range(everyone: Everyone) -> list[str]:
    family = [a for a in everyone if a.after.is_symmetric]
    if not family:
        return []
    low, where = min((smallest(record), a.name) for a in family for record in (a.before, a.after))
    top = max(greatest(record) for a in family for record in (a.before, a.after))
    verdict = "stays in" if max(top, -low) <= 1 + BEYOND else "leaves"
    return [
        f"- SNL's affinity {verdict} [−1, 1]: from {shown(low)} ({where}) to {shown(top)}, so its "
        f"frequencies λ = 1 − μ lie between {shown(1 - top)} and {shown(1 - low)}. The smallest μ, before "
        f"training: {listed(family, everyone, lambda a: smallest(a.before))}; after it: "
        f"{listed(family, everyone, lambda a: smallest(a.after))}."
    ]


def symmetry(everyone: Everyone) -> list[str]:
    """How far from symmetric and from normal the shifts are."""
    departure = after("departure_from_normality")
    normal = [a for a in everyone if (departure(a) or 0.0) <= NORMAL]
    others = [a for a in everyone if a not in normal]
    measures = ("asymmetry", "departure_from_normality")
    return [
        "## How far from symmetric, from normal?",
        "",
        ON_SYMMETRY,
        "",
        f"- Normal after training, to {NORMAL}: {listed(normal, everyone)}.",
        f"- Not normal, with their departure: {listed(others, everyone, departure)}.",
        moved(everyone, "departure_from_normality", "normality", sign=-1),
        *table(
            ["network", "distance to symmetry", "departure from normality"],
            [[a.name, *(pair(a, measure) for measure in measures)] for a in everyone],
        ),
    ]


def moved(everyone: Everyone, measure: str, goal: str, sign: int) -> str:
    """Say which networks training moved towards a goal, and which away from it."""

    def change(a: Applied) -> float:
        return pair(a, measure).change or 0.0

    nearer, farther = ([a for a in everyone if s * change(a) >= MOVED] for s in (sign, -sign))
    return (
        f"- Training moved towards {goal}, by {MOVED} or more: {listed(nearer, everyone, change)}; "
        f"away from it: {listed(farther, everyone, change)}."
    )


def rank(everyone: Everyone) -> list[str]:
    """Whether training moves the shifts towards rank one, and whether attention depends on the query."""
    measures = ("distance_to_rank_one", "effective_rank", "row_agreement")
    return [
        "## Towards rank one? Does attention depend on the query?",
        "",
        ON_RANK,
        "",
        _of_rank_one(everyone),
        moved(everyone, "distance_to_rank_one", "rank one", sign=-1),
        _attention(everyone, after("row_agreement")),
        moved(everyone, "row_agreement", "rows that agree", sign=1),
        _ranks(everyone),
        *table(
            ["network", "distance to rank one", "effective rank", "agreement of rows"],
            [[a.name, *(pair(a, measure) for measure in measures)] for a in everyone],
        ),
    ]


def _of_rank_one(everyone: Everyone) -> str:
    distance = after("distance_to_rank_one")
    flat = [a for a in everyone if (d := distance(a)) is not None and d <= NORMAL]
    return f"- Of rank one after training, to {NORMAL}: {listed(flat, everyone, distance)}."


def _attention(everyone: Everyone, agreement: Of) -> str:
    same = [a for a in everyone if (agreement(a) or 0.0) >= INDEPENDENT]
    own = [a for a in everyone if (agreement(a) or 0.0) < DEPENDS]
    between = [a for a in everyone if a not in same and a not in own]
    return (
        f"- After training all positions attend alike (agreement of {INDEPENDENT} or more): "
        f"{listed(same, everyone, agreement)}; attention depends on the query (below {DEPENDS}): "
        f"{listed(own, everyone, agreement)}; between: {listed(between, everyone, agreement)}."
    )


def _ranks(everyone: Everyone) -> str:
    rank = after("effective_rank")
    changes = [(a, pair(a, "effective_rank").change) for a in everyone]
    fell, rose = ([a for a, c in changes if c is not None and c * s > MOVED] for s in (-1, 1))
    return (
        f"- The effective rank fell, to: {listed(fell, everyone, rank)}; it rose, to: "
        f"{listed(rose, everyone, rank)}."
    )
