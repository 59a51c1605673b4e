"""The models, and what their libraries say of a module in their middle: its width and its layout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

SIZE_WORDS = (
    "test_",
    "atto",
    "femto",
    "pico",
    "nano",
    "xxs",
    "xxtiny",
    "xtiny",
    "x_small",
    "tiny",
    "_xs",
    "_b0",
    "_t0",
)
"""Parts of names of small models, the smallest first."""
CHOSEN = {
    "beit": "beit_base_patch16_224",
    "byoanet": "botnet26t_256",
    "byobnet": "mobileone_s0",
    "cait": "cait_xxs24_224",
    "coat": "coat_lite_tiny",
    "crossvit": "crossvit_tiny_240",
    "cspnet": "cspdarknet53",
    "deit": "deit_tiny_distilled_patch16_224",
    "densenet": "densenet121",
    "dpn": "dpn48b",
    "efficientformer": "efficientformer_l1",
    "efficientformer_v2": "efficientformerv2_s0",
    "efficientnet": "efficientnet_b0",
    "efficientvit_msra": "efficientvit_m0",
    "focalnet": "focalnet_tiny_srf",
    "ghostnet": "ghostnet_050",
    "hiera": "hiera_tiny_224",
    "hieradet_sam2": "sam2_hiera_tiny",
    "hrnet": "hrnet_w18_small",
    "iformer": "iformer_t",
    "levit": "levit_128s",
    "maxxvit": "maxvit_pico_rw_256",
    "metaformer": "poolformer_s12",
    "mlp_mixer": "mixer_s32_224",
    "mobilenetv3": "mobilenetv3_small_050",
    "mobilevit": "mobilevit_xxs",
    "naflexvit": "naflexvit_base_patch16_gap",
    "nfnet": "nf_regnet_b0",
    "pit": "pit_ti_distilled_224",
    "pvt_v2": "pvt_v2_b0",
    "regnet": "regnetx_002",
    "repghost": "repghostnet_050",
    "resnest": "resnest14d",
    "resnet": "resnet18",
    "resnetv2": "resnetv2_18",
    "senet": "legacy_seresnet18",
    "sknet": "skresnet18",
    "starnet": "starnet_s1",
    "swin_transformer": "swin_tiny_patch4_window7_224",
    "swin_transformer_v2": "swinv2_tiny_window8_256",
    "swin_transformer_v2_cr": "swinv2_cr_tiny_224",
    "tiny_vit": "tiny_vit_5m_224",
    "tnt": "tnt_s_patch16_224",
    "tresnet": "tresnet_m",
    "twins": "twins_pcpvt_small",
    "vgg": "vgg11",
    "vision_transformer": "vit_tiny_patch16_224",
    "vision_transformer_hybrid": "vit_tiny_r_s16_p8_224",
    "vision_transformer_relpos": "vit_relpos_small_patch16_224",
    "vision_transformer_sam": "samvit_base_patch16_224",
    "vovnet": "ese_vovnet19b_slim",
    "xcit": "xcit_nano_12_p16_224",
}
"""Models of families whose names do not tell the smallest."""
TORCHVISION: dict[str, tuple[str, int, str]] = {
    "alexnet": ("features.5", 192, "NCHW"),
    "convnext_tiny": ("features.5", 384, "NCHW"),
    "densenet121": ("features.transition2", 256, "NCHW"),
    "efficientnet_b0": ("features.6", 192, "NCHW"),
    "efficientnet_v2_s": ("features.5", 160, "NCHW"),
    "googlenet": ("inception4a", 512, "NCHW"),
    "inception_v3": ("Mixed_6b", 768, "NCHW"),
    "maxvit_t": ("blocks.2", 256, "NCHW"),
    "mnasnet0_5": ("layers.11", 48, "NCHW"),
    "mobilenet_v2": ("features.13", 96, "NCHW"),
    "mobilenet_v3_small": ("features.8", 48, "NCHW"),
    "regnet_x_400mf": ("trunk_output.block3", 160, "NCHW"),
    "resnet18": ("layer3", 256, "NCHW"),
    "resnext50_32x4d": ("layer3.4", 1024, "NCHW"),
    "shufflenet_v2_x0_5": ("stage3", 96, "NCHW"),
    "squeezenet1_1": ("features.9", 384, "NCHW"),
    "swin_t": ("features.5", 384, "NHWC"),
    "swin_v2_t": ("features.5", 384, "NHWC"),
    "vgg11": ("features.15", 512, "NCHW"),
    "vit_b_16": ("encoder.layers.encoder_layer_9", 768, "NLC+1"),
    "wide_resnet50_2": ("layer3.4", 1024, "NCHW"),
    "fcn_resnet50": ("backbone.layer3", 1024, "NCHW"),
    "deeplabv3_mobilenet_v3_large": ("backbone.13", 160, "NCHW"),
    "lraspp_mobilenet_v3_large": ("backbone.13", 160, "NCHW"),
    "r3d_18": ("layer3", 256, "NCDHW"),
    "mc3_18": ("layer3", 256, "NCDHW"),
    "r2plus1d_18": ("layer3", 256, "NCDHW"),
    "s3d": ("features.10", 512, "NCDHW"),
    "mvit_v1_b": ("blocks.10", 384, "NLC+1"),
    "swin3d_t": ("features.4", 384, "NDHWC"),
}
"""A module of each of torchvision's families, its width and its layout, with the number of leading tokens."""
FORMS = {
    "beit_base_patch16_224": "NLC+1",
    "cait_xxs24_224": "NLC+0",  # its class token comes after its blocks
    "convit_tiny": "NLC+1",  # its class token comes before its last two blocks
    "deepseek_vit_412m": "NLC+0",
    "deit_tiny_distilled_patch16_224": "NLC+2",
    "eva02_tiny_patch14_224": "NLC+1",
    "gemma4_vit_167m": "NLC+0",
    "hiera_tiny_224": "NLC+0",
    "levit_128s": "NLC+0",
    "mixer_s32_224": "NLC+0",
    "naflexvit_base_patch16_gap": "NLC+4",
    "qwen3_vit_88m": "NLC+0",
    "samvit_base_patch16_224": "NHWC",
    "tnt_s_patch16_224": "NLC+1",
    "twins_pcpvt_small": "NLC+0",
    "vit_relpos_small_patch16_224": "NLC+0",
    "vit_tiny_patch16_224": "NLC+1",
    "vit_tiny_r_s16_p8_224": "NLC+1",
    "vitamin_base_224": "NLC+0",
    "volo_d1_224": "NHWC",
    "xcit_nano_12_p16_224": "NLC+0",  # its class token comes after its blocks
}
"""Layouts, with numbers of leading tokens, of timm's models that do not tell theirs and are not NCHW."""
PLACES = {
    "gemma4_vit_167m": "encoder.blocks.14",
    "mvitv2_tiny": "stages.2",
    "twins_pcpvt_small": "blocks.2.5",
}
"""Modules where timm's own table names none that exists."""
SIDES = {"s3d": 224, "vit_b_16": 224, "mvit_v1_b": 224, "maxvit_t": 224, "inception_v3": 96, "alexnet": 96}
"""Sizes of images, where 64 is not taken."""


def models() -> Iterator[tuple[str, str]]:
    """Names of models with their families: ``timm.<model>`` and ``torchvision.<model>``."""
    import timm

    for family in timm.list_modules():
        yield f"timm.{CHOSEN.get(family) or smallest(timm.list_models(module=family))}", family
    for name in TORCHVISION:
        yield f"torchvision.{name}", name.partition("_")[0]


def smallest(names: Sequence[str]) -> str:
    """The name that sounds smallest."""
    ranks = {word: rank for rank, word in enumerate(reversed(SIZE_WORDS), 1)}
    return min(
        names, key=lambda name: (-max((r for w, r in ranks.items() if w in name), default=0), len(name), name)
    )


def timm_model(name: str) -> tuple[nn.Module, str, str, list[Tensor]]:
    """A model, its last stage but one, the width and layout that timm tells, and inputs to try."""
    import timm

    network: Any = timm.create_model(name, pretrained=False, num_classes=7).eval()
    stages = [dict(stage) for stage in network.feature_info]
    stage = stages[-2] if len(stages) > 1 else stages[-1]
    form = FORMS.get(name, getattr(network, "output_fmt", "NCHW"))
    channels, side = timm.data.resolve_data_config(model=network)["input_size"][::2]
    sides = [side] if network.pretrained_cfg.get("fixed_input_size") else [64, side]
    examples = [torch.randn(1, channels, one, one) for one in sides]
    return network, PLACES.get(name, f"{stage['module']}"), f"{stage['num_chs']} {form}", examples


def torchvision_model(name: str) -> tuple[nn.Module, str, str, list[Tensor]]:
    """A model, a module in its middle, its width and layout, and an input."""
    from torchvision.models import get_model

    options: dict[str, Any] = {}
    if name.startswith(("fcn", "deeplab", "lraspp")):
        options["weights_backbone"] = None
    if name in ("googlenet", "inception_v3"):
        options["init_weights"] = False
    module, width, form = TORCHVISION[name]
    side = SIDES.get(name, 64)
    frames = [16] if "D" in form or name.startswith("mvit") else []
    network = get_model(name, weights=None, **options).eval()
    return network, module, f"{width} {form}", [torch.randn(1, 3, *frames, side, side)]
