"""Blocks of mmcv and timm: values, gradients, there and back."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch
from timm.layers import NonLocalAttn
from torch import nn

from filters import Aggregation, Diffusion
from gsp_nonlocal.affinity import EmbeddedGaussian
from gsp_nonlocal.blocks import NL, SNL, NonlocalBlock
from gsp_nonlocal.interop import mmcv, timm
from gsp_nonlocal.nodes import PointwiseProjection
from tests.cases.signals import relative
from tests.interop.golden import check_golden, check_gradients, load

MODES = ("gaussian", "embedded_gaussian", "dot_product", "concatenation")


def golden(mode, sub_sample):
    return load(f"mmcv_{mode}{'_subsample' if sub_sample else ''}_2x16x6x5")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("sub_sample", [False, True])
@pytest.mark.parametrize("run", ["eval", "train"])
def test_a_block_is_mmcvs_block(mode, sub_sample, run):
    arrays, state = golden(mode, sub_sample)
    block = mmcv.load_block(mode, state, sub_sample=sub_sample).train(run == "train")
    check_golden(block, arrays, run)
    if run == "eval" and "grad_x_eval" in arrays:
        rules = mmcv._rules(mode, 2, block.inner_channels, sub_sample=sub_sample, has_norm=True)
        check_gradients(block, rules, arrays)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("sub_sample", [False, True])
def test_mmcvs_state_comes_back_as_it_was(mode, sub_sample):
    _, state = golden(mode, sub_sample)
    back = mmcv.state_dict_of(mmcv.load_block(mode, state, sub_sample=sub_sample))
    assert back.keys() == state.keys()
    assert all(torch.equal(back[key], value) for key, value in state.items())


@pytest.mark.parametrize("mode", MODES)
def test_the_concatenation_of_ours_learns_where_mmcvs_cannot(mode):
    arrays, state = golden(mode, False)
    block = mmcv.load_block(mode, state)
    (block(arrays["x"]) * arrays["cotangent"]).sum().backward()
    assert all(p.grad.isfinite().all() and p.grad.abs().max() > 0 for p in block.parameters())


class NonLocal2d(nn.Module):
    """A stand-in with the name, the attributes and the state of mmcv's."""

    def __init__(self, mode, sub_sample, state, norm):
        super().__init__()
        self.mode, self.sub_sample, self.use_scale = mode, sub_sample, True
        self.conv_out = SimpleNamespace(norm=norm)
        self.weight = nn.Parameter(torch.zeros(1))
        self.state = state

    def state_dict(self):
        return self.state


def test_convert_reads_the_settings_of_the_module():
    arrays, state = golden("embedded_gaussian", True)
    norm = nn.BatchNorm2d(16, eps=1e-5, momentum=0.3)
    block = mmcv.convert(NonLocal2d("embedded_gaussian", True, state, norm).eval())
    check_golden(block, arrays, "eval")
    assert block.stages[0].norm.momentum == 0.3


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("sub_sample", [False, True])
@pytest.mark.parametrize("norm", [True, False])
def test_real_modules_of_mmcv(mode, dims, sub_sample, norm):
    """Where mmcv is installed: ``make test-peers`` brings it."""
    bricks = pytest.importorskip("mmcv.cnn", reason="mmcv is not installed; make test-peers brings it")
    torch.manual_seed(0)
    settings = {"type": f"BN{dims}d"} if norm else None
    theirs = getattr(bricks, f"NonLocal{dims}d")(
        16, mode=mode, sub_sample=sub_sample, norm_cfg=settings, reduction=1 if mode == "gaussian" else 2
    )
    for p in theirs.parameters():
        nn.init.normal_(p, std=0.3)
    x = torch.randn(2, 16, *(3, 5, 6)[3 - dims :])
    for training in (True, False):
        ours = mmcv.convert(theirs.train(training))
        assert relative(ours(x), theirs(x)) < 2e-5
    back = mmcv.state_dict_of(ours, dims)
    state = theirs.state_dict()
    assert back.keys() == state.keys()
    assert all(torch.equal(back[key], value) for key, value in state.items())


@pytest.mark.parametrize("run", ["eval", "train"])
def test_a_block_is_timms_block(run):
    arrays, state = load("timm_nonlocal_2x16x6x5")
    check_golden(timm.load_block(state).train(run == "train"), arrays, run)


@pytest.mark.parametrize("use_scale", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_real_modules_of_timm(use_scale, training):
    torch.manual_seed(0)
    theirs = NonLocalAttn(32, use_scale=use_scale, rd_ratio=0.5).train(training)
    for p in theirs.parameters():
        nn.init.normal_(p, std=0.2)
    ours, x, other = timm.convert(theirs), torch.randn(2, 32, 6, 5), torch.randn(2, 32, 6, 5)
    given, expected = x.clone().requires_grad_(), x.clone().requires_grad_()
    y, reference = ours(given), theirs(expected)
    assert relative(y, reference) < 2e-5
    ((y * other).sum() + (reference * other).sum()).backward()
    assert relative(given.grad, expected.grad) < 2e-5
    ours, theirs = ours.eval(), theirs.eval()
    assert relative(ours(x), theirs(x)) < 2e-5  # running statistics went the same way


CHANGES = {
    "another filter": {"filter": Diffusion},
    "an activation": {"activation": nn.ReLU},
    "a recurrence": {"recurrence": 3},
    "another scale": {"affinity": partial(EmbeddedGaussian, bias=True, scale=3.0)},
    "whitening": {"affinity": partial(EmbeddedGaussian, bias=True, whiten=True)},
    "another normalisation": {"affinity": partial(EmbeddedGaussian, bias=True, normalization="symmetric")},
    "average pooling": {"affinity": partial(EmbeddedGaussian, bias=True, sub_sample="average")},
}


def like_mmcv(**changes):
    settings = {
        "affinity": partial(EmbeddedGaussian, bias=True),
        "filter": Aggregation,
        "activation": nn.Identity,
        "value": partial(PointwiseProjection, bias=True),
        "gate": False,
    }
    return NonlocalBlock(8, 4, **(settings | changes))


@pytest.mark.parametrize("change", CHANGES)
def test_a_state_that_would_compute_something_else_is_not_written(change):
    assert mmcv.state_dict_of(like_mmcv())
    with pytest.raises(ValueError, match="mmcv holds blocks of one stage"):
        mmcv.state_dict_of(like_mmcv(**CHANGES[change]))


def without(state, key):
    return {k: v for k, v in state.items() if k != key}


STATE = golden("dot_product", False)[1]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: mmcv.load_block("dot", STATE), ValueError, "unknown mode 'dot'"),
        (lambda: mmcv.load_block("dot_product", {}), ValueError, "missing g.conv.weight"),
        (
            lambda: mmcv.load_block("dot_product", without(STATE, "phi.conv.bias")),
            ValueError,
            "missing phi.conv.b",
        ),
        (lambda: mmcv.load_block("gaussian", STATE), ValueError, "surplus phi.conv.bias, phi.conv.weight"),
        (
            lambda: mmcv.load_block("dot_product", STATE, sub_sample=True),
            ValueError,
            "missing g.0.conv.weight",
        ),
        (lambda: mmcv.convert(nn.Conv2d(1, 1, 1)), TypeError, "NonLocal1d, NonLocal2d.*got Conv2d"),
        (
            lambda: mmcv.convert(NonLocal2d("dot_product", False, STATE, nn.GroupNorm(1, 16))),
            TypeError,
            "batch norm.*GroupNorm",
        ),
        (lambda: mmcv.state_dict_of(SNL(8)), ValueError, "no block with the affinity ReLUDot"),
        (lambda: mmcv.state_dict_of(NL(8)), ValueError, "mmcv holds blocks of one stage"),
        (lambda: timm.convert(nn.Conv2d(1, 1, 1)), TypeError, "NonLocalAttn.*got Conv2d"),
        (lambda: timm.load_block({}), ValueError, "missing t.weight"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
