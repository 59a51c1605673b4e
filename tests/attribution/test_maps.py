"""Rollout, relevance and norms against explicit matrices and PyTorch's gradient of explicit weights."""

import pytest
import torch
from torch import nn

from gsp_nonlocal import SNL
from gsp_nonlocal.attribution import norm_weighted, relevance, rollout, token_norms
from gsp_nonlocal.probe import SpectralProbe
from gsp_nonlocal.spectral import attention_map, attention_rows
from tests.attribution.models import CLASSES, HEADS, LAYERS, WAYS, C, N, features, network
from tests.cases.signals import relative

EYE = torch.eye(N, dtype=torch.float64)
CHOSEN = torch.tensor([3, 0])


def probed(model, x, **kwargs):
    with SpectralProbe(model, **kwargs) as probe, torch.no_grad():
        model(x)
    return probe


def explicit(model, x):
    """The weights of each layer ``(B, H, N, N)`` with their gradients by the score of the chosen classes."""
    model(x).gather(1, CHOSEN.unsqueeze(1)).sum().backward()
    return [(layer.weights.detach(), layer.weights.grad) for layer in model.layers]


def product(matrices):
    """``M_L ⋯ M_1``."""
    result = EYE
    for matrix in matrices:
        result = matrix @ result
    return result


def relevant(weights):
    return product([EYE + (a * g).clamp(min=0).mean(1) for a, g in weights])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_rollout_is_the_product_of_the_layers_means(way, share):
    weights = explicit(network(), features())
    expected = product([share * a.mean(1) + (1 - share) * EYE for a, _ in weights])
    found = rollout(probed(network(way), features()), share=share)
    assert relative(found.to_dense(), expected) < 1e-12
    nodes = torch.tensor([4, 0])
    assert relative(attention_rows(found, nodes), expected[:, nodes]) < 1e-12
    assert relative(attention_rows(found.graph(1), nodes), expected[1:, nodes]) < 1e-12
    assert (attention_map(found, 2).sum(-1) - 1).abs().max() < 1e-12
    assert found.spectral_bound == 1.0


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_frozen", [False, True])
def test_relevance_is_that_of_explicit_weights_and_their_gradient(way, is_frozen):
    expected = relevant(explicit(network(), features()))
    model = network(way).requires_grad_(not is_frozen).train()
    found = relevance(model, features(), CHOSEN)
    assert relative(found.to_dense(), expected) < 1e-12
    assert relative(attention_map(found, 0), expected[:, 0]) < 1e-12
    assert relative(found.T.to_dense(), expected.mT) < 1e-12
    assert relative(found.graph(1).to_dense(), expected[1:]) < 1e-12
    assert model.training and all(weight.grad is None for weight in model.parameters())
    assert all(weight.requires_grad is not is_frozen for weight in model.parameters())
    assert not found.to_dense().requires_grad
    assert (expected - EYE).abs().max() > 1e-3  # there is something to find


@pytest.mark.parametrize("way", ["factors", "factors, channels first"])
def test_linear_attention_has_relevance(way):
    expected = relevant(explicit(network("explicit"), features()))
    found = relevance(network(way), features(), CHOSEN)
    assert relative(found.to_dense(), expected) < 1e-12 and (expected - EYE).abs().max() > 1e-3


def test_half_precision_keeps_what_is_added_to_the_identity():
    model = network("fused").bfloat16()
    found = relevance(model, features(), CHOSEN).to_dense()
    expected = relevance(model.double(), features(), CHOSEN).to_dense()
    assert (
        found.dtype == torch.float32
        and rollout(probed(model.bfloat16(), features().bfloat16())).dtype == found.dtype
    )
    assert relative((found - EYE).double(), expected - EYE) < 0.05


def test_targets():
    model, x = network("fused"), features()
    best = model(x).argmax(-1)
    by_itself = relevance(model, x).to_dense()
    assert torch.equal(by_itself, relevance(model, x, best).to_dense())
    assert torch.equal(by_itself, relevance(model, x, best.tolist()).to_dense())
    assert torch.equal(by_itself, relevance(model, x, lambda output: output.amax(-1)).to_dense())
    ones = [relevance(model, x[:1], target).to_dense() for target in range(CLASSES)]
    assert all((one - ones[0]).abs().max() > 1e-4 for one in ones[1:])


@pytest.mark.parametrize("of", [lambda m, x: rollout(probed(m, x)), lambda m, x: relevance(m, x, 1)])
def test_maps_follow_a_permutation_of_nodes(of):
    """Of those but the first, which the class is read from."""
    model, x = network("fused"), features()
    order = torch.tensor([0, 4, 2, 6, 1, 5, 3])
    expected = of(model, x).to_dense()[:, order][:, :, order]
    assert relative(of(model, x[:, order]).to_dense(), expected) < 1e-12


def test_multi_head_attention_and_encoders_of_pytorch():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(C, HEADS, batch_first=True, dtype=torch.float64)
    encoder = nn.TransformerEncoder(layer, LAYERS).eval()
    model = nn.Sequential(encoder, nn.Flatten(), nn.Linear(N * C, CLASSES, dtype=torch.float64))
    x = features()
    probe = probed(model, x)
    means = [trace.shift.to_dense().unflatten(0, (-1, HEADS)).mean(1) for _, trace in probe.in_order]
    assert len(means) == LAYERS
    assert relative(rollout(probe).to_dense(), product([(a + EYE) / 2 for a in means])) < 1e-12
    found = relevance(model, x, 1).to_dense()
    assert relative(found, by_weights(model, encoder, probe, x, 1)) < 1e-12


def by_weights(model, encoder, probe, x, target):
    """Relevance by autograd: in one layer after the other the weights are a tensor of their own."""
    found = []
    for layer, (_, trace) in zip(encoder.layers, probe.in_order, strict=True):
        weights = trace.shift.to_dense().unflatten(0, (-1, HEADS)).requires_grad_()
        heads = weights @ trace.signal.unflatten(0, (-1, HEADS))
        instead = layer.self_attn.out_proj(heads.transpose(1, 2).flatten(2))
        handle = layer.self_attn.register_forward_hook(lambda m, args, out, y=instead: (y, out[1]))
        found.append((weights.detach(), torch.autograd.grad(model(x)[:, target].sum(), weights)[0]))
        handle.remove()
    return relevant(found)


class Windowed(nn.Module):
    """Attention in two windows of four nodes, after another linear map."""

    def __init__(self):
        super().__init__()
        self.norm, self.head = nn.LayerNorm(C), nn.Linear(C, CLASSES)
        self.qkv, self.out = nn.Linear(C, 3 * C), nn.Linear(C, C)

    def forward(self, image):
        x = self.norm(image.permute(0, 2, 3, 1))  # (B, 2, 4, C): windows are halves of the width
        cut = x.unflatten(2, (2, 2)).transpose(1, 2).flatten(0, 1).flatten(1, 2)
        q, k, v = self.qkv(cut).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        y = self.out(WAYS["fused"](q, k, v)[0].transpose(1, 2).flatten(2))
        y = x + y.unflatten(0, (-1, 2)).unflatten(2, (2, 2)).transpose(1, 2).flatten(2, 3)
        return self.head(y.mean((1, 2)) + y.square().mean((1, 2)))


def test_windows_are_graphs_of_their_map():
    torch.manual_seed(0)
    model, x = Windowed().double(), torch.randn(2, C, 2, 4, dtype=torch.float64)
    probe = probed(model, x)
    [(_, trace)] = probe.in_order
    assert trace.shift.shape == (2 * HEADS, 8, 8) and trace.windows == 1
    found = relevance(model, x, 2)
    weights = trace.shift.to_dense().unflatten(0, (-1, HEADS)).requires_grad_()
    y = model.out((weights @ trace.signal.unflatten(0, (-1, HEADS))).transpose(1, 2).flatten(2))
    y = y + model.norm(x.flatten(2).mT)
    grad = torch.autograd.grad(model.head(y.mean(1) + y.square().mean(1))[:, 2].sum(), weights)[0]
    expected = torch.eye(8) + (weights * grad).clamp(min=0).mean(1)
    assert relative(found.to_dense(), expected) < 1e-12
    assert relative(found.graph(1).to_dense(), expected[1:]) < 1e-12
    mean = weights.mean(1).detach()
    assert relative(rollout(probe).graph(1).to_dense(), (mean[1:] + torch.eye(8)) / 2) < 1e-12
    expected = carried(model, trace, model.out)
    assert relative(norm_weighted(trace).graph(1).to_dense(), expected[1:]) < 1e-12


def carried(model, trace, out):
    """``‖Σ_h S_ij f(x_j)‖`` by all vectors."""
    weights = trace.shift.to_dense().unflatten(0, (-1, HEADS))
    value, maps = trace.signal.unflatten(0, (-1, HEADS)), out.weight.unflatten(1, (HEADS, -1))
    features = torch.einsum("bhnd,chd->bhnc", value, maps)
    return torch.einsum("bhij,bhjc->bijc", weights, features).norm(dim=-1)


def test_norms_are_those_of_what_is_carried():
    model = network("fused")
    probe = probed(model, features())
    for layer, (_, trace) in zip(model.layers, probe.in_order, strict=True):
        found, expected = norm_weighted(trace), carried(model, trace, layer.out)
        assert relative(found.to_dense(), expected) < 1e-12
        assert relative(found.T.to_dense(), expected.mT) < 1e-12
        z = features()
        assert relative(found @ z, expected @ z) < 1e-12 and relative(found.T @ z, expected.mT @ z) < 1e-12
        assert relative(attention_map(found.graph(1), 3), expected[1:, 3]) < 1e-12


def test_norms_of_tokens():
    model, x = network(), features()
    found = token_norms(model.train(), x, ["layers.0", "layers.2.out"])
    assert torch.equal(found["layers.0"], model.layers[0](x).norm(dim=-1)) and model.training
    assert list(found) == ["layers.0", "layers.2.out"]
    assert not any(module._forward_hooks for module in model.modules())


class Twice(nn.Module):
    """Two attentions in turn, twice."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        for layer in [*self.net.layers[:2], *self.net.layers[:2]]:
            x = x + layer(x)
        return self.net.head(x[:, 0])


def test_layers_are_in_the_order_in_which_they_ran():
    probe = probed(Twice(network()), features())
    assert [path for path, _ in probe.in_order] == ["net.layers.0", "net.layers.1"] * 2
    means = [trace.shift.to_dense().unflatten(0, (-1, HEADS)).mean(1) for _, trace in probe.in_order]
    assert relative(rollout(probe).to_dense(), product([(a + EYE) / 2 for a in means])) < 1e-12


class Pooled(nn.Module):
    """Half of the nodes after the first layer."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net.head(self.net.layers[1](self.net.layers[0](x)[:, ::2])[:, 0])


class Crossed(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(C, HEADS, batch_first=True, dtype=torch.float64)

    def forward(self, x):
        return self.attention(x[:, :3], x, x)[0][:, 0]


class Sliced(nn.Module):
    """Windows of nodes that are no map."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        cut = self.net.layers[0](x[:, :6].reshape(-1, 3, C)[torch.randperm(2 * len(x))])
        return self.net.head(cut.reshape(len(x), 6, C)[:, 0])


class Detached(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net.head((x + self.net.layers[0](x).detach())[:, 0])


REFUSED = {
    "other nodes": (lambda: Pooled(network("fused")), "7 nodes of 2 images: net.layers.0; 4 nodes"),
    "cross-attention": (Crossed, "attention joins 7 nodes to 3 others"),
    "windows": (lambda: Sliced(network("fused")), "net.layers.0 has 2 windows of 3 nodes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_layers_on_other_nodes_are_refused_by_name(name):
    make, said = REFUSED[name]
    model = make()
    with pytest.raises(ValueError, match=said):
        rollout(probed(model, features()))
    with pytest.raises(ValueError, match=said):
        relevance(model, features(), 1)


def test_some_layers_may_be_chosen():
    model = Pooled(network("fused"))
    assert rollout(probed(model, features(), paths=["net.layers.0"])).shape == (2, N, N)
    assert relevance(model, features(), 1, paths=["net.layers.1"]).shape == (2, 4, 4)


def test_what_has_no_relevance_says_why():
    x = features()
    with pytest.raises(ValueError, match=r"does not depend on net\.layers\.0 by a gradient"):
        relevance(Detached(network("fused")), x, 1)
    block = nn.Sequential(SNL(3), nn.Flatten(), nn.Linear(27, 2))
    with pytest.raises(ValueError, match="0 is read by its class"):
        relevance(block, torch.randn(2, 3, 3, 3), 1)
    model = network("fused")
    for target, error, said in (
        (CLASSES, ValueError, "from 0 to 3, got 4"),
        (-1, ValueError, "from 0 to 3, got -1"),
        ([1, 2, 3], ValueError, "one for each of 2 images"),
        (1.5, TypeError, "whole number, got 1.5"),
        (lambda output: output.sum(), ValueError, r"\(B,\); got \(\)"),
    ):
        with pytest.raises(error, match=said):
            relevance(model, x, target)
    with pytest.raises(ValueError, match=r"shape \(B, K\), got \(2, 7, 12\)"):
        relevance(model.layers[0], x)
    with pytest.raises(ValueError, match="run the model inside"):
        rollout(SpectralProbe(model))
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="from 0 to 1; got"):
            rollout(probed(model, x), share=share)
    with pytest.raises(ValueError, match="W_o after the heads"):
        norm_weighted(probed(SNL(3), torch.randn(2, 3, 3, 3)).traces[""][0])
    with pytest.raises(ValueError, match=r"no module 'layer.0'; near it are layers\.0"):
        token_norms(model, x, ["layer.0"])
    with pytest.raises(ValueError, match=r"head returns no features of nodes \(B, N, C\), but \(2, 4\)"):
        token_norms(model, x, ["head"])
