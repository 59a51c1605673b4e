"""Models of transformers: a folder of theirs, a config or a kind of model, and their tokenizers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gsp_nonlocal.cli.looked_at import Network, Texts, pair
from gsp_nonlocal.cli.pictures import Format
from gsp_nonlocal.extras import naming_extra
from gsp_nonlocal.reading import first_line

with naming_extra():
    import huggingface_hub
    import transformers


def transformers_model(name: str, options: dict[str, Any]) -> Network:
    """Build a model of transformers.

    Args:
        name: A folder with ``config.json`` and, for trained weights, files of safetensors or of PyTorch; a
            ``config.json``; a kind of model, such as ``"vit"``; else a name on the Hugging Face Hub, from
            where transformers downloads it. No code of a folder is run.
        options: Settings of the config to change.

    Raises:
        ValueError: If there is no such model, a setting is unknown, or weights are missing.
    """
    with _quiet():
        config = _config(name, options)
        model, surplus = _model(name, config)
    notes = (f"'{name}' has weights that are not of the model, and left out: {surplus}",) if surplus else ()
    form, encode = _form(name, config), partial(_encoded, name, config)
    return Network(model, form, _has_weights(name), "pixel_values", encode, notes)


def near_kinds(name: str) -> list[str]:
    """Return kinds of models like an unknown one; none where it is a path."""
    return [] if Path(name).exists() else get_close_matches(name, list(transformers.CONFIG_MAPPING.keys()))


def _config(name: str, options: dict[str, Any]) -> Any:
    if not Path(name).exists() and name in transformers.CONFIG_MAPPING:
        config = transformers.CONFIG_MAPPING[name]()
        _check_known([option for option in options if not hasattr(config, option)], config)
        return transformers.CONFIG_MAPPING[name](**options)
    read = partial(transformers.AutoConfig.from_pretrained, name, trust_remote_code=False)
    config, unused = _had(name, partial(read, return_unused_kwargs=True, **options))
    _check_known(list(unused), config)
    return config


def _check_known(unknown: list[str], config: Any) -> None:
    if unknown:
        close = get_close_matches(unknown[0], list(config.to_dict()))
        hint = f"; near matches: {', '.join(close)}" if close else ""
        raise ValueError(f"{type(config).__name__} has no setting {unknown[0]!r}{hint}")


def _had(name: str, get: Callable[[], Any]) -> Any:
    """What transformers finds under a name, which it downloads where that is no path here."""
    try:
        return get()
    except OSError as error:
        if Path(name).exists():
            raise
        raise ValueError(
            f"there is no folder, file or kind of model '{name}', and it cannot be had from the Hugging Face "
            f"Hub ({first_line(error)}); without a network give a folder of the model"
        ) from error


def _model(name: str, config: Any) -> tuple[nn.Module, str]:
    """The model in single precision, and which weights of the folder are not its own."""
    kind = getattr(transformers, (config.architectures or [""])[0], None)
    if not _has_weights(name):
        return (transformers.AutoModel.from_config(config) if kind is None else kind(config)), ""
    load = partial((kind or transformers.AutoModel).from_pretrained, name, config=config)
    model, found = _had(name, partial(load, dtype=torch.float32, output_loading_info=True))
    if found["missing_keys"]:
        missing = _few(found["missing_keys"])
        raise ValueError(f"the folder's weights are not all of a {type(model).__name__}: missing {missing}")
    return model, _few(found["unexpected_keys"])


def _has_weights(name: str) -> bool:
    """Whether weights come with the config: not in a folder without, nor for a config or a kind alone."""
    path = Path(name)
    if not path.exists():
        return name not in transformers.CONFIG_MAPPING
    return path.is_dir() and any(file.suffix in (".safetensors", ".bin") for file in path.iterdir())


def _few(keys: Any, most: int = 4) -> str:
    listed = sorted(map(str, keys))
    return ", ".join(listed[:most]) + (f", … ({len(listed)} in all)" if len(listed) > most else "")


def _form(name: str, config: Any) -> Format:
    """What images it takes: its config says the size, ``preprocessor_config.json`` how they are scaled."""
    file = Path(name) / "preprocessor_config.json"
    scaling = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    vision = getattr(config, "vision_config", config)
    size = getattr(vision, "image_size", None) or scaling.get("crop_size") or scaling.get("size") or 224
    if isinstance(size, dict):
        size = [size["height"], size["width"]] if "height" in size else next(iter(size.values()))
    mean, std = (tuple(scaling.get(key, (0.5,))) for key in ("image_mean", "image_std"))
    return Format(getattr(vision, "num_channels", 3), pair(size), mean, std)


def _encoded(name: str, config: Any, texts: list[str]) -> Texts:
    """Texts cut to what the model takes, and filled up to the longest of them."""
    with _quiet():
        tokenizer = transformers.AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    if tokenizer.pad_token is None:  # as in a model that was trained on whole lines
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    limit = min(tokenizer.model_max_length, getattr(config, "max_position_embeddings", None) or 2**16)
    found = tokenizer(texts, padding=len(texts) > 1, truncation=True, max_length=limit, return_tensors="pt")
    inputs = {"input_ids": found["input_ids"], **found}
    if getattr(config, "is_encoder_decoder", False):
        inputs["decoder_input_ids"] = found["input_ids"]
    words = [[str(tokenizer.decode([token])) for token in ids] for ids in found["input_ids"].tolist()]
    return Texts(inputs, words)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the bars, reports and retries of transformers and the Hub, which go to the terminal."""
    loggers = (transformers.utils.logging, huggingface_hub.utils.logging)
    levels, bars = [logger.get_verbosity() for logger in loggers], loggers[0].is_progress_bar_enabled()
    for logger in loggers:
        logger.set_verbosity_error()
    loggers[0].disable_progress_bar()
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.set_verbosity(level)
        if bars:
            loggers[0].enable_progress_bar()
