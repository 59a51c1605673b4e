"""Sections of the spectral study's document on the filters: what they pass, powers, orders."""

from collections.abc import Iterator, Sequence
from functools import partial

from experiments.spectral_study.runs import Applied
from experiments.spectral_study.tables import (
    Number,
    Of,
    Pair,
    frequencies,
    frequency,
    kinds,
    listed,
    relative_gains,
    second_frequency,
    shown,
    smallest,
    table,
    turns,
)
from experiments.spectral_study.training import FILTERS, ORDERS, filter_name
from gsp_nonlocal.spectral.analysis.record import ResponseRecord

SMOOTHED = 0.5
LOWERED = 0.05
STABLE = 0.1
ORDER_COLUMNS = [
    *("filter", "order", "response", "gain at λ = 0", "at the second λ", "at 1", "at the greatest λ"),
    *("second λ", "greatest λ", "turns", "test IoU"),
]
ON_SMOOTHING = (
    "The shape is that of the mean gain between the least and the greatest frequency of the graphs, all "
    "between weighed alike. A signal's mean frequency is 1 − zᵀSz/(ρ zᵀz), the Dirichlet energy by the "
    "spectral radius ρ; at 0 all positions are one. It lies in [0, 2] where S is symmetric, and may be "
    "negative where it is not. The spread is ‖x − mean over positions‖/‖x‖ of the block's input and of its "
    "output, residual included."
)
ON_POWERS = (
    "Zhu et al. (2021) drop higher orders since Aᵏ ≈ A, their stable hypothesis. Its deviation is ‖Sᵏ "
    "− S‖/‖S‖ in the Frobenius norm, for k = 2 to 5; sentences name the greatest of the four. The part "
    "outside is what no multiple of S can stand for: the least ‖Sᵏ − cS‖/‖Sᵏ‖ over c, the greatest of "
    "the four. The excess is ‖S⁵‖₂/ρ⁵, which is 1 for a normal S; above it, chained application gains "
    "more than the eigenvalues say."
)
ON_ORDERS = (
    "SNL's affinity with three families: mean gain at the frequencies that the graphs have, relative "
    "to the greatest of these; a norm follows, so the scale has no meaning. The second λ is the least "
    "one above 0. Turns: how often the gain goes from rising to falling or back over these "
    "frequencies, swings below 0.02 aside. In the picture a response is dotted where its graphs have "
    "no frequency."
)
Everyone = Sequence[Applied]


def smoothing(everyone: Everyone) -> list[str]:
    """Whether blocks are low-pass on the frequencies that exist, and whether they over-smooth."""
    shapes = dict.fromkeys(kinds(a.after) for a in everyone)
    less = [a for a in everyone if (r := _passed(a)) is not None and r < SMOOTHED]
    more = [a for a in everyone if (r := _passed(a)) is not None and r > 1]
    flat = [a for a in everyone if (r := spread_ratio(a)) is not None and r < SMOOTHED]
    return [
        "## Low-pass? Over-smoothing?",
        "",
        ON_SMOOTHING,
        "",
        *(
            f"- {_shape(shape)}: {listed([a for a in everyone if kinds(a.after) == shape], everyone)}."
            for shape in shapes
        ),
        f"- Mean frequency after the filter, in times of that before it. Below {SMOOTHED}: "
        f"{listed(less, everyone, _passed)}; above 1: {listed(more, everyone, _passed)}.",
        _disagreement(everyone),
        f"- Spread of the block's output, in times of that of its input. Below {SMOOTHED}: "
        f"{listed(flat, everyone, spread_ratio)}.",
        *table(
            ["network", "response", "mean frequency, before → after the filter", "spread, input → output"],
            [_smoothing_row(a) for a in everyone],
        ),
    ]


def _shape(kind: str) -> str:
    return "No response (the filter has none)" if kind == "none" else kind.capitalize()


def _disagreement(everyone: Everyone) -> str:
    chosen = [
        a
        for a in everyone
        if kinds(a.after) != "low-pass" and (r := _passed(a)) is not None and r < 1 - LOWERED
    ]
    return (
        f"- Not low-pass by that shape, and yet the mean frequency falls by more than {LOWERED:.0%}, to the "
        f"part: {listed(chosen, everyone, _passed)}."
    )


def _smoothing_row(a: Applied) -> list[str]:
    around = (frequency(a.after, "before"), frequency(a.after, "after"))
    return [a.name, kinds(a.after), " → ".join(map(shown, around)), " → ".join(map(shown, a.run.spread[1]))]


def _passed(a: Applied) -> Number:
    return _ratio(frequency(a.after, "after"), frequency(a.after, "before"))


def spread_ratio(a: Applied) -> Number:
    """Return the spread of the block's output in times of that of its input, after training."""
    given, returned = a.run.spread[1]
    return _ratio(returned, given)


def _ratio(value: Number, base: Number) -> Number:
    return None if value is None or base is None or base <= 0 else value / base


def stable(everyone: Everyone) -> list[str]:
    """Whether ``S^k ≈ S``, and how far powers exceed what the spectral radius says."""
    deviations = [partial(greatest_power, name="deviation", time=time) for time in (0, 1)]
    outside = partial(greatest_power, name="outside", time=1)
    exceeds = [a for a in everyone if (excess(a) or 0.0) > 1 + STABLE]
    return [
        "## Does Sᵏ ≈ S hold?",
        "",
        ON_POWERS,
        "",
        *(
            _stable_sentence(everyone, label, of)
            for label, of in zip(("Before", "After"), deviations, strict=True)
        ),
        _changes(everyone, *deviations),
        _parity(everyone),
        f"- Up to a factor c it holds after training for: "
        f"{listed(_within(everyone, outside), everyone, outside)}.",
        f"- ‖S⁵‖₂ exceeds ρ⁵ by more than {STABLE:.0%}, by the factors: {listed(exceeds, everyone, excess)}.",
        *table(
            ["network", "k = 2", "k = 3", "k = 4", "k = 5", "outside, after", "excess"],
            [_stable_row(a, outside(a)) for a in everyone],
        ),
    ]


def _stable_sentence(everyone: Everyone, label: str, of: Of) -> str:
    holds = _within(everyone, of)
    others = [a for a in everyone if a not in holds]
    return (
        f"- {label} training Sᵏ ≈ S holds to {STABLE} for: {listed(holds, everyone, of)}. It does not for: "
        f"{listed(others, everyone, of)}."
    )


def _changes(everyone: Everyone, before: Of, after: Of) -> str:
    pairs = [(a, Pair(before(a), after(a)).change) for a in everyone]
    rose, fell = ([a for a, c in pairs if c is not None and c * sign > LOWERED] for sign in (1, -1))
    return (
        f"- Training raised the deviation by more than {LOWERED}, to: {listed(rose, everyone, after)}; "
        f"lowered it, to: {listed(fell, everyone, after)}."
    )


def _parity(everyone: Everyone) -> str:
    """Say where negative ``μ`` show: their even powers change sign, their odd ones do not."""
    chosen = [a for a in everyone if _even_excess(a) > LOWERED]
    return (
        f"- Even powers deviate more than odd ones by more than {LOWERED} after training, each with its "
        f"smallest Re μ: {listed(chosen, everyone, lambda a: smallest(a.after))}."
    )


def _even_excess(a: Applied) -> float:
    even, odd = ([a.powers[1].mean("deviation", k) or 0.0 for k in pair] for pair in ((2, 4), (3, 5)))
    return min(even) - max(odd)


def _stable_row(a: Applied, outside: Number) -> list[str]:
    deviations = (" → ".join(shown(p.mean("deviation", k)) for p in a.powers) for k in (2, 3, 4, 5))
    return [
        a.name,
        *deviations,
        shown(outside),
        " → ".join(shown(p.mean("excess", 5)) for p in a.powers),
    ]


def greatest_power(a: Applied, name: str, time: int) -> Number:
    """Return the greatest over ``k > 1`` of a measure of the powers, before (0) or after (1) training."""
    found = a.powers[time]
    return max((v for k in found.exponents[1:] if (v := found.mean(name, k)) is not None), default=None)


def excess(a: Applied) -> Number:
    """Return ``‖S⁵‖_2 / ρ⁵`` after training."""
    return a.powers[1].mean("excess", a.powers[1].exponents[-1])


def _within(everyone: Everyone, of: Of) -> list[Applied]:
    return [a for a in everyone if (value := of(a)) is not None and value <= STABLE]


def orders(everyone: Everyone) -> list[str]:
    """How the learned response changes with the order of three families."""
    found = {filter: list(_of_filter(everyone, filter)) for filter in FILTERS}
    if not any(found.values()):
        return []
    rows = [_order_row(filter, *row) for filter, rows in found.items() for row in rows]
    return [
        "## How does the response change with the order?",
        "",
        ON_ORDERS,
        "",
        *(_orders_sentence(filter, rows) for filter, rows in found.items() if rows),
        _gap([a for rows in found.values() for _, a, _ in rows]),
        *table(ORDER_COLUMNS, rows),
    ]


def _gap(shown_here: Sequence[Applied]) -> str:
    seconds = {a.name: second_frequency(a.after) for a in shown_here}
    least = min(seconds, key=lambda name: seconds[name])
    return (
        f"- Between 0 and {shown(seconds[least])} ({least}) none of these graphs has a frequency: what a "
        "response does there has no effect on them."
    )


def _of_filter(everyone: Everyone, filter: str) -> Iterator[tuple[int, Applied, ResponseRecord]]:
    for order in ORDERS:
        for a in everyone:
            if a.run.block == filter_name(filter, order) and a.after.responses:
                yield order, a, a.after.responses[0]


def _order_row(filter: str, order: int, a: Applied, response: ResponseRecord) -> list[object]:
    places, gains = frequencies(a.after), relative_gains(a.after, response)
    wanted = (0.0, second_frequency(a.after), 1.0, places[-1])
    ends = [gains[min(range(len(places)), key=lambda i: abs(places[i] - lam))] for lam in wanted]
    row = [*ends, wanted[1], places[-1]]
    return [filter, order, response.kind, *map(shown, row), turns(gains), shown(a.run.test)]


def _orders_sentence(filter: str, rows: Sequence[tuple[int, Applied, ResponseRecord]]) -> str:
    parts = (
        f"order {order} {response.kind}, {_times(turns(relative_gains(a.after, response)))}"
        for order, a, response in rows
    )
    return f"- {filter.capitalize()}: {'; '.join(parts)}."


def _times(number: int) -> str:
    return {0: "no turn", 1: "one turn"}.get(number, f"{number} turns")
