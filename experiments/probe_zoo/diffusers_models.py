"""Tiny models of diffusers."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

Made = tuple[nn.Module, dict[str, Any]]
BLOCKS = {"block_out_channels": (32, 64), "layers_per_block": 1, "norm_num_groups": 8}
DOWN, UP = ("DownBlock2D", "CrossAttnDownBlock2D"), ("CrossAttnUpBlock2D", "UpBlock2D")

AUTOENCODER = {
    **BLOCKS,
    "latent_channels": 4,
    "down_block_types": ("DownEncoderBlock2D",) * 2,
    "up_block_types": ("UpDecoderBlock2D",) * 2,
}


def _latent(channels: int = 4) -> Tensor:
    return torch.randn(1, channels, 16, 16)


def models() -> Iterator[tuple[str, Callable[[], Made]]]:
    """Classes with what makes one."""
    step, text = torch.tensor([1]), torch.randn(1, 5, 16)
    yield (
        "UNet2DConditionModel",
        lambda: _made(
            "UNet2DConditionModel",
            {"sample_size": 16, "down_block_types": DOWN, "up_block_types": UP, **BLOCKS}
            | {"cross_attention_dim": 16, "attention_head_dim": 8},
            sample=_latent(),
            timestep=step,
            encoder_hidden_states=text,
        ),
    )
    yield (
        "UNet2DModel",
        lambda: _made(
            "UNet2DModel",
            {"sample_size": 16, "attention_head_dim": 8, **BLOCKS}
            | {"down_block_types": ("DownBlock2D", "AttnDownBlock2D")}
            | {"up_block_types": ("AttnUpBlock2D", "UpBlock2D")},
            sample=_latent(3),
            timestep=step,
        ),
    )
    yield (
        "DiTTransformer2DModel",
        lambda: _made(
            "DiTTransformer2DModel",
            {"num_attention_heads": 2, "attention_head_dim": 8, "num_layers": 2, "sample_size": 16}
            | {"norm_num_groups": 8, "in_channels": 4},
            hidden_states=_latent(),
            timestep=step,
            class_labels=torch.tensor([3]),
        ),
    )
    yield "AutoencoderKL", lambda: _made("AutoencoderKL", AUTOENCODER, sample=_latent(3))
    yield (
        "SD3Transformer2DModel",
        lambda: _made(
            "SD3Transformer2DModel",
            {"sample_size": 16, "patch_size": 2, "in_channels": 4, "num_layers": 2, "attention_head_dim": 8}
            | {"num_attention_heads": 2, "joint_attention_dim": 16, "caption_projection_dim": 16}
            | {"pooled_projection_dim": 16, "out_channels": 4},
            hidden_states=_latent(),
            timestep=step,
            encoder_hidden_states=text,
            pooled_projections=torch.randn(1, 16),
        ),
    )
    yield (
        "PixArtTransformer2DModel",
        lambda: _made(
            "PixArtTransformer2DModel",
            {"num_attention_heads": 2, "attention_head_dim": 8, "num_layers": 2, "sample_size": 16}
            | {"cross_attention_dim": 16, "caption_channels": 16, "in_channels": 4, "norm_num_groups": 8},
            hidden_states=_latent(),
            timestep=step,
            encoder_hidden_states=text,
            added_cond_kwargs={"resolution": None, "aspect_ratio": None},
        ),
    )
    yield (
        "SanaTransformer2DModel",
        lambda: _made(
            "SanaTransformer2DModel",
            {"num_attention_heads": 2, "attention_head_dim": 8, "num_layers": 2, "sample_size": 16}
            | {"num_cross_attention_heads": 2, "cross_attention_head_dim": 8, "cross_attention_dim": 16}
            | {"caption_channels": 16, "in_channels": 4, "out_channels": 4},
            hidden_states=_latent(),
            timestep=step,
            encoder_hidden_states=text,
        ),
    )


def _made(kind: str, options: dict[str, Any], **given: Any) -> Made:
    diffusers = importlib.import_module("diffusers")
    return getattr(diffusers, kind)(**options).eval(), {**given, "return_dict": False}
