"""Networks of these experiments to look at, from the checkpoints of their trainings."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from experiments.data import CuedScenes, Digits
from experiments.tasks import Classification, Segmentation, SemanticSegmentation
from gsp_nonlocal.cli.looked_at import Network
from gsp_nonlocal.cli.networks import REMEDY, check_runs, library_model, read_foreign
from gsp_nonlocal.cli.pictures import Format
from gsp_nonlocal.weights import load_weights

__all__ = ["Network", "check_runs", "library_model", "trained_task"]

_TASKS: tuple[type[Classification] | type[Segmentation] | type[SemanticSegmentation], ...] = (
    Classification,
    Segmentation,
    SemanticSegmentation,
)


def trained_task(path: str | Path) -> Network:
    """Return the network of a training of these experiments, with the weights of its checkpoint.

    Raises:
        ValueError: If the file is no such checkpoint, or does not fit its own settings.
    """
    checkpoint = read_foreign(path)
    settings = _settings(checkpoint)
    kind = next((kind for kind in _TASKS if settings and settings.keys() <= _arguments(kind)), None)
    if kind is None:
        raise ValueError(
            f"'{path}' is no checkpoint of these experiments (settings: {', '.join(settings) or 'none'}); "
            f"{REMEDY}"
        )
    model = kind(**settings | {key: value for key, value in _AFRESH.items() if key in settings})
    load_weights(model, checkpoint, path, REMEDY)
    if isinstance(model, Segmentation):
        return Network(model, _form_of(_scenes, 3), trained=True, own_images=_scenes)
    normalization = map(tuple, (checkpoint.get("datamodule_hyper_parameters") or {}).get("normalization", ()))
    if isinstance(model, SemanticSegmentation):
        return Network(model, Format(3, _STREET, *normalization), trained=True)
    channels, size = settings.get("in_channels", 1), settings.get("image_size", 32)
    of_digits = channels == 1 and "datamodule_hyper_parameters" not in checkpoint
    form = Format(channels, (size, size), *normalization)
    return Network(model, form, trained=True, own_images=_digits if of_digits else None)


_STREET = (256, 512)  # of a street scene that is looked at: a quarter of its sides, 2048 nodes

_AFRESH = {"pretrained": None, "compile": False}
"""Settings of a training that a network which is looked at does not need: all its weights are known."""


def _settings(checkpoint: Any) -> dict[str, Any]:
    """The arguments of a task in a checkpoint, without what LightningCLI adds to them."""
    given = checkpoint.get("hyper_parameters") if isinstance(checkpoint, dict) else None
    return (
        {str(key): value for key, value in given.items() if not str(key).startswith("_")}
        if isinstance(given, dict)
        else {}
    )


def _arguments(kind: type[nn.Module]) -> set[str]:
    return set(inspect.signature(kind).parameters)


def _digits(count: int) -> Tensor:
    return Digits().tensors("test")[0][:count]


def _scenes(count: int) -> Tensor:
    scenes = CuedScenes("colour", eval_scenes=count).scenes["test"]
    return torch.stack([scenes[index][0] for index in range(count)])


def _form_of(own_images: Callable[[int], Tensor], channels: int) -> Format:
    height, width = own_images(1).shape[2:]
    return Format(channels, (height, width))
