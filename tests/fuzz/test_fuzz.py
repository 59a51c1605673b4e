"""A small, deterministic profile of the fuzzer: the same examples at every run."""

import pytest

from tests.fuzz.engine import Tally, bar_of, hunt
from tests.fuzz.run import KINDS, summary
from tests.fuzz.textbook import POLYNOMIALS, RATIONALS

EXAMPLES = 160


@pytest.mark.parametrize("kind", KINDS)
def test_no_case_fails(kind):
    strategy, check, share = KINDS[kind]
    tally, shown = Tally(), []
    hunt(
        kind, strategy, check, round(share * EXAMPLES), 20, tally, bar_of(EXAMPLES, quiet=True), shown.append
    )
    assert not tally.failures, "\n".join([*shown, summary(tally)])


def test_known_families_have_a_formula():
    from tests.cases.filters import FAMILIES

    named = {*POLYNOMIALS, *RATIONALS}
    assert {family.__name__ for family, _ in FAMILIES.values()} <= named
