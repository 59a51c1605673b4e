"""Laws of promises beside those of every shift: averages, sums, and that no promise can be changed."""

import pytest

from filters import DiagonalShift
from filters.operators.promises import Promises
from gsp_nonlocal.affinity.normalization import averaged
from gsp_nonlocal.spectral import symmetric_part
from gsp_nonlocal.testing import check_promises
from tests.cases.shifts import SHIFTS

MADE = {"average": averaged, "symmetric part": symmetric_part}


@pytest.mark.parametrize("graph", SHIFTS)
@pytest.mark.parametrize("made", MADE)
def test_a_symmetric_part_promises_what_is_true(graph, made):
    shift = MADE[made](SHIFTS[graph]())
    assert shift.is_symmetric
    check_promises(shift)


@pytest.mark.parametrize("graph", SHIFTS)
def test_promises_are_handed_on(graph):
    shift = SHIFTS[graph]()
    assert (shift + shift).promises == Promises.of_sum([shift.promises, shift.promises])
    always = Promises(symmetric=isinstance(shift, DiagonalShift))
    assert shift.promising(Promises()).promises == always


@pytest.mark.parametrize("name", ["is_symmetric", "is_row_stochastic", "spectral_bound"])
def test_a_promise_cannot_be_changed(name):
    with pytest.raises(AttributeError):
        setattr(SHIFTS["dense"](), name, True)
