"""Attention in every way in which it is written is read as the matrix that it applies."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch.utils.checkpoint import checkpoint

from filters import DenseShift
from gsp_nonlocal.probe import SpectralProbe
from gsp_nonlocal.shifts import AttentionShift, LowRankShift
from gsp_nonlocal.shifts.masked_attention import MaskedAttentionShift
from tests.cases.signals import relative

B, H, N, D = 2, 3, 9, 4
SCALE = D**-0.5


class Written(nn.Module):
    """Attention as a function of ``q, k, v (B, H, N, D)``."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.mix = nn.Linear(H, H, dtype=torch.float64)
        self.drop = nn.Dropout(0.4)

    def forward(self, q, k, v):
        return self.function(self, q, k, v)


def given(dtype=torch.float64, nodes=N):
    torch.manual_seed(0)
    return [torch.randn(B, H, nodes, D, dtype=dtype) for _ in range(3)]


def scores(q, k):
    return SCALE * q @ k.mT


def soft(x):
    return torch.softmax(x, dim=-1)


LATER = torch.ones(N, N, dtype=torch.bool).triu(1)
HOLES = torch.rand(B, 1, N, N, generator=torch.Generator().manual_seed(1)) < 0.3
HOLES[..., 0] = False
PADDED = torch.zeros(B, 1, 1, N, dtype=torch.bool)
PADDED[1, ..., 5:] = True
BIAS = torch.randn(1, H, N, N, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def sink(m, q, k, v):
    """As in GPT-OSS: a key without a value takes a part of the weights."""
    a = torch.cat([scores(q, k), torch.full((B, H, N, 1), 0.5, dtype=q.dtype)], dim=-1)
    return m.drop(soft(a)[..., :-1]) @ v


def in_place(m, q, k, v):
    a = q @ k.mT
    a *= SCALE
    a += BIAS
    return soft(a) @ v


def written_to(m, q, k, v):
    """A mask that is set by index: no function that is followed."""
    a = SCALE * (q @ k.mT)
    a[:, :, :, 2] = -math.inf
    return soft(a) @ v


def capped(m, q, k, v):
    return soft(5 * torch.tanh(scores(q, k) / 5)) @ v


def mixed(m, q, k, v):
    a = m.mix(soft(scores(q, k)).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    return a @ v


def mixed_matrix(m, q, k):
    return m.mix(soft(scores(q, k)).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def rowwise(m, q, k, v):
    """Weights that are changed by a function that is not followed."""
    a = soft(scores(q, k))
    a = a * a
    return (a / a.sum(-1, keepdim=True)) @ v


def squared(m, q, k):
    a = soft(scores(q, k)) ** 2
    return a / a.sum(-1, keepdim=True)


def flat(m, q, k, v):
    q, k, v = (x.reshape(B * H, N, D) for x in (q, k, v))
    return torch.bmm(functional.softmax(torch.bmm(q, k.transpose(1, 2)) / math.sqrt(D), dim=2), v).view(
        B, H, N, D
    )


def channels_first(m, q, k, v):
    q, k, v = (x.reshape(B * H, N, D).mT for x in (q, k, v))
    weights = nn.Softmax(dim=-1)(torch.bmm(q.permute(0, 2, 1), SCALE * k))
    return torch.bmm(v, weights.permute(0, 2, 1)).mT.reshape(B, H, N, D)


def over_rows(m, q, k, v):
    """A softmax over the first of two dimensions, and the transpose applied."""
    return (torch.softmax(SCALE * k @ q.mT, dim=-2)).mT @ v


def biased_product(m, q, k, v):
    a = torch.baddbmm(
        BIAS.expand(B, -1, -1, -1).reshape(B * H, N, N),
        *(x.reshape(B * H, N, D) if i == 0 else x.reshape(B * H, N, D).mT for i, x in enumerate((q, k))),
        alpha=SCALE,
    )
    return (soft(a) @ v.reshape(B * H, N, D)).view(B, H, N, D)


def grouped(m, q, k, v):
    return functional.scaled_dot_product_attention(q, k[:, :1], v[:, :1], enable_gqa=True)


def flexible(m, q, k, v):
    blocks = create_block_mask(lambda b, h, i, j: i >= j, None, None, N, N, device="cpu")
    return flex_attention(q, k, v, block_mask=blocks)


def flexible_bias(m, q, k, v):
    return flex_attention(q, k, v, score_mod=lambda s, b, h, i, j: s + 0.1 * (i - j))


DISTANCE = (0.1 * (torch.arange(N).unsqueeze(-1) - torch.arange(N))).double()  # in float32, as PyTorch does

WRITTEN = {
    "matmul": (lambda m, q, k, v: soft((q @ k.transpose(-2, -1)) * SCALE) @ v, None, AttentionShift),
    "divided": (lambda m, q, k, v: soft((q @ k.mT) / math.sqrt(D)) @ v, None, AttentionShift),
    "scaled queries": (
        lambda m, q, k, v: torch.matmul(soft(torch.matmul(q * SCALE, k.mT)), v),
        None,
        AttentionShift,
    ),
    "less the greatest": (
        lambda m, q, k, v: soft(scores(q, k) - scores(q, k).amax(-1, keepdim=True)) @ v,
        None,
        MaskedAttentionShift,
    ),
    "bmm of flat heads": (flat, None, AttentionShift),
    "channels first": (channels_first, None, AttentionShift),
    "softmax over rows": (over_rows, None, AttentionShift),
    "einsum": (
        lambda m, q, k, v: torch.einsum(
            "bhij,bhjd->bhid", soft(torch.einsum("bhid,bhjd->bhij", q, k) * SCALE), v
        ),
        None,
        AttentionShift,
    ),
    "einsum, ellipsis": (
        lambda m, q, k, v: torch.einsum(
            "...ij,...jd->...id", soft(torch.einsum("...id,...jd->...ij", q, k) * SCALE), v
        ),
        None,
        AttentionShift,
    ),
    "weights of one image for all": (
        lambda m, q, k, v: soft(scores(q, k))[:1] @ v,
        lambda m, q, k: soft(scores(q, k))[:1].expand(B, -1, -1, -1),
        DenseShift,
    ),
    "einsum, heads last": (
        lambda m, q, k, v: torch.einsum(
            "bhqk,bkhd->bqhd",
            soft(torch.einsum("bqhd,bkhd->bhqk", q.transpose(1, 2), k.transpose(1, 2)) * SCALE),
            v.transpose(1, 2),
        ).transpose(1, 2),
        None,
        AttentionShift,
    ),
    "added bias": (
        lambda m, q, k, v: soft(scores(q, k) + BIAS) @ v,
        lambda m, q, k: soft(scores(q, k) + BIAS),
        MaskedAttentionShift,
    ),
    "in place": (in_place, lambda m, q, k: soft(scores(q, k) + BIAS), MaskedAttentionShift),
    "baddbmm": (biased_product, lambda m, q, k: soft(scores(q, k) + BIAS), MaskedAttentionShift),
    "masked": (
        lambda m, q, k, v: soft(scores(q, k).masked_fill(HOLES, -math.inf)) @ v,
        lambda m, q, k: soft(scores(q, k).masked_fill(HOLES, -math.inf)),
        MaskedAttentionShift,
    ),
    "padded, finite": (
        lambda m, q, k, v: soft(scores(q, k).masked_fill(PADDED, -1e9)) @ v,
        lambda m, q, k: soft(scores(q, k).masked_fill(PADDED, -math.inf)),
        MaskedAttentionShift,
    ),
    "causal by where": (
        lambda m, q, k, v: soft(torch.where(~LATER, scores(q, k), -math.inf)) @ v,
        lambda m, q, k: soft(scores(q, k).masked_fill(LATER, -math.inf)),
        MaskedAttentionShift,
    ),
    "set by index": (
        written_to,
        lambda m, q, k: soft(scores(q, k).index_fill(-1, torch.tensor([2]), -math.inf)),
        DenseShift,
    ),
    "capped": (capped, lambda m, q, k: soft(5 * torch.tanh(scores(q, k) / 5)), DenseShift),
    "a sink": (
        sink,
        lambda m, q, k: soft(functional.pad(scores(q, k), (0, 1), value=0.5))[..., :-1],
        DenseShift,
    ),
    "twice": (
        lambda m, q, k, v: (soft(scores(q, k)) @ soft(scores(q, k))) @ v,
        lambda m, q, k: soft(scores(q, k)) @ soft(scores(q, k)),
        DenseShift,
    ),
    "by landmarks": (
        lambda m, q, k, v: (
            (soft(scores(q, k[..., :2, :])) @ soft(scores(k[..., :2, :], k[..., :2, :])))
            @ (soft(scores(q[..., :2, :], k)) @ v)
        ),
        lambda m, q, k: (
            soft(scores(q, k[..., :2, :]))
            @ soft(scores(k[..., :2, :], k[..., :2, :]))
            @ soft(scores(q[..., :2, :], k))
        ),
        LowRankShift,
    ),
    "weights of one head for all": (
        lambda m, q, k, v: soft(scores(q, k)[:, :1]).expand(-1, H, -1, -1) @ v,
        lambda m, q, k: soft(scores(q, k)[:, :1]).expand(-1, H, -1, -1),
        DenseShift,
    ),
    "mixed heads": (mixed, mixed_matrix, DenseShift),
    "changed weights": (rowwise, squared, DenseShift),
    "dot products": (
        lambda m, q, k, v: functional.scaled_dot_product_attention(q, k, v),
        None,
        AttentionShift,
    ),
    "dot products, truth mask": (
        lambda m, q, k, v: functional.scaled_dot_product_attention(q, k, v, attn_mask=~HOLES),
        lambda m, q, k: soft(scores(q, k).masked_fill(HOLES, -math.inf)),
        MaskedAttentionShift,
    ),
    "dot products, causal": (
        lambda m, q, k, v: functional.scaled_dot_product_attention(q, k, v, is_causal=True),
        lambda m, q, k: soft(scores(q, k).masked_fill(LATER, -math.inf)),
        MaskedAttentionShift,
    ),
    "grouped queries": (
        grouped,
        lambda m, q, k: soft(scores(q, k[:, :1].expand(-1, H, -1, -1))),
        AttentionShift,
    ),
    "flexible, causal": (
        flexible,
        lambda m, q, k: soft(scores(q, k).masked_fill(LATER, -math.inf)),
        MaskedAttentionShift,
    ),
    "flexible, bias": (flexible_bias, lambda m, q, k: soft(scores(q, k) + DISTANCE), DenseShift),
    "checkpointed": (
        lambda m, q, k, v: checkpoint(lambda *x: soft(scores(*x[:2])) @ x[2], q, k, v, use_reentrant=False),
        None,
        AttentionShift,
    ),
    "linear": (
        lambda m, q, k, v: q.relu() @ (k.relu().mT @ v),
        lambda m, q, k: q.relu() @ k.relu().mT,
        LowRankShift,
    ),
    "linear, channels first": (
        lambda m, q, k, v: ((v.mT @ k) @ q.mT).mT,
        lambda m, q, k: q @ k.mT,
        LowRankShift,
    ),
    "linear by einsum": (
        lambda m, q, k, v: torch.einsum("bhnd,bhde->bhne", q, torch.einsum("bhnd,bhne->bhde", k, v)),
        lambda m, q, k: q @ k.mT,
        LowRankShift,
    ),
    "dot products without softmax": (
        lambda m, q, k, v: scores(q, k) @ v,
        lambda m, q, k: scores(q, k),
        LowRankShift,
    ),
    "efficient": (
        lambda m, q, k, v: soft(q) @ (torch.softmax(k, dim=-2).mT @ v),
        lambda m, q, k: soft(q) @ torch.softmax(k, dim=-2).mT,
        LowRankShift,
    ),
}
"""How attention is written: the module, its matrix (by default the plain one), and what it becomes."""


@pytest.mark.parametrize("case", WRITTEN)
def test_attention_is_the_matrix_that_it_applies(case):
    function, matrix, kind = WRITTEN[case]
    q, k, v = given()
    module = Written(function).eval()
    expected = module(q, k, v)
    with SpectralProbe(module) as probe:
        output = module(q, k, v)
    assert torch.equal(output, expected)
    assert not probe.skipped
    assert not probe.crossings
    ((trace,),) = probe.traces.values()
    wanted = soft(scores(q, k)) if matrix is None else matrix(module, q, k)
    assert relative(trace.shift.to_dense(), wanted.flatten(0, 1).detach()) < 1e-10
    assert relative(trace.filtered, expected.flatten(0, 1).detach()) < 1e-10
    assert type(trace.shift) is kind
    assert trace.graphs == H
    if trace.shift.is_row_stochastic:
        torch.testing.assert_close(wanted.sum(-1), torch.ones_like(wanted[..., 0]))


def test_sums_of_rows_that_are_divided_by_belong_to_linear_attention():
    """Values with a last channel of ones, as EfficientViT has them."""

    def normalised(m, q, k, v):
        q, k = q.relu(), k.relu()
        found = q @ (k.mT @ functional.pad(v, (0, 1), value=1.0))
        return found[..., :-1] / found[..., -1:]

    q, k, v = (x.abs() + 0.1 for x in given())
    module = Written(normalised)
    with SpectralProbe(module) as probe:
        output = module(q, k, v)
    ((trace,),) = probe.traces.values()
    assert trace.shift.is_row_stochastic
    assert relative(trace.filtered, output.flatten(0, 1)) < 1e-10


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_is_written_through_a_view_counts(when):
    """In the middle of the batch, where no row is compared."""

    def written(m, q, k, v):
        a = scores(q, k)
        if when == "before":
            a[1:2].masked_fill_(HOLES[:1], -math.inf)
        a = soft(a)
        if when == "after":
            a[1:2].masked_fill_(HOLES[:1], 0.0)
        return a @ v

    torch.manual_seed(0)
    q, k, v = torch.randn(3, 3, H, N, D, dtype=torch.float64)
    with SpectralProbe(module := Written(written)) as probe:
        output = module(q, k, v)
    ((trace,),) = probe.traces.values()
    assert relative(trace.filtered, output.flatten(0, 1)) < 1e-12


@pytest.mark.parametrize("mode", ["dropout", "bfloat16"])
def test_dropout_is_left_out_and_half_precision_is_followed(mode):
    q, k, v = given(torch.float32)
    module = Written(lambda m, q, k, v: m.drop(soft((q @ k.mT) * SCALE).to(v.dtype)) @ v)
    module.train(mode == "dropout")
    with SpectralProbe(module) as probe, torch.autocast("cpu", torch.bfloat16, enabled=mode == "bfloat16"):
        module(q, k, v)
    ((trace,),) = probe.traces.values()
    tolerance = 1e-6 if mode == "dropout" else 2e-2
    assert relative(trace.shift.to_dense().float(), soft(scores(q, k)).flatten(0, 1)) < tolerance
    assert isinstance(trace.shift, AttentionShift)


@pytest.mark.parametrize("sources", [5, 14])
def test_cross_attention_is_rectangular(sources):
    q, _, _ = given()
    _, k, v = given(nodes=sources)
    module = Written(lambda m, q, k, v: functional.scaled_dot_product_attention(q, k, v))
    with SpectralProbe(module) as probe:
        output = module(q, k, v)
    assert not probe.traces
    ((crossing,),) = probe.crossings.values()
    assert crossing.weights.shape == (B * H, N, sources)
    assert relative(crossing.filtered, output.flatten(0, 1)) < 1e-10


POOLED = {
    "einsum": lambda a, v: torch.einsum("bhn,bhnd->bhd", a, v),
    "matmul": lambda a, v: (a.unsqueeze(-2) @ v).squeeze(-2),
}


@pytest.mark.parametrize("case", POOLED)
def test_pooling_by_attention_has_one_row(case):
    q, k, v = given()
    module = Written(lambda m, q, k, v: POOLED[case](soft((q[..., :1, :] * k).sum(-1)), v))
    with SpectralProbe(module) as probe:
        output = module(q, k, v)
    ((crossing,),) = probe.crossings.values()
    assert crossing.weights.shape == (B * H, 1, N)
    assert relative(crossing.filtered[:, 0], output.flatten(0, 1)) < 1e-10


def test_attention_without_a_batch_is_one_graph():
    q, k, v = (x[0, 0] for x in given())
    with SpectralProbe(module := Written(lambda m, q, k, v: soft(scores(q, k)) @ v)) as probe:
        output = module(q, k, v)
    ((trace,),) = probe.traces.values()
    assert isinstance(trace.shift, AttentionShift)
    assert trace.shift.shape == (1, N, N)
    assert relative(trace.filtered[0], output) < 1e-10


def test_an_einsum_that_is_no_product_with_a_matrix_is_named():
    def traces_of_products(m, q, k, v):
        return torch.einsum("bhij,bhij->bh", soft(scores(q, k)), v @ v.mT)

    with SpectralProbe(module := Written(traces_of_products)) as probe:
        module(*given())
    assert "in an einsum that is no product with a matrix" in probe.skipped[""]


def test_weights_that_meet_their_values_in_pieces_are_named():
    def pieces(m, q, k, v):
        one, two = soft(scores(q, k)).split([4, 5], dim=-1)
        return one @ v[..., :4, :] + two.contiguous() @ v[..., 4:, :]

    with SpectralProbe(module := Written(pieces)) as probe:
        module(*given())
    assert not probe.traces
    assert "met the values in pieces" in probe.skipped[""]


NO_ATTENTION = {
    "gating": lambda m, q, k, v: v * soft(q),
    "two maps of channels": lambda m, q, k, v: (
        v.flatten(1, 2) @ torch.ones(D, D).double() @ torch.eye(D).double()
    ),
    "a prediction by a map": lambda m, q, k, v: (
        soft(q.flatten(2).mean(1) @ torch.eye(N * D).double()[:, :H]) @ m.mix.weight.T
    ),
    "a prediction": lambda m, q, k, v: soft(q.flatten(2).mean(1)) @ torch.ones(N * D, 2, dtype=q.dtype),
}


@pytest.mark.parametrize("case", NO_ATTENTION)
def test_what_is_no_attention_is_none(case):
    with (
        pytest.raises(ValueError, match="ran no nonlocal block and no attention"),
        SpectralProbe(module := Written(NO_ATTENTION[case])),
    ):
        module(*given())


class Attend(nn.Module):
    """Called twice in one pass, and once more in place."""

    def forward(self, x):
        return functional.scaled_dot_product_attention(x, x, x)


class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.attend, self.gate = Attend(), GatingAttention()

    def forward(self, x):
        x = self.attend(x)
        return self.gate(self.attend(2 * x)).zero_()


class GatingAttention(nn.Module):
    def forward(self, x):
        return x * x.mean(dim=-2, keepdim=True).sigmoid()


def test_calls_are_kept_apart_and_what_looks_like_attention_is_named():
    x = given()[0]
    with SpectralProbe(model := Outer()) as probe:
        model(x)
    first, second = probe.traces["attend"]
    assert relative(first.shift.to_dense(), soft(scores(x, x)).flatten(0, 1)) < 1e-10
    assert relative(first.shift.to_dense(), second.shift.to_dense()) > 1e-3
    assert list(probe.skipped) == ["gate"]
    assert "GatingAttention is called like attention" in probe.skipped["gate"]


def test_causal_attention_of_many_tokens_is_kept_by_its_queries_and_keys():
    """As of a language model: no ``N²`` numbers are kept, and the mask neither."""
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 1, 2, 600, 4)
    mask = torch.full((600, 600), torch.finfo(torch.float32).min).triu(1).view(1, 1, 600, 600)
    numbers = []
    for function in (
        lambda m, q, k, v: functional.scaled_dot_product_attention(q, k, v, is_causal=True),
        lambda m, q, k, v: soft((q @ k.mT) * SCALE + mask) @ v,
    ):
        with SpectralProbe(module := Written(function), max_nodes=2 * 600) as probe:
            module(q, k, v)
        ((trace,),) = probe.traces.values()
        assert trace.shift.exponents.is_causal
        trace.shift.mapped(lambda part: (numbers.append(part.numel()), part)[1])
    assert sum(numbers) == 4 * 2 * 600 * 4
