"""The models: which, how each is made with random weights, and what it is called with."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from experiments.insertion_zoo.networks import SIDES
from experiments.insertion_zoo.networks import models as families
from experiments.probe_zoo import diffusers_models, transformers_models
from experiments.probe_zoo.trial import Given, called

MORE = """
deit3_small_patch16_224 test_vit vit_small_patch16_dinov3 vit_small_patch14_reg4_dinov2
vit_small_patch16_rope_mixed_224 vit_base_patch16_siglip_224 test_vit2 test_vit3 test_vit4
eva02_tiny_patch14_224 vit_relpos_small_patch16_rpn_224 vit_srelpos_small_patch16_224
vit_little_patch16_reg4_gap_256 vit_dpwee_patch16_reg1_gap_256 vit_pwee_patch16_reg1_gap_256
vit_wee_patch16_reg1_gap_256 vit_xsmall_patch16_clip_224 beitv2_base_patch16_224 swin_s3_tiny_224
twins_svt_small coat_mini test_coatnet test_maxvit coatnext_nano_rw_224 maxxvit_rmlp_nano_rw_256
mobilevitv2_050 caformer_s18 poolformerv2_s12 convformer_s18 efficientvit_l1 efficientvit_b0
lambda_resnet26t halonet26t eca_botnext26ts_256 sebotnet33ts_256 halo2botnet50ts_256 lamhalobotnet50ts_256
bat_resnext26ts ghostnetv2_100 gcresnet33ts gcresnext26ts nf_ecaresnet26 gmlp_ti16_224 resmlp_12_224
fastvit_sa12 fastvit_mci0 resnet50_clip resnet50_clip_gap regnetz_005 naflexvit_base_patch16_map
mobilenetv4_hybrid_medium tnt_s_legacy_patch16_224 crossvit_9_dagger_240 levit_conv_128s cs3sedarknet_xdw
"""
"""Models of timm beside the one that stands for its family: other kinds of attention, and of none."""
HEAVY = {
    "nasnet",
    "pnasnet",
    "inception_resnet_v2",
    "inception_v3",
    "inception_v4",
    "tresnet",
    "vgg",
    "xception",
}
"""Families without attention that are left out: they are large, and others are like them."""
SMALLER = {"nextvit_base": "nextvit_small", "sequencer2d_l": "sequencer2d_s"}
SHORTER: dict[str, dict[str, Any]] = {
    "beit_base_patch16_224": {"depth": 4},
    "beitv2_base_patch16_224": {"depth": 4},
    "deepseek_vit_412m": {"depth": 2},
    "eva_giant_patch14_224": {"depth": 2},
    "gemma4_vit_167m": {"depth": 2},
    "naflexvit_base_patch16_gap": {"depth": 4},
    "naflexvit_base_patch16_map": {"depth": 4},
    "qwen3_vit_88m": {"depth": 4},
    "samvit_base_patch16_224": {"depth": 4},
    "vit_base_patch16_siglip_224": {"depth": 4},
    "vit_tiny_r_s16_p8_224": {"depth": 4},
}
"""Models of timm of which a few layers are enough: the others are alike."""
TORCHVISION = """
vit_b_32 swin_t swin_v2_t maxvit_t mvit_v2_s swin3d_t resnet18 fasterrcnn_mobilenet_v3_large_320_fpn
"""


class Model(NamedTuple):
    """A model: the family it stands for, and what makes it with what it is called with."""

    family: str
    build: Callable[[], tuple[nn.Module, Given]]


def models() -> Iterator[tuple[str, Model]]:
    """By name: ``timm.<model>``, ``torchvision.<model>``, ``transformers.<type>``, ``diffusers.<class>``."""
    known = [name.partition(".")[::2] for name, family in families() if family not in HEAVY]
    names = {SMALLER.get(name, name) for library, name in known if library == "timm"}
    for name in sorted(names | set(MORE.split())):
        yield f"timm.{name}", _timm(name)
    for name in TORCHVISION.split():
        yield f"torchvision.{name}", Model(name.partition("_")[0], partial(_torchvision, name))
    for name, build in transformers_models.models():
        yield f"transformers.{name}", Model(name.partition("+")[0], build)
    for name, build in diffusers_models.models():
        yield f"diffusers.{name}", Model(name, build)


def is_there(name: str) -> bool:
    """Whether the library of a model is installed."""
    return importlib.util.find_spec(name.partition(".")[0]) is not None


def _timm(name: str) -> Model:
    import timm

    family = timm.models.model_entrypoint(name).__module__.rpartition(".")[2]

    def build() -> tuple[nn.Module, Given]:
        network: Any = timm.create_model(
            name, pretrained=False, num_classes=7, **SHORTER.get(name, {})
        ).eval()
        channels, side = timm.data.resolve_data_config(model=network)["input_size"][::2]
        side = side if side <= 256 or network.pretrained_cfg.get("fixed_input_size") else 224
        return network, (torch.randn(1, channels, side, side),)

    return Model(family, build)


def _torchvision(name: str) -> tuple[nn.Module, Given]:
    from torchvision.models import get_model

    options: dict[str, Any] = {"weights_backbone": None} if "rcnn" in name else {}
    frames = [16] if name.startswith(("swin3d", "mvit")) else []
    side = 224 if name.startswith(("vit", "mvit", "maxvit")) else SIDES.get(name, 64)
    image = torch.randn(1, 3, *frames, side, side)
    given = ([image[0]],) if "rcnn" in name else (image,)
    return get_model(name, weights=None, **options).eval(), given


@torch.no_grad()
def woken(network: nn.Module, given: Given) -> nn.Module:
    """The network, its weights made so great that attention is uneven: a fresh one looks everywhere alike."""
    for parameter in network.parameters():
        if parameter.dim() > 1 and parameter.numel() and parameter.is_floating_point():
            wanted, std = math.sqrt(len(parameter) / parameter.numel()), float(parameter.std())
            if not std:
                parameter.normal_(0, wanted)
            elif std < wanted:
                parameter.mul_(wanted / std)
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    handles = [norm.register_forward_pre_hook(_settle) for norm in norms]
    called(network, given)
    for handle in handles:
        handle.remove()
    return network


def _settle(norm: nn.Module, args: tuple[Tensor, ...]) -> None:
    """Give a batch norm the statistics of its input, as training does: else signals grow with depth."""
    mean, var = norm.running_mean, norm.running_var
    rows = args[0].transpose(0, 1).flatten(1)
    if isinstance(mean, Tensor) and isinstance(var, Tensor) and rows.shape[1] > 1:
        mean.copy_(rows.mean(1))
        var.copy_(rows.var(1).clamp(min=1e-3 * float(rows.var()) + 1e-12))
