"""Laws of the blocks: any order, forms, precision, bad input."""

import copy
from functools import partial

import pytest
import torch
from torch import nn

from filters import Aggregation, Chebyshev, Diffusion
from gsp_nonlocal import SNL, NonlocalBlock
from gsp_nonlocal.affinity import registry as affinities
from gsp_nonlocal.blocks import registry as blocks
from gsp_nonlocal.testing import check_block
from tests.cases.blocks import open_gates
from tests.cases.signals import relative


@pytest.mark.parametrize("stages", [1, 3])
@pytest.mark.parametrize("order", [2, 3])
def test_a_block_of_any_order_keeps_the_laws(stages, order):
    torch.manual_seed(0)
    check_block(SNL(6, stages=stages, order=order))


@pytest.mark.parametrize("form", ["auto", "low_rank", "dense"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_forms_and_memory_layouts_agree_in_values_and_gradients(form, layout, mode):
    torch.manual_seed(0)
    reference = open_gates(SNL(6, order=3, form="dense", stages=2)).double().train(mode == "train")
    block = copy.deepcopy(reference)
    block.affinity.form = form
    x = torch.randn(2, 6, 5, 4, dtype=torch.float64)
    outputs = []
    for module, given in ((reference, x), (block, x.to(memory_format=layout))):
        given = given.clone(memory_format=torch.preserve_format).requires_grad_()
        y = module(given)
        y.square().sum().backward()
        outputs.append([y, given.grad, *(p.grad for p in module.parameters())])
    for value, expected in zip(*reversed(outputs), strict=True):
        assert relative(value, expected) < 1e-12


@pytest.mark.parametrize("family", [partial(Chebyshev, order=3), Aggregation, Diffusion])
def test_any_filter_is_a_block(family):
    block = open_gates(NonlocalBlock(6, 4, filter=family)).double()
    x = torch.randn(2, 6, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(block.eval(), (x,))


def test_composed_filters_make_blocks():
    block = open_gates(
        NonlocalBlock(6, 4, filter=lambda i, o: Chebyshev(i, o, 2) @ Chebyshev(i, i) + Diffusion(i, o))
    )
    assert block(torch.randn(2, 6, 4, 3)).isfinite().all()


HALF = [torch.bfloat16, torch.float16]


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("side", [4, 32])
def test_autocast_is_finite_and_close(dtype, scale, side):
    torch.manual_seed(0)
    block = open_gates(SNL(16, order=3))
    exact = copy.deepcopy(block).double()
    x = scale * torch.randn(2, 16, side, side)
    with torch.autocast("cpu", dtype=dtype):
        y = block(x)
    y.float().square().mean().backward()
    update, expected = y.double() - x.double(), exact(x.double()) - x.double()
    assert relative(y.double(), exact(x.double())) < 2e-2
    assert relative(update, expected) < 3e-2
    assert all(p.grad.isfinite().all() for p in block.parameters())


@pytest.mark.parametrize("dtype", HALF)
def test_the_filter_and_affinity_do_not_overflow_in_half_precision(dtype):
    """Sums over 4096 nodes of products of features near 1e3 exceed float16 by far."""
    torch.manual_seed(0)
    block = open_gates(SNL(8, norm=nn.Identity)).to(dtype)
    x = (1e3 * torch.rand(1, 8, 64, 64)).to(dtype)
    exact = copy.deepcopy(block).double()
    y = block(x)
    assert y.dtype == dtype
    assert y.isfinite().all()
    assert relative(y.double(), exact(x.double())) < 2e-2


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: SNL(6)(torch.randn(2, 5, 4, 4)), ValueError, "built for 6 channels.*with 5"),
        (lambda: SNL(6)(torch.randn(2, 6, 0, 4)), ValueError, "at least one position"),
        (lambda: SNL(6)(torch.randn(2, 6)), ValueError, "at least one spatial dimension"),
        (lambda: SNL(6)(torch.ones(2, 6, 4, 4).int()), TypeError, "int32"),
        (lambda: SNL(6)(torch.ones(2, 6, 4, 4) * 1j), TypeError, "complex64"),
        (lambda: SNL(0), ValueError, "channels must be at least 1, got 0"),
        (lambda: SNL(6, 0), ValueError, "inner_channels must be at least 1, got 0"),
        (lambda: SNL(6, stages=0), ValueError, "stages must be at least 1, got 0"),
        (lambda: SNL(6, order=-2), ValueError, "order.*-2"),
        (lambda: SNL(6, form="sparse"), ValueError, "auto, dense, low_rank"),
        (lambda: SNL(6, kind="nl"), TypeError, "kind"),
        (
            lambda: blocks.get("snnl"),
            ValueError,
            f"unknown block 'snnl'; choose one of: {', '.join(blocks.names())}",
        ),
        (lambda: affinities.get("dot"), ValueError, "unknown affinity 'dot'; choose one of: concatenation"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_unknown_filters_are_named():
    import filters

    with pytest.raises(ValueError, match=r"unknown filter 'cheby'; choose one of: aggregation, .*chebyshev"):
        filters.registry.get("cheby")
    with pytest.raises(ValueError, match="registered already"):
        filters.registry.register("chebyshev", Chebyshev)


def test_no_norm_is_the_identity():
    made = []
    for norm in (None, nn.Identity):
        torch.manual_seed(0)
        made.append(SNL(6, norm=norm, gate=False))
    x = torch.randn(2, 6, 4, 3)
    assert torch.equal(made[0](x), made[1](x))
    assert made[0].state_dict().keys() == made[1].state_dict().keys()


def test_states_of_former_layouts_are_read():
    """Projections held ``Wᵀ`` once, as the metadata of a state says, and gates were scalars."""
    block, other = open_gates(SNL(8, 4)), SNL(8, 4)
    state = block.state_dict()
    for key, value in state.items():
        if key.endswith(("theta_phi.weight", "value.weight")):
            state[key] = value.mT
        if key.endswith("gate"):
            state[key] = value.reshape(())
    for entry in state._metadata.values():
        entry["version"] = 1
    other.load_state_dict(state)
    for name, parameter in block.named_parameters():
        assert torch.equal(other.get_parameter(name), parameter), name
