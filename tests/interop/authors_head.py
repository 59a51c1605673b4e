"""The authors' segmentation head from the paper's formula and the facts of their code: dense, in float64."""

import torch
from torch.nn import functional as F

from gsp_nonlocal.interop.official.blocks import kinds
from gsp_nonlocal.interop.translation import translate_back

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def random_state(in_channels, channels, inner, classes):
    """A state under their keys, of modules that do something."""
    g = torch.Generator().manual_seed(0)
    shapes = {
        "conv_seg.weight": (classes, channels, 1, 1),
        "conv_seg.bias": (classes,),
        "convs.0.conv.weight": (channels, in_channels, 3, 3),
        "convs.1.conv.weight": (channels, channels, 3, 3),
        "conv_cat.conv.weight": (channels, in_channels + channels, 3, 3),
        "SNL.t.weight": (inner, channels, 1, 1),
        "SNL.p.weight": (inner, channels, 1, 1),
        "SNL.stages.0.g.weight": (inner, channels, 1, 1),
        "SNL.stages.0.w_1.weight": (channels, inner, 1, 1),
        "SNL.stages.0.w_2.weight": (channels, inner, 1, 1),
    }
    state = {key: 0.3 * torch.randn(shape, generator=g) for key, shape in shapes.items()}
    for norm in ("convs.0.bn", "convs.1.bn", "conv_cat.bn", "SNL.stages.0.bn"):
        for name in ("weight", "bias", "running_mean", "running_var"):
            state[f"{norm}.{name}"] = torch.rand(channels, generator=g) + (0.5 if "r" in name[-3:] else 0.1)
        state[f"{norm}.num_batches_tracked"] = torch.tensor(3)
    return state


def values_and_gradients(state, x, cotangent, training):
    """Logits ``(B, classes, H, W)``, and gradients by key, of the input as ``"x"``."""
    wide = {k: v.double() if v.is_floating_point() else v.clone() for k, v in state.items()}
    learned = {k: v.requires_grad_() for k, v in wide.items() if not k.endswith(STATISTICS)}
    given = x.double().requires_grad_()
    y = _forward(wide, given, training)
    keys = list(learned)
    gradients = torch.autograd.grad((y * cotangent).sum(), [given, *learned.values()])
    return y.detach(), dict(zip(["x", *keys], gradients, strict=True))


def gradients_of(head):
    """The gradients of our head under their keys."""
    state = {"SNL.t.weight": torch.zeros(8, 16, 1, 1), "SNL.stages.0.x": torch.zeros(1)}
    rules = kinds.get("snl")({k.removeprefix("SNL."): v for k, v in state.items()}, subtract=True)[1]
    own = {name: p.grad for name, p in head.named_parameters()}
    block = {key.removeprefix("block."): v for key, v in own.items() if key.startswith("block.")}
    theirs = translate_back([rule for rule in rules if rule.ours in block], block)
    others = {key: value for key, value in own.items() if not key.startswith("block.")}
    return others | {f"SNL.{key}": value for key, value in theirs.items()}


def _forward(state, x, training):
    features = _convolution(state, "convs.0", x, training)
    features = _block(state, features, training)
    features = _convolution(state, "convs.1", features, training)
    features = _convolution(state, "conv_cat", torch.cat([x, features], 1), training)
    return F.conv2d(features, state["conv_seg.weight"], state["conv_seg.bias"])


def _block(state, x, training):
    """``x + relu(bn(W₁ z − W₂ Â z))`` with every entry of ``Â``."""
    theta, phi, z = (
        torch.einsum("oi,bihw->bhwo", state[f"SNL.{key}.weight"][..., 0, 0], x).flatten(1, 2)
        for key in ("t", "p", "stages.0.g")
    )
    affinity = theta.relu() @ phi.relu().mT
    affinity = (affinity + affinity.mT) / 2
    root = affinity.sum(-1).rsqrt()
    assert root.isfinite().all()
    normalised = root[:, :, None] * affinity * root[:, None, :]
    first, second = (state[f"SNL.stages.0.w_{k}.weight"][..., 0, 0] for k in (1, 2))
    mixed = z @ first.mT - normalised @ z @ second.mT
    maps = mixed.mT.unflatten(-1, x.shape[2:])
    return x + _norm(state, "SNL.stages.0.bn", maps, training).relu()


def _convolution(state, name, x, training):
    return _norm(state, f"{name}.bn", F.conv2d(x, state[f"{name}.conv.weight"], padding=1), training).relu()


def _norm(state, name, x, training):
    mean, variance, weight, bias = (
        state[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")
    )
    return F.batch_norm(x, mean.clone(), variance.clone(), weight, bias, training)
