"""Section of the spectral study's document on the test IoU, and whether any measure goes with it."""

import math
from collections.abc import Sequence

from scipy.stats import spearmanr

from experiments.spectral_study.filters import excess, greatest_power, spread_ratio
from experiments.spectral_study.runs import Applied
from experiments.spectral_study.tables import (
    Number,
    Of,
    after,
    frequency,
    greatest,
    listed,
    shown,
    smallest,
    table,
)

LEARNED = 0.5
LEVEL = 0.05
FEWEST = 4
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


def quality(everyone: Sequence[Applied]) -> list[str]:
    """The test IoU of every network, and its rank correlation with each measure."""
    ones = first_applications(everyone)
    learned = [a for a in ones if a.run.test >= LEARNED]
    rows = {name: [correlation(group, of) for group in (ones, learned)] for name, of in MEASURES.items()}
    best = sorted(ones, key=lambda a: -a.run.test)
    return [
        "## Does any of this go with the test IoU?",
        "",
        f"- Test IoU of {LEARNED} or more: {listed(learned, [], lambda a: a.run.test)}; below: "
        f"{listed([a for a in ones if a not in learned], [], lambda a: a.run.test)}.",
        *_verdicts(ones, learned, rows),
        *table(["network", "test IoU"], [[a.name, shown(a.run.test)] for a in best]),
        "Spearman's rank correlation with the test IoU (1: the same order, −1: the opposite order), and the "
        "probability p of one as large if there were no relation:",
        *table(
            ["measure", f"all, n = {len(ones)}", "p", f"IoU ≥ {LEARNED}, n = {len(learned)}", "p"],
            [[name, *(shown(number) for found in pair for number in found)] for name, pair in rows.items()],
        ),
    ]


def first_applications(everyone: Sequence[Applied]) -> list[Applied]:
    """Return the first application of each run, by the network's name."""
    found = list({a.run.key: a for a in reversed(everyone)}.values())[::-1]
    return [a._replace(name=a.name.split(" #")[0]) for a in found]


def correlation(ones: Sequence[Applied], of: Of) -> tuple[Number, Number]:
    """Return Spearman's correlation of a measure with the test IoU and its p, if there are any."""
    points = [(value, a.run.test) for a in ones if (value := of(a)) is not None]
    values, scores = (list(column) for column in zip(*points, strict=True)) if points else ([], [])
    if len(points) < FEWEST or len(set(values)) == 1 or len(set(scores)) == 1:
        return None, None
    found, chance = spearmanr(values, scores)
    return (None, None) if math.isnan(found) else (float(found), float(chance))


def _verdicts(
    ones: Sequence[Applied], learned: Sequence[Applied], rows: dict[str, list[tuple[Number, Number]]]
) -> list[str]:
    strict = LEVEL / len(rows)
    groups = (f"all {len(ones)} networks", f"the {len(learned)} with an IoU of {LEARNED} or more")
    family = sum(a.after.is_symmetric for a in ones)
    return [
        *(
            _verdict(group, {name: found[index] for name, found in rows.items()}, strict)
            for index, group in enumerate(groups)
        ),
        f"- {len(rows)} measures were tried. If they were independent, one p below {LEVEL} would come by "
        f"chance alone with probability {1 - (1 - LEVEL) ** len(rows):.0%}; so p below {strict:.1g} is "
        f"asked for. {family} of the {len(ones)} networks have SNL's affinity and are no independent "
        "points.",
    ]


def _verdict(group: str, found: dict[str, tuple[Number, Number]], strict: float) -> str:
    known = {name: (value, p) for name, (value, p) in found.items() if p is not None}
    if not known:
        return f"- Over {group}: too few for a rank correlation."
    held, weak = (
        ", ".join(f"{name} ({shown(value)})" for name, (value, p) in known.items() if low <= p < high)
        or "none"
        for low, high in ((0.0, strict), (strict, LEVEL))
    )
    return (
        f"- Over {group}, measures whose order goes with the IoU's beyond chance: {held}; with a p below "
        f"{LEVEL} that so many tries explain: {weak}."
    )
