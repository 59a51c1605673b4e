"""What a reader finds is the module's own graph: same weights, same output, and a module left as it was."""

import sys
from copy import deepcopy
from importlib import import_module
from types import SimpleNamespace

import pytest
import torch
from timm.layers import NonLocalAttn
from timm.layers.attention import Attention
from torch import nn

from gsp_nonlocal.affinity import GlobalContext, PyramidAttention
from gsp_nonlocal.blocks import NonlocalBlock
from gsp_nonlocal.interop import mmcv, timm
from gsp_nonlocal.probe import SpectralProbe
from gsp_nonlocal.probe.foreign_readers import FOREIGN_READERS
from gsp_nonlocal.spectral import Layout, block_response
from gsp_nonlocal.testing import check_reader
from tests.cases.readers import BY_FUNCTION, READERS, joined
from tests.cases.signals import relative

CHANNELS, HEADS, NODES, BATCH = 12, 3, 7, 2
PRECISIONS = [(torch.float32, 1e-5), (torch.float64, 1e-10)]
FREQUENCIES = torch.tensor([0.0, 0.25, 1.5])


def randomised(module, dtype=torch.float64):
    """The module in evaluation mode with all parameters and statistics drawn."""
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            nn.init.uniform_(tensor, 0.1, 0.6)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.4)
    return module.to(dtype).eval()


def probed(module, *args, **kwargs):
    """The output and the probe; output, random numbers and statistics are those of a twin without a probe."""
    twin = deepcopy(module)
    torch.manual_seed(1)
    expected = twin(*args, **kwargs)
    state = torch.get_rng_state()
    torch.manual_seed(1)
    with SpectralProbe(module) as probe:
        output = module(*args, **kwargs)
    assert torch.equal(torch.get_rng_state(), state)
    pairs = zip(module.state_dict().values(), twin.state_dict().values(), strict=True)
    assert all(torch.equal(found, other) for found, other in pairs)
    for found, other in zip(*(x if isinstance(x, tuple) else (x,) for x in (output, expected)), strict=True):
        assert found is None is other or torch.equal(found, other)
    return output[0] if isinstance(output, tuple) else output, probe


def traced(module, *args, **kwargs):
    """The output, and the trace of a module that leaves one."""
    output, probe = probed(module, *args, **kwargs)
    assert not probe.skipped
    ((trace,),) = probe.traces.values()
    return output, trace


def reason(module, *args, **kwargs):
    """Why a call leaves no trace."""
    _, probe = probed(module, *args, **kwargs)
    assert not probe.traces
    (text,) = probe.skipped.values()
    return text


def check_heads(trace, affinity, heads=HEADS, tolerance=1e-10):
    """The shift is the module's own affinity ``(B, G, N, N)``, and the graphs are counted and laid out."""
    assert relative(trace.shift.to_dense(), affinity.flatten(0, 1)) < tolerance
    assert (trace.graphs, trace.layout) == (heads, Layout((affinity.shape[-1],)))
    assert not trace.shift.to_dense().requires_grad
    assert not trace.signal.requires_grad


def check_responses(trace, run):
    """On equal nodes (``λ = 0``) the heads' responses add up to what the module does; else by ``1 − λ``."""
    responses = trace.respond(FREQUENCIES)
    assert len(responses) == trace.graphs
    matrices = sum(response.matrices for response in responses)
    constant = torch.randn(1, 1, matrices.shape[1], dtype=torch.float64).expand(BATCH, NODES, -1)
    assert relative(run(constant) - run(torch.zeros_like(constant)), constant @ matrices[0]) < 1e-10
    assert relative(matrices, (1 - FREQUENCIES.double())[:, None, None] * matrices[0]) < 1e-12
    for response in responses:
        full = torch.linalg.svdvals(response.matrices)[:, : response.singular_values.shape[1]]
        torch.testing.assert_close(response.singular_values, full, atol=1e-10, rtol=1e-8)
    part = responses[0].within(0.0, 0.5), trace.respond(None)[0].within(0.5, 1.0)
    assert part[0] is responses[0]  # two frequencies are too few
    torch.testing.assert_close(part[1].matrices[0], 0.5 * responses[0].matrices[0])


@pytest.mark.parametrize("kind", READERS | BY_FUNCTION)
def test_what_is_read_keeps_the_laws(kind):
    torch.manual_seed(0)
    case = (READERS | BY_FUNCTION)[kind]
    check_reader(randomised(case.make()), *case.inputs(), output=case.output)


def test_every_reader_has_a_row():
    """Those of packages that may be missing have tests of their own below."""
    kinds = {kind if isinstance(kind, str) else f"torch.{kind.__name__}" for kind in FOREIGN_READERS}
    assert {k for k in kinds if k.partition(".")[0] not in ("mmcv", "transformers")} == set(READERS)


# torch


def added(*shape):
    """What a mask adds."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def forbidden(*shape):
    """Truth values that leave the first node to all."""
    where = added(*shape) < 0
    where[..., 0] = False
    return where


PADDING = torch.zeros(BATCH, NODES, dtype=torch.bool)
PADDING[0, 4:] = True
CAUSAL = nn.Transformer.generate_square_subsequent_mask(NODES, dtype=torch.float64)
MULTIHEAD = {
    "plain": ({}, {}),
    "nodes first": ({"batch_first": False}, {}),
    "no bias": ({"bias": False}, {}),
    "values of other channels": ({"vdim": 5}, {}),
    "values of other channels, nodes first": ({"vdim": 5, "batch_first": False, "bias": False}, {}),
    "one node set, no batch": ({}, {"batch": 0}),
    "truth mask": ({}, {"attn_mask": forbidden(NODES, NODES)}),
    "mask a head": ({}, {"attn_mask": forbidden(BATCH * HEADS, NODES, NODES)}),
    "mask to add": ({"batch_first": False}, {"attn_mask": added(NODES, NODES)}),
    "padding": ({}, {"key_padding_mask": PADDING}),
    "padding, no batch": ({}, {"key_padding_mask": PADDING[0], "batch": 0}),
    "padding to add": ({}, {"key_padding_mask": added(BATCH, NODES)}),
    "both": ({"batch_first": False}, {"key_padding_mask": PADDING, "attn_mask": forbidden(NODES, NODES)}),
    "causal": ({}, {"attn_mask": CAUSAL, "is_causal": True}),
}


def multihead(settings, dtype=torch.float64):
    torch.manual_seed(0)
    settings = {"batch_first": True} | settings
    return randomised(nn.MultiheadAttention(CHANNELS, HEADS, **settings), dtype)


def sequences(module, dtype, batch=BATCH):
    """Queries, keys that are the same tensor, and values, in the module's order of dimensions."""
    lead = () if batch == 0 else (batch, NODES) if module.batch_first else (NODES, batch)
    x = torch.randn(*(lead or (NODES,)), CHANNELS, dtype=dtype)
    return x, x, x if module.vdim == CHANNELS else torch.randn(*x.shape[:-1], module.vdim, dtype=dtype)


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("case", MULTIHEAD)
def test_multihead_attention_of_torch(case, dtype, tolerance):
    settings, masks = MULTIHEAD[case]
    module = multihead(settings, dtype)
    masks = {k: v.to(dtype) if getattr(v, "dtype", None) == torch.float64 else v for k, v in masks.items()}
    given = sequences(module, dtype, masks.pop("batch", BATCH))
    weights = module(*given, average_attn_weights=False, **masks)[1]
    output, trace = traced(module, *given, need_weights=False, **masks)
    check_heads(trace, weights if weights.dim() == 4 else weights.unsqueeze(0), tolerance=tolerance)
    found = module.out_proj(joined(trace))
    found = found[0] if output.dim() == 2 else found if module.batch_first else found.transpose(0, 1)
    assert relative(found, output) < tolerance


@pytest.mark.parametrize("settings", [{}, {"bias": False}])
def test_responses_of_torchs_heads(settings):
    module = multihead(settings)
    _, trace = traced(module, *sequences(module, torch.float64))
    check_responses(trace, lambda x: module(x, x, x)[0])


def test_a_node_that_attends_to_nothing_has_a_row_of_zeros():
    module = multihead({})
    given = sequences(module, torch.float64)
    alone = torch.zeros(NODES, NODES, dtype=torch.bool)
    alone[3] = True
    output, trace = traced(module, *given, need_weights=False, attn_mask=alone)
    dense = trace.shift.to_dense()
    assert dense[:, 3].eq(0).all()
    torch.testing.assert_close(dense.sum(-1)[:, :3], torch.ones_like(dense[:, :3, 0]))
    assert relative(module.out_proj(joined(trace)), output) < 1e-10


def test_equal_queries_and_keys_are_one_set_of_nodes_and_values_may_differ():
    module = multihead({})
    x, values = torch.randn(2, BATCH, NODES, CHANNELS, dtype=torch.float64)
    output, trace = traced(module, x, x.clone(), values)
    assert relative(module.out_proj(joined(trace)), output) < 1e-10


JOINED = {
    "other keys": ({}, lambda m, x: (x, x + 1, x + 1), 7),
    "longer keys": ({}, lambda m, x: (x, x.repeat(1, 2, 1), x.repeat(1, 2, 1)), 14),
    "keys of other channels": ({"kdim": 4}, lambda m, x: (x, x[..., :4], x), 7),
    "a key more": ({"add_bias_kv": True}, lambda m, x: (x, x, x), 8),
    "zeros more": ({"add_zero_attn": True}, lambda m, x: (x, x, x), 8),
}


@pytest.mark.parametrize("case", JOINED)
def test_what_joins_two_sets_of_nodes_is_a_crossing(case):
    settings, given, sources = JOINED[case]
    module, x = multihead(settings), torch.randn(BATCH, NODES, CHANNELS, dtype=torch.float64)
    weights = module(*given(module, x), average_attn_weights=False)[1]
    output, probe = probed(module, *given(module, x), need_weights=False)
    assert not probe.traces
    ((crossing,),) = probe.crossings.values()
    assert crossing.weights.shape == (BATCH * HEADS, NODES, sources)
    assert relative(crossing.weights.to_dense(), weights.flatten(0, 1)) < 1e-10
    assert relative(module.out_proj(joined(crossing)), output) < 1e-10


def encoder(nested=False):
    layer = nn.TransformerEncoderLayer(CHANNELS, 2, 24, batch_first=True)
    return randomised(nn.TransformerEncoder(layer, 2, enable_nested_tensor=nested))


@pytest.mark.parametrize(
    "masks", [{}, {"src_key_padding_mask": PADDING}, {"mask": CAUSAL, "is_causal": True}]
)
def test_hooks_turn_off_the_fast_path_that_would_bypass_them(masks):
    """Its output is the same up to rounding: it is another kernel."""
    torch.manual_seed(0)
    model, x = encoder(), torch.randn(BATCH, NODES, CHANNELS, dtype=torch.float64)
    with torch.no_grad():
        expected = model(x, **masks)
        with SpectralProbe(model) as probe:
            output = model(x, **masks)
    assert list(probe.traces) == ["layers.0.self_attn", "layers.1.self_attn"]
    kept = ~masks.get("src_key_padding_mask", torch.zeros_like(PADDING))
    torch.testing.assert_close(output[kept], expected[kept])


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_nested_tensors_are_padded_ones_inside():
    """Their fast path is left: nodes that are padded have no say."""
    model, x = encoder(nested=True), torch.randn(BATCH, NODES, CHANNELS, dtype=torch.float64)
    with torch.no_grad(), SpectralProbe(model) as probe:
        model(x, src_key_padding_mask=PADDING)
    shift = probe.shifts["layers.0.self_attn"].to_dense()
    assert shift[:2, :, 4:].eq(0).all()


def test_a_decoder_has_a_graph_and_a_join():
    layer = randomised(nn.TransformerDecoderLayer(CHANNELS, 2, 24, batch_first=True))
    x = torch.randn(2, BATCH, NODES, CHANNELS, dtype=torch.float64)
    _, probe = probed(layer, *x, tgt_mask=CAUSAL, tgt_is_causal=True)
    assert list(probe.traces) == ["self_attn"]
    assert list(probe.crossings) == ["multihead_attn"]
    assert not probe.skipped
    assert probe.shifts["self_attn"].to_dense().triu(1).eq(0).all()


# timm

TIMM = {
    "plain": ({}, {}),
    "bias": ({"qkv_bias": True}, {}),
    "other widths": ({"attn_head_dim": 5, "dim_out": 9}, {}),
    "norms of queries and keys": ({"qk_norm": True, "norm_layer": nn.LayerNorm}, {}),
    "norm of the output": ({"scale_norm": True, "norm_layer": nn.LayerNorm}, {}),
    "gate": ({"gated": True, "qkv_bias": True}, {}),
    "truth mask": ({}, {"attn_mask": ~forbidden(BATCH, 1, NODES, NODES)}),
    "mask to add": ({}, {"attn_mask": added(NODES, NODES)}),
    "causal": ({}, {"is_causal": True}),
}


def weights_of(attention, x, **masks):
    """What timm's attention gives to its dropout, where it is not fused."""
    seen = []
    handle = attention.attn_drop.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    attention.fused_attn = False
    attention(x, **masks)
    handle.remove()
    return seen[0]


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("case", TIMM)
def test_attention_of_timm(case, fused, dtype, tolerance):
    torch.manual_seed(0)
    settings, masks = TIMM[case]
    masks = {k: v.to(dtype) if getattr(v, "dtype", None) == torch.float64 else v for k, v in masks.items()}
    module = randomised(Attention(CHANNELS, HEADS, **settings), dtype)
    x = torch.randn(BATCH, NODES, CHANNELS, dtype=dtype)
    weights = weights_of(module, x, **masks)
    module.fused_attn = fused
    output, trace = traced(module, x, **masks)
    check_heads(trace, weights, tolerance=tolerance)
    heads = module.norm(joined(trace))
    found = module.proj(heads if module.gate is None else heads * module.gate(x).sigmoid())
    assert relative(found, output) < tolerance


@pytest.mark.parametrize("case", [case for case in TIMM if not TIMM[case][1]])
def test_responses_of_timms_heads(case):
    torch.manual_seed(0)
    module = randomised(Attention(CHANNELS, HEADS, **TIMM[case][0]))
    _, trace = traced(module, torch.randn(BATCH, NODES, CHANNELS, dtype=torch.float64))
    if case in ("gate", "norm of the output"):
        assert trace.respond is None
    else:
        check_responses(trace, module)


# Hugging Face

CONFIG = {
    "hidden_size": CHANNELS,
    "num_attention_heads": HEADS,
    "qkv_bias": True,
    "attention_probs_dropout_prob": 0.0,
    "hidden_dropout_prob": 0.0,
    "attention_dropout": 0.0,
}
HUGGING_FACE = {
    "audio_spectrogram_transformer": "AST",
    "deit": "DeiT",
    "dinov2": "Dinov2",
    "vit": "ViT",
    "vivit": "Vivit",
    "yolos": "Yolos",
    "altclip": "AltCLIP",
    "clip": "CLIP",
    "siglip": "Siglip",
    "x_clip": "XCLIP",
}
"""Some models by their folder in transformers, with what the names of their attention classes begin with."""


def hugging_face(folder, suffix="Attention", implementation="sdpa"):
    """An attention of transformers, of a tiny random configuration."""
    package = import_module(f"transformers.models.{folder}.modeling_{folder}")
    torch.manual_seed(0)
    config = SimpleNamespace(**CONFIG, _attn_implementation=implementation)
    return randomised(getattr(package, HUGGING_FACE[folder] + suffix)(config))


def project(module, heads):
    """Through the output projection, wherever it is."""
    children = dict(module.named_modules())
    return next(children[name] for name in ("o_proj", "out_proj", "output.dense") if name in children)(heads)


@pytest.mark.parametrize("folder", HUGGING_FACE)
def test_attentions_of_hugging_face(folder):
    module = hugging_face(folder)
    x = torch.randn(BATCH, NODES, CHANNELS, dtype=torch.float64)
    output, trace = traced(module, x)
    assert relative(project(module, joined(trace)), output) < 1e-10
    inner = getattr(module, "attention", module)
    inner.config._attn_implementation = "eager"
    check_heads(trace, inner(x)[1], tolerance=1e-5)  # its softmax is in float32
    inner.config._attn_implementation = "sdpa"
    check_responses(trace, lambda z: module(z) if inner is not module else module(z)[0])


MASKS = {
    "truth": {"attention_mask": ~forbidden(BATCH, 1, NODES, NODES)},
    "to add": {"attention_mask": added(BATCH, 1, NODES, NODES)},
    "causal": {"is_causal": True},
}


@pytest.mark.parametrize("folder", ["vit", "clip"])
@pytest.mark.parametrize("case", MASKS)
def test_masks_of_hugging_face(folder, case):
    module = hugging_face(folder)
    output, trace = traced(module, torch.randn(BATCH, NODES, CHANNELS, dtype=torch.float64), **MASKS[case])
    assert relative(project(module, joined(trace)), output) < 1e-10
    assert case != "causal" or trace.shift.to_dense().triu(1).eq(0).all()


def test_eager_attention_takes_no_hint_of_causality():
    module = hugging_face("clip", implementation="eager")
    output, trace = traced(module, torch.randn(1, NODES, CHANNELS, dtype=torch.float64), is_causal=True)
    assert relative(module.out_proj(joined(trace)), output) < 1e-5


def test_a_kernel_of_its_own_is_named(monkeypatch):
    module = hugging_face("vit")
    functions = sys.modules[type(module).__module__].ALL_ATTENTION_FUNCTIONS
    ours = lambda module, query, *rest, **kwargs: (query.transpose(1, 2), None)  # noqa: E731
    monkeypatch.setattr(functions, "get_interface", lambda *args: ours)
    said = reason(module, torch.randn(BATCH, NODES, CHANNELS, dtype=torch.float64))
    assert "ViTAttention is called like attention" in said
    assert "a kernel of its own" in said


# nonlocal blocks


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("use_scale", [True, False])
def test_the_nonlocal_block_of_timm(use_scale, dtype, tolerance):
    torch.manual_seed(0)
    module = randomised(NonLocalAttn(16, use_scale=use_scale, rd_ratio=0.5), dtype)
    x = torch.randn(BATCH, 16, 4, 5, dtype=dtype)
    output, trace = traced(module, x)
    query, key = module.t(x).flatten(2), module.p(x).flatten(2)
    weights = torch.softmax(module.scale * query.mT @ key, dim=-1)
    assert relative(trace.shift.to_dense(), weights) < tolerance
    assert (trace.graphs, trace.layout) == (1, Layout((4, 5)))
    update = trace.filtered.mT.unflatten(-1, (4, 5)) + module.z.bias.view(-1, 1, 1)
    assert relative(module.norm(update) + x, output) < tolerance
    expected = block_response(timm.convert(module), FREQUENCIES)
    assert torch.equal(trace.respond(FREQUENCIES)[0].matrices, expected.matrices)


AFFINITIES = {
    "gaussian": lambda m, x: torch.softmax(x.flatten(2).mT @ x.flatten(2), -1),
    "embedded_gaussian": lambda m, x: torch.softmax(
        m.theta(x).flatten(2).mT @ m.phi(x).flatten(2) / m.inter_channels**0.5, -1
    ),
    "dot_product": lambda m, x: m.theta(x).flatten(2).mT @ m.phi(x).flatten(2) / x[0, 0].numel(),
    "concatenation": lambda m, x: m.concatenation(
        m.theta(x).flatten(2).unsqueeze(-1), m.phi(x).flatten(2).unsqueeze(2)
    ),
}


def block_of_mmcv(dims, **settings):
    bricks = pytest.importorskip("mmcv.cnn", reason="mmcv is not installed; make test-peers brings it")
    torch.manual_seed(0)
    return randomised(getattr(bricks, f"NonLocal{dims}d")(8, norm_cfg={"type": f"BN{dims}d"}, **settings))


@pytest.mark.parametrize("mode", AFFINITIES)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_the_nonlocal_blocks_of_mmcv(mode, dims):
    module = block_of_mmcv(dims, mode=mode, reduction=1 if mode == "gaussian" else 2)
    x = torch.randn(BATCH, 8, *(3, 4, 5)[3 - dims :], dtype=torch.float64)
    output, trace = traced(module, x)
    assert relative(trace.shift.to_dense(), AFFINITIES[mode](module, x)) < 1e-10
    assert trace.layout == Layout(tuple(x.shape[2:]))
    update = trace.filtered.mT.unflatten(-1, x.shape[2:])
    assert relative(module.conv_out.norm(update) + x, output) < 1e-10
    expected = block_response(mmcv.convert(module), FREQUENCIES)
    assert torch.equal(trace.respond(FREQUENCIES)[0].matrices, expected.matrices)


def test_mmcvs_blocks_that_no_matrix_does_are_skipped():
    x = torch.randn(BATCH, 8, 4, 6, dtype=torch.float64)
    assert "sub_sample=False" in reason(block_of_mmcv(2, sub_sample=True), x)
    grouped = block_of_mmcv(2)
    grouped.conv_out.norm_name, grouped.conv_out.gn = "gn", nn.GroupNorm(1, 8).double()
    assert "only batch norm" in reason(grouped, x)


# training


class Counted(nn.LayerNorm):
    """A norm that keeps statistics of its calls."""

    def __init__(self, channels, **_):
        super().__init__(channels)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return super().forward(x) + torch.rand(())


TRAINED = {
    "torch": (lambda: nn.MultiheadAttention(CHANNELS, HEADS, dropout=0.3, batch_first=True), 3),
    "timm": (lambda: Attention(CHANNELS, HEADS, attn_drop=0.3, proj_drop=0.3), 1),
    "statistics": (lambda: Attention(CHANNELS, HEADS, qk_norm=True, norm_layer=Counted), 1),
    "timm's block": (lambda: nn.Sequential(nn.Unflatten(2, (3, 4)), NonLocalAttn(NODES, rd_ratio=0.5)), 1),
    "statistics of a unit": (
        lambda: NonlocalBlock(NODES, 4, affinity=GlobalContext, unit_affinity=PyramidAttention),
        1,
    ),
}


@pytest.mark.parametrize("kind", TRAINED)
def test_training_goes_on_as_it_would(kind):
    """Dropout, batch statistics and gradients; weights are traced without dropout."""
    make, arguments = TRAINED[kind]
    torch.manual_seed(0)
    module, x = randomised(make()).train(), torch.randn(BATCH, NODES, CHANNELS, dtype=torch.float64)
    output, trace = traced(module, *[x] * arguments)
    assert module.training
    sums = trace.shift.to_dense().sum(-1)
    torch.testing.assert_close(sums, torch.full_like(sums, sums.mean().round().item()))
    output.square().sum().backward()
    assert all(p.grad is not None for p in module.parameters())
    assert not trace.signal.requires_grad
