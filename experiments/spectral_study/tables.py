"""The tables of the spectral study by name: headings, and a row for each application of a block."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from scipy.stats import spearmanr

from experiments.comparison import BLOCK_BATCH
from experiments.spectral_study.numbers import (
    Number,
    Of,
    after,
    excess,
    frequencies,
    frequency,
    greatest,
    greatest_power,
    imaginary,
    kinds,
    pair,
    relative_gains,
    second_frequency,
    shown,
    smallest,
    spread_ratio,
    strong_angles,
    turns,
)
from experiments.spectral_study.runs import Applied, Run, Study, applications
from experiments.spectral_study.training import CALIBRATION, FILTERS, NETWORKS, ORDERS, filter_name
from gsp_nonlocal.analysis.record import ResponseRecord

Everyone = Sequence[Applied]
Row = Sequence[object]
STRONG = 0.4
LEARNED = 0.5
FEWEST = 4
ORDER = sorted(NETWORKS, key=lambda name: not name.startswith("snl"))
MEASURES: dict[str, Of] = {
    "greatest \\|μ\\|": lambda a: greatest(a.after),
    "smallest Re μ": lambda a: smallest(a.after),
    "spectral gap": after("spectral_gap"),
    "effective rank": after("effective_rank"),
    "distance to symmetry": after("asymmetry"),
    "departure from normality": after("departure_from_normality"),
    "distance to rank one": after("distance_to_rank_one"),
    "agreement of rows": after("row_agreement"),
    "entropy of rows": after("row_entropy"),
    "mean distance of rows": after("row_distance"),
    "mean frequency after the filter": lambda a: frequency(a.after, "after"),
    "spread of output by input": spread_ratio,
    "deviation of Sᵏ from S": lambda a: greatest_power(a, "deviation", 1),
    "excess of ‖S⁵‖": excess,
}
"""What is compared with the test IoU, all after training."""


class Table(NamedTuple):
    """Headings and rows."""

    columns: Sequence[str]
    rows: Sequence[Row]


def tables(study: Study, steps: int) -> dict[str, Table]:
    """Return all tables of the runs of this number of steps, by name."""
    runs = runs_of(study, steps)
    everyone = applications(runs)
    return {
        "protocol": protocol(runs, steps),
        **{name: of(everyone) for name, of in TABLES.items()},
        "machine": Table(["machine", ""], list(study.machine.items())),
    }


def runs_of(study: Study, steps: int) -> list[Run]:
    """Return the runs of this number of steps, in the order of the networks."""
    places = {name: place for place, name in enumerate(ORDER)}
    runs = [run for run in study.runs if run.steps == steps]
    return sorted(runs, key=lambda run: places.get(run.block, len(places)))


def protocol(runs: Sequence[Run], steps: int) -> Table:
    """What was trained and measured."""
    sizes = {block.nodes for run in runs for block in run.after.blocks}
    missing = [name for name in NETWORKS if name not in {run.block for run in runs}]
    rows = {
        "trainings": len(runs),
        "seeds": ", ".join(map(str, sorted({run.seed for run in runs}))),
        "steps a training": f"{steps:,}",
        "scenes a step": BLOCK_BATCH["scenes"],
        "scenes on which graphs are measured": max(run.after.shape[0] for run in runs),
        "scenes for the norms of an untrained network": CALIBRATION,
        "positions of a graph": ", ".join(f"{size:,}" for size in sorted(sizes)),
        "not trained": ", ".join(missing) or "none",
    }
    return Table(["protocol", ""], list(rows.items()))


def eigenvalues(everyone: Everyone) -> Table:
    """Which spectra are real, which complex, and which leave ``[−1, 1]``."""
    columns = ["network", "symmetric", "greatest \\|μ\\|", "smallest Re μ", "greatest \\|Im μ\\|"]
    rows = [
        [
            a.name,
            "yes" if a.after.is_symmetric else "no",
            *(pair(a, of) for of in (greatest, smallest, imaginary)),
            ", ".join(f"±{angle}°" for angle in _angles(a)) or "–",
        ]
        for a in everyone
    ]
    return Table([*columns, f"angles of complex \\|μ\\| ≥ {STRONG} ρ, after"], rows)


def _angles(a: Applied) -> list[int]:
    return strong_angles(a.after, STRONG) if imaginary(a.after) else []


def symmetry(everyone: Everyone) -> Table:
    """How far from symmetric and from normal the shifts are."""
    return _pairs(
        everyone,
        {"distance to symmetry": "asymmetry", "departure from normality": "departure_from_normality"},
    )


def rank(everyone: Everyone) -> Table:
    """How far from rank one the shifts are, and whether attention depends on the query."""
    measures = ("distance_to_rank_one", "effective_rank", "row_agreement")
    columns = ("distance to rank one", "effective rank", "agreement of rows")
    return _pairs(everyone, dict(zip(columns, measures, strict=True)))


def _pairs(everyone: Everyone, measures: Mapping[str, str]) -> Table:
    rows = [[a.name, *(pair(a, measure) for measure in measures.values())] for a in everyone]
    return Table(["network", *measures], rows)


def smoothing(everyone: Everyone) -> Table:
    """What filter and block do to the signal."""
    columns = ["network", "response", "mean frequency, before → after the filter", "spread, input → output"]
    return Table(columns, [_smoothing(a) for a in everyone])


def _smoothing(a: Applied) -> Row:
    around = (frequency(a.after, "before"), frequency(a.after, "after"))
    return [a.name, kinds(a.after), " → ".join(map(shown, around)), " → ".join(map(shown, a.run.spread[1]))]


def stable(everyone: Everyone) -> Table:
    """Whether ``S^k ≈ S``, and how far powers exceed what the spectral radius says."""
    columns = ["network", "k = 2", "k = 3", "k = 4", "k = 5", "outside, after", "excess"]
    return Table(columns, [_stable(a) for a in everyone])


def _stable(a: Applied) -> Row:
    deviations = (" → ".join(shown(p.mean("deviation", k)) for p in a.powers) for k in (2, 3, 4, 5))
    excesses = " → ".join(shown(p.mean("excess", 5)) for p in a.powers)
    return [a.name, *deviations, shown(greatest_power(a, "outside", 1)), excesses]


def orders(everyone: Everyone) -> Table:
    """How the learned response changes with the order of three families."""
    columns = ["filter", "order", "response", "gain at λ = 0", "at the second λ", "at 1", "at the greatest λ"]
    rows = [_order(filter, *row) for filter in FILTERS for row in _of_filter(everyone, filter)]
    return Table([*columns, "second λ", "greatest λ", "turns", "test IoU"], rows)


def _of_filter(everyone: Everyone, filter: str) -> Iterator[tuple[int, Applied, ResponseRecord]]:
    for order in ORDERS:
        for a in everyone:
            if a.run.block == filter_name(filter, order) and a.after.responses:
                yield order, a, a.after.responses[0]


def _order(filter: str, order: int, a: Applied, response: ResponseRecord) -> Row:
    places, gains = frequencies(a.after), relative_gains(a.after, response)
    wanted = (0.0, second_frequency(a.after), 1.0, places[-1])
    ends = [gains[min(range(len(places)), key=lambda i: abs(places[i] - lam))] for lam in wanted]
    row = [*ends, wanted[1], places[-1]]
    return [filter, order, response.kind, *map(shown, row), turns(gains), shown(a.run.test)]


def quality(everyone: Everyone) -> Table:
    """The test IoU of every network, the best first."""
    best_first = sorted(first_applications(everyone), key=lambda a: -a.run.test)
    return Table(["network", "test IoU"], [[a.name, shown(a.run.test)] for a in best_first])


def correlations(everyone: Everyone) -> Table:
    """Spearman's rank correlation of each measure with the test IoU, of all and of those that learned."""
    ones = first_applications(everyone)
    learned = [a for a in ones if a.run.test >= LEARNED]
    columns = ["measure", f"all, n = {len(ones)}", "p", f"IoU ≥ {LEARNED}, n = {len(learned)}", "p"]
    rows = [
        [name, *(shown(x) for group in (ones, learned) for x in correlation(group, of))]
        for name, of in MEASURES.items()
    ]
    return Table(columns, rows)


def first_applications(everyone: Everyone) -> list[Applied]:
    """Return the first application of each run, by the network's name."""
    found = list({a.run.key: a for a in reversed(everyone)}.values())[::-1]
    return [a._replace(name=a.name.split(" #")[0]) for a in found]


def correlation(ones: Everyone, of: Of) -> tuple[Number, Number]:
    """Return Spearman's correlation of a measure with the test IoU and its p, if there are any."""
    points = [(value, a.run.test) for a in ones if (value := of(a)) is not None]
    values, scores = (list(column) for column in zip(*points, strict=True)) if points else ([], [])
    if len(points) < FEWEST or len(set(values)) == 1 or len(set(scores)) == 1:
        return None, None
    found, chance = spearmanr(values, scores)
    return (None, None) if math.isnan(found) else (float(found), float(chance))


TABLES: dict[str, Callable[[Everyone], Table]] = {
    "eigenvalues": eigenvalues,
    "symmetry": symmetry,
    "rank": rank,
    "smoothing": smoothing,
    "stable": stable,
    "orders": orders,
    "quality": quality,
    "correlations": correlations,
}
"""The tables of the networks by the name that marks their place on the page."""
PLACES = ("protocol", *TABLES, "machine")
"""All tables that the page has."""
