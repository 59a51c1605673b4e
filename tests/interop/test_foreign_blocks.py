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
from gsp_nonlocal.interop import gcnet, mmcv, official, timm, video
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


class ContextBlock(nn.Module):
    """GCNet's block in its keys, for maps of two dimensions."""

    def __init__(self, channels=16, inner=4):
        super().__init__()
        self.conv_mask = nn.Conv2d(channels, 1, 1)
        self.channel_add_conv = nn.Sequential(
            nn.Conv2d(channels, inner, 1),
            nn.LayerNorm([inner, 1, 1]),
            nn.ReLU(),
            nn.Conv2d(inner, channels, 1),
        )

    def forward(self, x):
        weights = self.conv_mask(x).flatten(2).softmax(-1)
        return x + self.channel_add_conv((x.flatten(2) @ weights.mT).unsqueeze(-1))


class CrissCrossAttention(nn.Module):
    """In mmcv's keys, where ``gamma`` is a module; run position by position."""

    def __init__(self, channels=16):
        super().__init__()
        self.query_conv, self.key_conv = nn.Conv2d(channels, 2, 1), nn.Conv2d(channels, 2, 1)
        self.value_conv, self.gamma = nn.Conv2d(channels, channels, 1), nn.Module()
        self.gamma.scale = nn.Parameter(torch.tensor(0.7))

    def forward(self, x):
        rows, columns = (i.flatten() for i in torch.meshgrid(*map(torch.arange, x.shape[2:]), indexing="ij"))
        seen = (rows == rows.unsqueeze(1)) | (columns == columns.unsqueeze(1))
        query, key, value = (m(x).flatten(2) for m in (self.query_conv, self.key_conv, self.value_conv))
        weights = (query.mT @ key).masked_fill(~seen, -torch.inf).softmax(-1)
        return x + self.gamma.scale * (value @ weights.mT).unflatten(2, x.shape[2:])


class VideoBlock(nn.Module):
    """In the keys of the published video weights: the max pool is first."""

    def __init__(self, channels=16, inner=8):
        super().__init__()
        self.theta, self.phi, self.g = (nn.Conv3d(channels, inner, 1) for _ in range(3))
        self.out, self.bn = nn.Conv3d(inner, channels, 1), nn.BatchNorm3d(channels)

    def forward(self, x):
        pooled = nn.functional.max_pool3d(x, (1, 2, 2))
        query, key, value = self.theta(x).flatten(2), self.phi(pooled).flatten(2), self.g(pooled).flatten(2)
        weights = (query.mT @ key / query.shape[1] ** 0.5).softmax(-1)
        return x + self.bn(self.out((value @ weights.mT).unflatten(2, x.shape[2:])))


def randomised(module):
    torch.manual_seed(0)
    for p in module.parameters():
        nn.init.normal_(p, std=0.3)
    return module


def agrees(ours, theirs, x):
    """Values, and gradients of the input."""
    cotangent, results = torch.randn_like(x), []
    for module in (ours, theirs):
        given = x.clone().requires_grad_()
        y = module(given)
        (y * cotangent).sum().backward()
        results.append((y, given.grad))
    for found, expected in zip(*results, strict=True):
        assert relative(found, expected) < 2e-5
    assert relative(results[0][0], x) > 1e-2


BY_STATE = {
    "context": (ContextBlock, gcnet.load_block, (2, 16, 6, 5)),
    "criss-cross of mmcv": (CrissCrossAttention, partial(official.load_block, "cc"), (2, 16, 6, 5)),
    "video": (VideoBlock, video.load_block, (2, 16, 3, 6, 5)),
}


@pytest.mark.parametrize("name", BY_STATE)
@pytest.mark.parametrize("training", [True, False])
def test_a_block_is_the_one_of_the_state(name, training):
    kind, load_block, shape = BY_STATE[name]
    theirs = randomised(kind()).train(training)
    ours = load_block(theirs.state_dict()).train(training)
    agrees(ours, theirs, torch.randn(shape))
    assert relative(ours.eval()(torch.ones(shape)), theirs.eval()(torch.ones(shape))) < 2e-5


@pytest.mark.parametrize("kind", [ContextBlock, CrissCrossAttention])
def test_convert_knows_what_a_state_says(kind):
    theirs = randomised(kind()).eval()
    ours = mmcv.convert(theirs)
    assert not ours.training
    agrees(ours, theirs, torch.randn(2, 16, 6, 5))


@pytest.mark.parametrize("training", [True, False])
def test_real_context_blocks_of_mmcv(training):
    bricks = pytest.importorskip("mmcv.cnn", reason="mmcv is not installed; make test-peers brings it")
    theirs = randomised(bricks.ContextBlock(16, 0.25)).train(training)
    agrees(mmcv.convert(theirs), theirs, torch.randn(2, 16, 6, 5))


LOADERS = {
    **{
        name: (load_block, kind().state_dict(), shape) for name, (kind, load_block, shape) in BY_STATE.items()
    },
    **{
        f"mmcv, {mode}": (partial(mmcv.load_block, mode), golden(mode, False)[1], (2, 16, 6, 5))
        for mode in MODES
    },
    "timm": (timm.load_block, load("timm_nonlocal_2x16x6x5")[1], (2, 16, 6, 5)),
    **{
        kind: (partial(official.load_block, kind), load(f"official_{file}_2x16x6x5")[1], (2, 16, 6, 5))
        for kind in official.kinds
        for file in [kind + {"cgnl": "_groups2", "cc": "", "anl": ""}.get(kind, "_stages1")]
    },
    "network": (official.load_network, load("official_preresnet20_snl")[1], (2, 3, 32, 32)),
}


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_state_keeps_its_type_through_every_loader(name, dtype):
    load_block, state, shape = LOADERS[name]
    state = {key: value.to(dtype) if value.is_floating_point() else value for key, value in state.items()}
    block = load_block(state).eval()
    assert {t.dtype for t in block.state_dict().values() if t.is_floating_point()} == {dtype}
    assert block(torch.randn(shape, dtype=dtype)).dtype == dtype


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
        (
            lambda: gcnet.load_block({"conv_mask.weight": torch.ones(1)}),
            ValueError,
            "missing channel_add_conv",
        ),
        (
            lambda: gcnet.load_block(
                {**ContextBlock().state_dict(), "channel_mul_conv.0.bias": torch.ones(1)}
            ),
            ValueError,
            "surplus channel_mul_conv.0.bias",
        ),
        (
            lambda: video.load_block(without(VideoBlock().state_dict(), "g.bias")),
            ValueError,
            "missing g.bias",
        ),
        (lambda: timm.convert(nn.Conv2d(1, 1, 1)), TypeError, "NonLocalAttn.*got Conv2d"),
        (lambda: timm.load_block({}), ValueError, "missing t.weight"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
