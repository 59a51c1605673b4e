"""Tiny models of transformers, by their type and the ways that they compute attention."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import nn

Options = dict[str, Any]
Made = tuple[nn.Module, Options]

TINY: Options = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 99,
}
KEYS: Options = {"num_key_value_heads": 2, "head_dim": 8}
VISION: Options = {key: TINY[key] for key in TINY if key != "vocab_size"} | {
    "image_size": 32,
    "patch_size": 8,
}
VIDEO: Options = VISION | {"num_frames": 4}
BOTH: Options = {"text_config": TINY | {"max_position_embeddings": 40}, "vision_config": VISION}
CODER: Options = {
    "d_model": 32,
    "vocab_size": 99,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "decoder_start_token_id": 2,
    "pad_token_id": 1,
}
STAGES: Options = {"image_size": 64, "embed_dim": 16, "depths": [2, 2], "num_heads": [2, 4], "window_size": 4}
RESNET: Options = {"model_type": "resnet", "embedding_size": 16, "hidden_sizes": [16, 32], "depths": [1, 1]}
SPEECH: Options = {
    key: TINY[key] for key in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
} | {
    "conv_dim": [32, 32],
    "conv_stride": [4, 4],
    "conv_kernel": [8, 8],
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}


def _words(length: int = 12) -> Options:
    return {"input_ids": torch.arange(3, 3 + length).unsqueeze(0)}


def _image(side: int = 32) -> Options:
    return {"pixel_values": torch.randn(1, 3, side, side)}


def _words_and_image() -> Options:
    return _words() | _image()


TYPES: dict[str, tuple[Options, Callable[[], Options]]] = {
    # text
    "bert": (TINY, _words),
    "roberta": (TINY, _words),
    "xlm-roberta": (TINY, _words),
    "electra": (TINY | {"embedding_size": 32}, _words),
    "albert": (TINY | {"embedding_size": 16}, _words),
    "mpnet": (TINY, _words),
    "modernbert": (TINY | {"pad_token_id": 0, "cls_token_id": 1, "sep_token_id": 2}, _words),
    "distilbert": ({"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "vocab_size": 99}, _words),
    "deberta": (TINY | {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}, _words),
    "deberta-v2": (TINY | {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}, _words),
    "convbert": (TINY | {"embedding_size": 32}, _words),
    "xlnet": ({"d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 64, "vocab_size": 99}, _words),
    "longformer": (TINY | {"attention_window": 4}, lambda: _words(16)),
    "big_bird": (TINY | {"block_size": 4, "num_random_blocks": 1}, lambda: _words(64)),
    "nystromformer": (TINY | {"num_landmarks": 4, "segment_means_seq_len": 12}, _words),
    "reformer": (
        {"attention_head_size": 8, "num_attention_heads": 4, "hidden_size": 32, "feed_forward_size": 64}
        | {"attn_layers": ["local", "lsh"], "axial_pos_shape": [4, 4], "axial_pos_embds_dim": [16, 16]}
        | {"local_attn_chunk_length": 4, "lsh_attn_chunk_length": 4, "num_buckets": 2, "vocab_size": 99},
        lambda: _words(16),
    ),
    "fnet": (TINY, _words),
    "gpt2": ({"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 99}, _words),
    "gpt_neo": (
        {"hidden_size": 32, "num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]]}
        | {"vocab_size": 99, "window_size": 4},
        _words,
    ),
    "gpt_neox": (TINY, _words),
    "gptj": ({"n_embd": 32, "n_layer": 2, "n_head": 4, "rotary_dim": 4, "vocab_size": 99}, _words),
    "opt": (TINY | {"ffn_dim": 64, "word_embed_proj_dim": 32}, _words),
    "bloom": ({"hidden_size": 32, "n_layer": 2, "n_head": 4, "vocab_size": 99}, _words),
    "falcon": (TINY, _words),
    "mpt": ({"d_model": 32, "n_layers": 2, "n_heads": 4, "vocab_size": 99}, _words),
    "llama": (TINY | KEYS, _words),
    "mistral": (TINY | KEYS | {"sliding_window": 4}, _words),
    "mixtral": (TINY | KEYS | {"num_local_experts": 2}, _words),
    "gemma": (TINY | KEYS, _words),
    "gemma2": (TINY | KEYS | {"sliding_window": 4, "query_pre_attn_scalar": 8}, _words),
    "gemma3_text": (TINY | KEYS | {"sliding_window": 4, "query_pre_attn_scalar": 8}, _words),
    "qwen2": (TINY | KEYS, _words),
    "qwen3": (TINY | KEYS, _words),
    "phi3": (TINY | KEYS | {"pad_token_id": 0}, _words),
    "gpt_oss": (
        TINY | KEYS | {"num_local_experts": 2, "num_experts_per_tok": 1, "sliding_window": 4},
        _words,
    ),
    "deepseek_v3": (
        TINY
        | {
            "n_routed_experts": 4,
            "n_group": 2,
            "topk_group": 1,
            "num_experts_per_tok": 1,
            "moe_intermediate_size": 16,
        }
        | {
            "q_lora_rank": 8,
            "kv_lora_rank": 8,
            "qk_nope_head_dim": 8,
            "qk_rope_head_dim": 4,
            "v_head_dim": 8,
        },
        _words,
    ),
    "mamba": ({"hidden_size": 32, "num_hidden_layers": 2, "vocab_size": 99, "state_size": 4}, _words),
    "rwkv": ({"hidden_size": 32, "num_hidden_layers": 2, "vocab_size": 99}, _words),
    "t5": (
        {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4, "vocab_size": 99},
        lambda: _words() | {"decoder_input_ids": torch.arange(3, 9).unsqueeze(0)},
    ),
    "bart": (CODER, _words),
    "layoutlm": (TINY, lambda: _words() | {"bbox": torch.zeros(1, 12, 4, dtype=torch.long)}),
    # images and video
    "vit": (VISION, _image),
    "deit": (VISION, _image),
    "beit": (VISION | {"use_relative_position_bias": True}, _image),
    "dinov2": (VISION, _image),
    "dinov3_vit": (VISION, _image),
    "vit_mae": (VISION | {"decoder_hidden_size": 32, "decoder_num_attention_heads": 4}, _image),
    "swin": (STAGES, lambda: _image(64)),
    "swinv2": (STAGES, lambda: _image(64)),
    "segformer": (
        {"hidden_sizes": [16, 32], "depths": [1, 1], "num_attention_heads": [1, 2], "num_encoder_blocks": 2}
        | {"sr_ratios": [4, 2], "patch_sizes": [7, 3], "strides": [4, 2], "mlp_ratios": [2, 2]},
        lambda: _image(64),
    ),
    "videomae": (
        VIDEO | {"tubelet_size": 2, "decoder_hidden_size": 32, "decoder_num_attention_heads": 4},
        lambda: {"pixel_values": torch.randn(1, 4, 3, 32, 32)},
    ),
    "timesformer": (VIDEO, lambda: {"pixel_values": torch.randn(1, 4, 3, 32, 32)}),
    "vivit": (
        VISION | {"num_frames": 4, "tubelet_size": [2, 8, 8]},
        lambda: {"pixel_values": torch.randn(1, 4, 3, 32, 32)},
    ),
    "perceiver": (
        {"num_latents": 8, "d_latents": 32, "d_model": 32, "num_self_attends_per_block": 2}
        | {"num_self_attention_heads": 4, "num_cross_attention_heads": 4},
        lambda: {"inputs": torch.randn(1, 20, 32)},
    ),
    "mobilevit": (
        {"image_size": 64, "hidden_sizes": [16, 24, 32], "neck_hidden_sizes": [8, 16, 16, 24, 32, 32, 64]},
        lambda: _image(64),
    ),
    "resnet": (RESNET, _image),
    # detection and segmentation
    "detr": (
        CODER
        | {"use_timm_backbone": False, "use_pretrained_backbone": False, "backbone_config": RESNET}
        | {"num_queries": 5, "backbone": None},
        lambda: _image(64),
    ),
    "deformable_detr": (
        CODER
        | {"use_timm_backbone": False, "use_pretrained_backbone": False, "num_queries": 5, "backbone": None}
        | {"backbone_config": RESNET | {"out_features": ["stage1", "stage2"]}, "num_feature_levels": 2},
        lambda: _image(64),
    ),
    "yolos": (VISION | {"image_size": [32, 32], "num_detection_tokens": 4}, _image),
    "mask2former": (
        {"hidden_dim": 32, "feature_size": 32, "mask_feature_size": 32, "encoder_feedforward_dim": 64}
        | {"dim_feedforward": 64, "num_attention_heads": 4, "encoder_layers": 1, "decoder_layers": 2}
        | {
            "num_queries": 5,
            "backbone_config": STAGES
            | {"model_type": "swin", "depths": [1, 1, 1, 1]}
            | {"num_heads": [2, 2, 4, 4], "out_features": ["stage1", "stage2", "stage3", "stage4"]},
        },
        lambda: _image(128),
    ),
    "sam": (
        {
            "vision_config": VISION
            | {"output_channels": 32, "window_size": 2, "global_attn_indexes": [1]}
            | {"image_size": 64, "mlp_dim": 64, "num_pos_feats": 16},
            "prompt_encoder_config": {
                "hidden_size": 32,
                "image_size": 64,
                "patch_size": 8,
                "mask_input_channels": 4,
            },
            "mask_decoder_config": {
                "hidden_size": 32,
                "mlp_dim": 64,
                "num_attention_heads": 4,
                "iou_head_hidden_dim": 32,
            },
        },
        lambda: _image(64) | {"input_points": torch.tensor([[[[8.0, 8.0]]]])},
    ),
    # images and text
    "clip": (BOTH | {"projection_dim": 16}, _words_and_image),
    "siglip": (BOTH, _words_and_image),
    "owlvit": (BOTH | {"projection_dim": 16}, _words_and_image),
    "blip": (BOTH | {"projection_dim": 16}, _words_and_image),
    "vilt": (VISION | {"vocab_size": 99}, _words_and_image),
    # sound
    "whisper": (
        CODER | {"num_mel_bins": 8, "max_source_positions": 16, "bos_token_id": 3, "eos_token_id": 4},
        lambda: {
            "input_features": torch.randn(1, 8, 32),
            "decoder_input_ids": torch.arange(3, 9).unsqueeze(0),
        },
    ),
    "wav2vec2": (SPEECH, lambda: {"input_values": torch.randn(1, 800)}),
    "wavlm": (SPEECH, lambda: {"input_values": torch.randn(1, 800)}),
    "audio-spectrogram-transformer": (
        VISION | {"max_length": 32, "num_mel_bins": 16},
        lambda: {"input_values": torch.randn(1, 32, 16)},
    ),
}
"""Options of a type's configuration, and what gives its input."""
EAGER = "bert vit gpt2 llama mistral gemma2 qwen2 bart clip siglip whisper dinov2 wav2vec2 detr videomae"
"""Types that are tried with attention written out, too."""


def models() -> Iterator[tuple[str, Callable[[], Made]]]:
    """Types, with ``+eager`` where attention is written out, and what makes one."""
    for kind in TYPES:
        yield kind, partial(_made, kind, None)
        if kind in EAGER.split():
            yield f"{kind}+eager", partial(_made, kind, "eager")


def _made(kind: str, way: str | None) -> Made:
    from transformers import AutoConfig, AutoModel

    options, given = TYPES[kind]
    chosen = {} if way is None else {"attn_implementation": way}
    settings = AutoConfig.for_model(
        kind, **{name: option for name, option in options.items() if name != "model_type"}
    )
    network = AutoModel.from_config(settings, **chosen)
    return network.eval(), given()
