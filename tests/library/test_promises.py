"""Laws of promises: what a shift says of itself is true, and no copy, transpose, sum or scaling loses it."""

import pytest
import torch

from filters import DenseShift, DiagonalShift
from filters.operators.promises import Promises
from gsp_nonlocal.affinity.normalization import averaged
from gsp_nonlocal.blocks import registry
from gsp_nonlocal.shifts import scaled
from gsp_nonlocal.spectral import symmetric_part
from tests.cases.shifts import SHIFTS, constants
from tests.cases.signals import NODES, relative
from tests.library.promises import assert_kept

shifts_table = pytest.mark.parametrize("graph", SHIFTS)

COPIES = {
    "float32": lambda s: s.to(torch.float32),
    "detached": lambda s: s.detach(),
    "first graph": lambda s: s.graph(0),
    "mapped": lambda s: s.mapped(torch.clone),
    "with its own promises": lambda s: s.promising(s.promises),
}
EYE = DiagonalShift(torch.ones(NODES, dtype=torch.float64), spectral_bound=1.0)
MADE = {
    "transpose": lambda s: s.T,
    "transposed twice": lambda s: s.T.T,
    "average": averaged,
    "symmetric part": symmetric_part,
    "half": lambda s: scaled(s, *constants(-0.5), **s.promises.times(-0.5).keywords()),
    "with itself": lambda s: s + s,
    "with its transpose": lambda s: s + s.T,
    "with a diagonal": lambda s: s + EYE,
    "a diagonal with it": lambda s: EYE + s,
    "with a matrix": lambda s: s + DenseShift(EYE.to_dense(), is_row_stochastic=True),
    "without promises": lambda s: s.promising(Promises()),
}


@shifts_table
@pytest.mark.parametrize("copy", COPIES)
def test_copies_promise_the_same(graph, copy):
    shift = SHIFTS[graph]()
    twin = COPIES[copy](shift)
    assert twin.promises == shift.promises
    assert_kept(twin)


@shifts_table
@pytest.mark.parametrize("made", MADE)
def test_what_is_made_of_a_shift_promises_what_is_true(graph, made):
    assert_kept(MADE[made](SHIFTS[graph]()))


@shifts_table
def test_promises_are_handed_on(graph):
    shift = SHIFTS[graph]()
    known = shift.promises
    assert shift.T.promises == known.transposed
    assert symmetric_part(shift).is_symmetric
    assert averaged(shift).is_symmetric
    assert (shift + shift).promises == Promises.of_sum([known, known])
    assert relative(shift.promising(Promises()).to_dense(), shift.to_dense()) == 0
    always = Promises(symmetric=isinstance(shift, DiagonalShift))
    assert shift.promising(Promises()).promises == always


@pytest.mark.parametrize("name", ["is_symmetric", "is_row_stochastic", "spectral_bound"])
def test_a_promise_cannot_be_changed(name):
    with pytest.raises(AttributeError):
        setattr(SHIFTS["dense"](), name, True)


@pytest.mark.parametrize("name", registry.names())
def test_a_description_says_what_the_shift_says(name):
    torch.manual_seed(0)
    block, x = registry.get(name)(16).eval(), torch.randn(2, 16, 6, 5)
    shift, unit = block.shift(x), block.units[0]
    if unit.affinity is not None:
        shift = shift + unit.affinity(x.flatten(2).mT, x.shape[2:])
    said = block.describe()
    assert said.symmetric == ("yes" if shift.is_symmetric else "no")
    bound = shift.spectral_bound
    assert said.spectrum == ("no bound" if bound is None else f"|μ| ≤ {bound:g}")
    assert_kept(shift)
