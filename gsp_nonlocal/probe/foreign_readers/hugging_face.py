"""Attention of Hugging Face's vision models as a graph a head."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gsp_nonlocal.probe.foreign_readers.heads import (
    Matrices,
    arguments,
    attention_trace,
    causal_mask,
    forbidden,
    require_forward_of,
    split_heads,
)
from gsp_nonlocal.probe.readers import Call, NotAGraphError, recompute
from gsp_nonlocal.probe.trace import Trace
from gsp_nonlocal.spectral.response import matrix_of

VIT_LIKE = {
    "audio_spectrogram_transformer": "AST",
    "deit": "DeiT",
    "dinov2": "Dinov2",
    "dinov2_with_registers": "Dinov2WithRegisters",
    "dpt": "DPTViT",
    "ijepa": "IJepa",
    "vit": "ViT",
    "vit_mae": "ViTMAE",
    "vit_msn": "ViTMSN",
    "vitpose_backbone": "VitPoseBackbone",
    "vivit": "Vivit",
    "yolos": "Yolos",
}
"""Models by their folder in transformers, with what the names of their attention classes begin with."""

CLIP_LIKE = {
    "aimv2": "Aimv2",
    "altclip": "AltCLIP",
    "clip": "CLIP",
    "clipseg": "CLIPSeg",
    "idefics2": "Idefics2Vision",
    "idefics3": "Idefics3Vision",
    "metaclip_2": "MetaClip2",
    "siglip": "Siglip",
    "siglip2": "Siglip2",
    "smolvlm": "SmolVLMVision",
    "x_clip": "XCLIP",
}
"""The same for models whose attention is that of CLIP."""

HOMES = [
    f"transformers.models.{folder}.modeling_{folder}.{prefix}{kind}"
    for models, kinds in ((VIT_LIKE, ("Attention", "SelfAttention")), (CLIP_LIKE, ("Attention",)))
    for folder, prefix in models.items()
    for kind in kinds
]


class Projections(NamedTuple):
    """Where a module keeps its projections, its number of heads, and the scale if it is not ``1/√d``."""

    query: str
    key: str
    value: str
    out: str
    heads: str
    scale: str = ""


FORMS = (
    Projections("q_proj", "k_proj", "v_proj", "o_proj", "num_attention_heads", "scaling"),
    Projections("q_proj", "k_proj", "v_proj", "out_proj", "num_heads", "scale"),
    Projections(
        "attention.query", "attention.key", "attention.value", "output.dense", "attention.num_attention_heads"
    ),
    Projections("query", "key", "value", "", "num_attention_heads"),
)
"""Of transformers 5, of CLIP, and the two of transformers 4: the whole, and its heads alone."""


def read_hugging_face(module: nn.Module, call: Call) -> Iterable[Trace]:
    """A graph a head: ``S_h = softmax(s q_h k_hᵀ + m)``, with the values of the head as its signal.

    The heads alone, without an output projection (``ViTSelfAttention`` of transformers 4), respond with
    ``W_o = I``: their channels are those of all heads, side by side.

    Args:
        module: the attention.
        call: a call of it. A mask has shape ``(B, 1, N, N)`` or any that broadcasts to ``(B, G, N, N)``.

    Raises:
        NotAGraphError: for other masks, arguments that are not known, and subclasses with a ``forward`` of
            their own.
    """
    require_forward_of(module, HOMES)
    named = arguments(module, call)
    x = named.pop("hidden_states")
    form = next(form for form in FORMS if form.out in dict(module.named_modules()))
    heads, *projections = attrgetter(form.heads, form.query, form.key, form.value)(module)
    query, key, value = (split_heads(recompute(projection, x), heads) for projection in projections)
    scale = attrgetter(form.scale)(module) if form.scale else query.shape[-1] ** -0.5
    mask = _mask(module, query, named)
    yield attention_trace(
        query, key, value, scale=scale, mask=mask, matrices=_matrices(module, form, x.shape[-1])
    )


def _mask(module: nn.Module, query: Tensor, named: dict[str, Any]) -> Tensor | None:
    """The sum of the masks of a call; one of truth values names what takes part."""
    given = (named.pop("attention_mask", None), named.pop("causal_attention_mask", None))
    masks = [_additive(mask, query) for mask in given if mask is not None]
    for name, argument in named.items():
        if not isinstance(argument, bool | int | float | str | None):
            raise NotAGraphError(f"what the argument {name!r} of {type(module).__name__} does is not known")
    if not masks and named.get("is_causal") and not _is_eager(module):
        return causal_mask(query)
    return sum(masks[1:], start=masks[0]) if masks else None


def _additive(mask: Any, query: Tensor) -> Tensor:
    if not isinstance(mask, Tensor) or mask.dim() != 4:
        form = f"shape {tuple(mask.shape)}" if isinstance(mask, Tensor) else type(mask).__name__
        raise NotAGraphError(
            f'an attention mask is read as a tensor (B, 1, N, N), got {form}; set attn_implementation="sdpa"'
        )
    return forbidden(~mask, query) if mask.dtype == torch.bool else mask


def _is_eager(module: Any) -> bool:
    """Whether ``is_causal`` is without effect, as the mask says all."""
    return module.config._attn_implementation == "eager"


def _matrices(module: nn.Module, form: Projections, channels: int) -> Matrices:
    def matrices() -> tuple[Tensor, Tensor]:
        value = matrix_of(module.get_submodule(form.value), channels)
        if not form.out:
            return value, torch.eye(value.shape[1]).to(value)
        return value, matrix_of(module.get_submodule(form.out), value.shape[1])

    return matrices
