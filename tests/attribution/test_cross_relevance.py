"""Relevance over two sets of nodes against the paper's rules on explicit weights and their gradients."""

import copy
import sys

import pytest
import torch
from torch import nn

from gsp_nonlocal.attribution import CrossRelevance, cross_relevance, relevance
from tests.attribution.models import CLASSES, HEADS, WAYS, C, N, features, network
from tests.cases.signals import relative

QUERIES = 4
CHOSEN = torch.tensor([3, 0])


class Gathering(nn.Module):
    """Attention of ``x`` in ``y``; keeps its weights where they are written."""

    def __init__(self, way):
        super().__init__()
        self.way, self.weights = WAYS[way], None
        self.q, self.kv, self.out = nn.Linear(C, C), nn.Linear(C, 2 * C), nn.Linear(C, C)

    def forward(self, x, y):
        q = self.q(x).unflatten(-1, (HEADS, -1)).transpose(1, 2)
        k, v = self.kv(y).unflatten(-1, (2, HEADS, -1)).permute(2, 0, 3, 1, 4)
        z, self.weights = self.way(q, k, v)
        return torch.tanh(self.out(z.transpose(1, 2).flatten(2)))


PLANS = {
    "encoder and decoder": "ss ss tt ts tt ts",
    "decoder alone": "tt ts",
    "reader": "ts ts",
    "sources go on": "ss ts ss tt ts",
    "two modalities": "tt ss ts st tt ss ts st tt",
}
"""Layers in order: which set gathers from which."""


class Two(nn.Module):
    """Sets ``t`` and ``s`` with residuals; a class is read from the first target. Input: sources."""

    def __init__(self, plan, way="written"):
        super().__init__()
        self.plan = plan.split()
        self.layers = nn.ModuleList(Gathering(way) for _ in self.plan)
        self.queries, self.head = nn.Parameter(torch.randn(QUERIES, C)), nn.Linear(C, CLASSES)

    def forward(self, x):
        sets = {"s": x, "t": self.queries + 0.3 * x[:, :QUERIES]}
        for layer, (here, there) in zip(self.layers, self.plan, strict=True):
            sets[here] = sets[here] + layer(sets[here], sets[there])
        return self.head(sets["t"][:, 0] + sets["s"].mean(1))


def two(plan, way="written"):
    torch.manual_seed(0)
    return Two(PLANS[plan], way).double()


def by_the_rules(model, x):
    """Equations 5 to 11 of the paper, one image after the other."""
    model(x).gather(1, CHOSEN.unsqueeze(1)).sum().backward()
    size = {"t": QUERIES, "s": N}
    found = []
    for image in range(len(x)):
        r = {a + b: torch.zeros(size[a], size[b], dtype=torch.float64) for a in "ts" for b in "ts"}
        for a in "ts":
            r[a + a] = torch.eye(size[a], dtype=torch.float64)
        for layer, (a, b) in zip(model.layers, model.plan, strict=True):
            weights, grad = layer.weights[image].detach(), layer.weights.grad[image]
            cam = (weights * grad).clamp(min=0).mean(0)
            if a == b:
                new = {a + c: r[a + c] + cam @ r[a + c] for c in "ts"}
            else:
                new = {
                    a + b: r[a + b] + normalised(r[a + a]).T @ cam @ normalised(r[b + b]),
                    a + a: r[a + a] + cam @ r[b + a],
                }
            r |= new
        found.append([r[name] for name in ("tt", "ts", "st", "ss")])
    return CrossRelevance(*map(torch.stack, zip(*found, strict=True)))


def normalised(r):
    gained = r - torch.eye(len(r), dtype=r.dtype)
    for row in gained:
        if row.sum() != 0:
            row /= row.sum()
    return gained + torch.eye(len(r), dtype=r.dtype)


@pytest.mark.parametrize("way", ["written", "fused", "in letters"])
@pytest.mark.parametrize("plan", PLANS)
def test_it_is_what_the_rules_give(plan, way):
    expected = by_the_rules(two(plan), features())
    model = two(plan, way).train()
    found = cross_relevance(model, features(), CHOSEN)
    for name, one, other in zip(found._fields, found, expected, strict=True):
        assert one.shape == other.shape
        assert (one - other).abs().max() <= 1e-12 * other.abs().max().clamp(min=1e-3), name
    assert found.from_sources.abs().max() > 1e-3  # there is something to find
    assert (found.from_targets.abs().max() > 1e-4) == ("st" in model.plan)
    assert model.training and all(weight.grad is None for weight in model.parameters())


def test_a_source_that_is_hidden_is_not_relevant():
    torch.manual_seed(0)
    layer = nn.TransformerDecoderLayer(C, HEADS, 16, batch_first=True, dtype=torch.float64)

    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.head = layer, nn.Linear(C, CLASSES, dtype=torch.float64)

        def forward(self, x):
            hidden = (torch.arange(N) == 2).expand(len(x), -1)
            return self.head(self.layer(x[:, :3], x, memory_key_padding_mask=hidden)[:, 0])

    found = cross_relevance(Reader(), features(), 1)
    assert found.from_sources.shape == (2, 3, N) and found.sources.shape == (2, N, N)
    assert torch.equal(found.from_sources[..., 2], torch.zeros(2, 3, dtype=torch.float64))
    assert (found.from_sources[..., [0, 1, 3, 4, 5, 6]] > 0).any()


def test_a_transformer_of_pytorch_and_half_precision():
    torch.manual_seed(0)

    class Translator(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Transformer(C, HEADS, 2, 2, 16, batch_first=True, dtype=torch.float64)

        def forward(self, x):
            return self.net(x, 0.5 * x[:, :5])[:, -1]

    model = Translator()
    found = cross_relevance(model, features(), 2)
    assert found.from_sources.shape == (2, 5, N) and bool((found.from_sources >= 0).all())
    half = cross_relevance(model.bfloat16(), features().bfloat16(), 2)
    assert half.from_sources.dtype == torch.float32
    assert relative(half.from_sources.double(), found.from_sources) < 0.2
    encoder = cross_relevance(model.double(), features(), lambda y: y[:, 0])
    assert not torch.equal(encoder.from_sources, found.from_sources)


def test_a_decoder_of_transformers():
    import transformers  # of the extra dev: never missing here

    torch.manual_seed(0)
    config = transformers.BartConfig(
        vocab_size=50, d_model=16, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, max_position_embeddings=32,
    )  # fmt: skip
    model = transformers.BartForConditionalGeneration(config).eval()
    ids = {"input_ids": torch.randint(3, 50, (2, 9)), "decoder_input_ids": torch.randint(3, 50, (2, 4))}
    found = cross_relevance(model, ids, lambda output: output.logits[:, -1, 7])
    assert found.from_sources.shape == (2, 4, 9)
    assert (found.from_sources[:, -1] > 0).any() and not found.from_targets.any()
    assert torch.equal(found.targets.triu(1), torch.zeros(2, 4, 4))  # later tokens are not seen


def test_layers_of_two_precisions_and_inference_mode():
    model = two("encoder and decoder", "fused")
    expected = cross_relevance(model, features(), CHOSEN)

    class Mixed(nn.Module):
        """An encoder in float32."""

        def __init__(self):
            super().__init__()
            self.net = model
            self.net.layers[:2].float()

        def forward(self, x):
            encoded = x.float()
            for layer in self.net.layers[:2]:
                encoded = encoded + layer(encoded, encoded)
            net, encoded = self.net, encoded.double()
            sets = {"s": encoded, "t": net.queries + 0.3 * x[:, :QUERIES]}
            for layer, (here, there) in zip(net.layers[2:], net.plan[2:], strict=True):
                sets[here] = sets[here] + layer(sets[here], sets[there])
            return net.head(sets["t"][:, 0] + sets["s"].mean(1))

    mixed = Mixed()
    with torch.inference_mode():
        found = cross_relevance(mixed, features(), CHOSEN)
    assert found.from_sources.dtype == torch.float64
    assert relative(found.from_sources, expected.from_sources) < 1e-5


class Windowed(nn.Module):
    """Cross-attention inside of each of three windows, of which an image has its own."""

    def __init__(self):
        super().__init__()
        self.layer, self.head = Gathering("fused"), nn.Linear(C, CLASSES)

    def forward(self, x):
        windows = x.view(-1, 3, N, C).flatten(0, 1)
        return self.head(self.layer(windows[:, :QUERIES], windows).view(len(x), -1, C)[:, 0])


def test_windows_are_no_heads():
    x = torch.randn(2, 3 * N, C, dtype=torch.float64)
    with pytest.raises(
        ValueError, match="layer has 3 windows of 7 nodes an image, and where they lie is not"
    ):
        cross_relevance(Windowed().double(), x, 1)


class Sets(nn.Module):
    """Cross-attentions of the first target sizes in the whole input."""

    def __init__(self, *sizes):
        super().__init__()
        self.sizes = sizes
        self.layers = nn.ModuleList(Gathering("fused") for _ in sizes)
        self.head = nn.Linear(C, CLASSES)

    def forward(self, x):
        return self.head(sum(f(x[:, :n], x).mean(1) for f, n in zip(self.layers, self.sizes, strict=True)))


def test_sets_that_are_not_two_are_refused_by_name(monkeypatch):
    with pytest.raises(ValueError, match=r"of different sizes was read; use relevance\(model, inputs\)"):
        cross_relevance(network("fused"), features(), 1)
    with pytest.raises(ValueError, match=r"layers\.0 joins 7 nodes to 3.*layers\.1 7 to 4, of 2; choose"):
        cross_relevance(Sets(3, 4).double(), features(), 1)
    found = cross_relevance(Sets(3, 4).double(), features(), 1, paths=["layers.1"])
    assert found.from_sources.shape == (2, 4, N)
    same = nn.MultiheadAttention(C, 1, batch_first=True, dtype=torch.float64)

    class Same(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = same

        def forward(self, x):
            return self.attention(x, x.flip(1) + 1, x)[0][:, 0]

    with pytest.raises(ValueError, match="joins two sets of 7 nodes each, which are not told apart"):
        cross_relevance(Same(), features(), 1)

    class Third(nn.Module):
        """Targets gather from sources, then from as many other nodes."""

        def __init__(self):
            super().__init__()
            self.first, self.second = (copy.deepcopy(same) for _ in range(2))

        def forward(self, x):
            targets = self.first(x[:, :4], x, x)[0]
            return self.second(targets, x[:, 3:] + 1, x[:, 3:] + 1)[0][:, 0]

    with pytest.raises(ValueError, match="second joins two sets of 4 nodes each"):
        cross_relevance(Third(), features(), 1)
    monkeypatch.setattr(sys.modules[cross_relevance.__module__], "MOST_NUMBERS", 2 * 11**2 - 1)
    with pytest.raises(ValueError, match="among 11 nodes of 2 images takes 242 numbers"):
        cross_relevance(two("reader"), features(), 1)
    with pytest.raises(ValueError, match="joins 7 nodes to 4 others"):
        relevance(two("reader"), features(), 1)
