"""Laws of every named block: identity at start, live gradients, any dimension, precision, copies."""

import copy
from functools import partial

import pytest
import torch

from filters import Cayley, Chebyshev
from gsp_nonlocal import NonlocalBlock
from gsp_nonlocal.affinity import Affinity, CrissCross, EmbeddedGaussian, PyramidAttention, ReLUDot
from gsp_nonlocal.blocks import A2, ANL, CC, CGNL, DNL, GC, NL, SNL, registry
from gsp_nonlocal.shifts import DenseShift
from gsp_nonlocal.testing import check_block
from tests.cases.affinities import AFFINITIES
from tests.cases.blocks import BLOCKS, C, made, open_gates
from tests.cases.signals import relative


def test_every_block_that_has_a_name_is_in_the_table():
    assert {case.kind for case in BLOCKS.values()} == {registry.get(name) for name in registry.names()}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_keeps_the_laws(name):
    case = BLOCKS[name]
    sizes = [(6, 5)] if case.on_grid else [(30,), (6, 5), (3, 4, 2)]
    check_block(made(name), sizes, arranged=case.arranged)


@pytest.mark.parametrize("name", BLOCKS)
def test_a_new_block_is_the_identity_and_a_trained_one_is_not(name):
    x = torch.randn(2, C, 6, 5)
    assert torch.equal(made(name)(x), x)
    assert relative(open_gates(made(name))(x), x) > 1e-3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", BLOCKS)
def test_autocast_is_finite_and_close(name, dtype):
    block = open_gates(made(name))
    exact, x = copy.deepcopy(block).double(), torch.randn(2, C, 16, 16)
    with torch.autocast("cpu", dtype=dtype):
        y = block(x)
    y.float().square().mean().backward()
    assert relative(y.double(), exact(x.double())) < 2e-2
    assert all(p.grad.isfinite().all() for p in block.parameters())


@pytest.mark.parametrize("name", BLOCKS)
def test_a_named_block_is_a_class_of_its_own(name):
    block, kind = made(name), BLOCKS[name].kind
    assert type(block) is kind
    assert issubclass(kind, NonlocalBlock)
    assert repr(block).startswith(f"{kind.__name__}(")


@pytest.mark.parametrize("affinity", AFFINITIES)
@pytest.mark.parametrize("family", [partial(Chebyshev, order=3), partial(Cayley, order=2)])
def test_every_affinity_takes_every_filter(affinity, family):
    torch.manual_seed(0)
    block = NonlocalBlock(C, 4, affinity=AFFINITIES[affinity].make, filter=family, gate=False).double()
    x = torch.randn(2, C, 4, 3, dtype=torch.float64, requires_grad=True)
    y = block(x)
    y.square().sum().backward()
    assert y.isfinite().all()
    assert all(p.grad.isfinite().all() for p in block.parameters())


def test_recurrence_is_the_block_again():
    torch.manual_seed(0)
    once, twice = (open_gates(CC(C, recurrence=n)).double() for n in (1, 2))
    once.load_state_dict(twice.state_dict())
    x = torch.randn(2, C, 4, 3, dtype=torch.float64)
    assert relative(twice(x), once(once(x))) < 1e-12


def test_two_criss_crosses_join_all_positions():
    for recurrence, reached in ((1, 4 + 5 - 1), (2, 20)):
        block = open_gates(CC(C, recurrence=recurrence)).double().eval()
        x = torch.randn(1, C, 4, 5, dtype=torch.float64, requires_grad=True)
        block(x)[0, :, 1, 2].sum().backward()
        assert (x.grad.abs().sum(1) > 1e-12).sum() == reached


def test_the_groups_of_cgnl_do_not_touch_each_other():
    block = open_gates(CGNL(C, groups=2)).double().eval()
    z = torch.randn(1, 30, 4, dtype=torch.float64)
    folded = block.vertices.fold(z)
    assert folded.shape == (2, 60, 1)
    assert torch.equal(block.vertices.unfold(folded, 30), z)
    assert torch.equal(folded[0].flatten(), z[..., :2].mT.flatten())


def test_units_of_dnl_see_their_own_input():
    """The unary term of the second unit is that of the second unit's input."""
    torch.manual_seed(0)
    block = open_gates(DNL(C, stages=2)).double().eval()
    caught = []
    for unit in block.stages:
        unit.affinity.register_forward_hook(lambda m, args, out: caught.append(args[0]))
    block(torch.randn(1, C, 4, 3, dtype=torch.float64))
    assert relative(*caught) > 1e-3


def test_context_is_the_same_everywhere():
    block = open_gates(GC(C)).double().eval()
    x = torch.randn(1, C, 4, 3, dtype=torch.float64)
    update = (block(x) - x).flatten(2)
    assert relative(update, update.mean(-1, keepdim=True).expand_as(update)) < 1e-12


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_that_is_not_called_symmetric_is_not(name):
    block, x = made(name).double().eval(), 3 * torch.randn(1, C, 6, 5, dtype=torch.float64)
    row, unit = block.describe(), block.units[0]
    assert len(str(row).splitlines()) == 10
    if not row.response.startswith("none"):
        shift = block.shift(x) if unit.affinity is None else block.shift(x) + unit.affinity(x.flatten(2).mT)
        dense = shift.to_dense()
        assert (row.symmetric == "yes") == bool((dense - dense.mT).abs().max() < 1e-12)


def test_pooling_order_and_repetition_stand_in_the_description():
    pooled = BLOCKS["nl, sub-sampled"].make(C).describe()
    assert "max-pooled" in pooled.shift
    assert (pooled.response, pooled.spectrum) == ("none: max pooling is not linear", "no bound")
    assert SNL(C, order=1).describe() != SNL(C, order=3).describe()
    assert "2 times" in CC(C, recurrence=2).describe().applied
    assert NL(C, stages=3).describe().applied == "3 times on one S"
    assert SNL(C, form="dense").describe().memory == "N²"


def test_an_affinity_of_ones_own_promises_nothing():
    class Mine(Affinity):
        def __init__(self, channels, inner_channels):
            super().__init__()

        def forward(self, nodes, spatial=None):
            return DenseShift(5 * nodes @ nodes.mT)

    row = NonlocalBlock(C, affinity=Mine).describe()
    assert (row.symmetric, row.spectrum) == ("no", "no bound")


def test_the_bound_of_a_sum_is_that_of_its_description():
    block, x = DNL(C), torch.randn(1, C, 6, 5)
    shift = block.shift(x) + block.units[0].affinity(x.flatten(2).mT)
    assert shift.spectral_bound == shift.to(torch.float64).spectral_bound == 2.0


@pytest.mark.parametrize(
    "kind",
    [CrissCross, partial(PyramidAttention, sizes=(1, 2)), partial(EmbeddedGaussian, sub_sample="average")],
)
def test_the_affinity_of_a_unit_knows_the_grid(kind):
    """The same positions in another arrangement are another graph."""
    torch.manual_seed(0)
    block = NonlocalBlock(C, affinity=ReLUDot, unit_affinity=kind, gate=False).double().eval()
    x = torch.randn(1, C, 4, 6, dtype=torch.float64)
    other = block(x.reshape(1, C, 2, 12)).reshape(x.shape)
    assert relative(block(x), other) > 1e-6


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: CGNL(C, groups=3), ValueError, "groups=3 must divide channels=8 and inner_channels=4"),
        (lambda: CC(C)(torch.randn(1, C, 9)), ValueError, "a grid"),
        (lambda: CC(C, recurrence=0), ValueError, "recurrence must be at least 1, got 0"),
        (lambda: NL(C, stages=0), ValueError, "stages must be at least 1"),
        (lambda: ANL(C, sizes=(0, 1)), ValueError, "at least 1 position"),
        (lambda: GC(C, 1), ValueError, "inner_channels must be at least 2, got 1"),
        (lambda: NL(C, mode="gaussian"), TypeError, "mode"),
        (lambda: A2(0), ValueError, "channels must be at least 1"),
        (
            lambda: BLOCKS["nl, sub-sampled"].make(C)(torch.randn(1, C, 1, 5)),
            ValueError,
            r"map of size \(1, 5\) is smaller than the pooling window",
        ),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_affinities_that_know_the_grid_are_told_of_it():
    for kind in (CrissCross, partial(PyramidAttention, sizes=(1, 2))):
        block = NonlocalBlock(C, affinity=kind)
        assert block.shift(torch.randn(1, C, 4, 3)).shape == (1, 12, 12)
