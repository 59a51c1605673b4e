"""Trained networks to look at: from checkpoints of these experiments, or of torchvision's and timm's
models."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from experiments.checkpoints import check_architecture
from experiments.data import CuedScenes, Digits
from experiments.data.pictures import Format, first_line
from experiments.reading import UnreadableError, read_tensors
from experiments.tasks import Classification, Segmentation
from gsp_nonlocal import insert_blocks
from gsp_nonlocal.blocks import registry
from gsp_nonlocal.spectral import SpectralProbe
from gsp_nonlocal.spectral.analysis.finite import check_weights
from gsp_nonlocal.spectral.probe import evaluation

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_TASKS: tuple[type[Classification] | type[Segmentation], ...] = (Classification, Segmentation)
_REMEDY = (
    "name the model it was trained as (--model, --model_options, --insert), or give another --checkpoint"
)
_WRAPPERS = ("module.", "_orig_mod.")
"""What DistributedDataParallel and torch.compile put before every key."""


@dataclass(frozen=True)
class Network:
    """A network, what images it expects, and its own test images, if it has some."""

    model: nn.Module
    form: Format
    own_images: Callable[[int], Tensor] | None


def trained_task(path: str | Path) -> Network:
    """Return the network of a training of these experiments, with the weights of its checkpoint.

    Raises:
        ValueError: If the file is no such checkpoint, or does not fit its own settings.
    """
    checkpoint = _content(path)
    settings = _settings(checkpoint)
    kind = next((kind for kind in _TASKS if settings and settings.keys() <= _arguments(kind)), None)
    if kind is None:
        raise ValueError(
            f"'{path}' is no checkpoint of these experiments (settings: {', '.join(settings) or 'none'}); "
            f"{_REMEDY}"
        )
    model = kind(**settings)
    _load(model, _weights(checkpoint, path), path)
    if isinstance(model, Segmentation):
        return Network(model, _form_of(_scenes, 3), _scenes)
    channels = settings.get("in_channels", 1)
    return Network(model, _form_of(_digits, channels), _digits if channels == 1 else None)


def library_model(
    name: str,
    options: Mapping[str, Any],
    inserted: Sequence[str],
    checkpoint: str | Path | None,
) -> Network:
    """Return a model of torchvision or timm, with blocks inserted and weights loaded.

    Args:
        name: ``"torchvision.<model>"`` or ``"timm.<model>"``.
        options: Arguments of the model, such as ``{"num_classes": 10}``.
        inserted: ``"path=block"`` each, such as ``"layer3.4=snl"``.
        checkpoint: A file of weights, plain or under ``"state_dict"`` or ``"model"``; None for random
            weights.

    Raises:
        ValueError: If a name is unknown, an option does not fit, or the checkpoint is of another model.
    """
    model, form = _built(name, options)
    if inserted:
        insert_blocks(model, dict(_insertion(text) for text in inserted))
    if checkpoint is not None:
        _load(model, _weights(_content(checkpoint), checkpoint), checkpoint)
    return Network(model, form, None)


def _settings(checkpoint: Any) -> dict[str, Any]:
    """The arguments of a task in a checkpoint, without what LightningCLI adds to them."""
    given = checkpoint.get("hyper_parameters") if isinstance(checkpoint, dict) else None
    return (
        {str(key): value for key, value in given.items() if not str(key).startswith("_")}
        if isinstance(given, dict)
        else {}
    )


def _content(path: str | Path) -> Any:
    """What a file holds, verified where it has checksums, without running any code from it."""
    if not Path(path).is_file():
        raise ValueError(f"there is no checkpoint '{path}'; give another --checkpoint")
    try:
        return read_tensors(path, checked=False)
    except ImportError as error:
        raise ValueError(
            f"'{path}' cannot be read: {error}; install it, or give another --checkpoint"
        ) from error
    except UnreadableError as error:
        raise ValueError(f"checkpoint '{path}' is corrupt or not plain data ({_cause(error)})") from error


def _cause(error: Exception) -> str:
    """The first line, or what the unpickler refused and how to write the file without it."""
    refused = re.search(r"GLOBAL (\S+)", str(error))
    if refused:
        return f"it names {refused[1]}, which could be code; save the weights alone: model.state_dict()"
    return f"{first_line(error)}; take another"


def _weights(content: Any, path: str | Path) -> dict[str, Tensor]:
    """The tensors by key, under the names of the model itself.

    Raises:
        ValueError: If there are none.
    """
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content or not all(map(_is_weight, content.items())):
        raise ValueError(f"'{path}' holds no weights, tensors by key; {_REMEDY}")
    for wrapper in _WRAPPERS:
        if all(key.startswith(wrapper) for key in content):
            content = {key.removeprefix(wrapper): value for key, value in content.items()}
    return content


def _is_weight(item: tuple[Any, Any]) -> bool:
    return isinstance(item[0], str) and isinstance(item[1], Tensor)


def _load(model: nn.Module, weights: dict[str, Tensor], path: str | Path) -> None:
    check_architecture(model, {"state_dict": weights}, path, _REMEDY)
    model.load_state_dict(weights)


def check_runs(network: Network, images: Tensor, paths: Sequence[str] | None, name: str) -> None:
    """Refuse a network without blocks to read, with NaN in one, or that cannot be run on an image.

    Args:
        network: The network.
        images: ``(M, C, H, W)``.
        paths: The modules that are to be read; None for all that are known.
        name: What messages call the network.

    Raises:
        ValueError: Names what the network lacks, or what it said to the image.
    """
    try:
        check_weights(SpectralProbe(network.model, paths).modules)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    try:
        with evaluation(network.model):
            network.model(images[:1])
    except Exception as error:  # a model of another package raises anything
        shape = " × ".join(map(str, images.shape[1:]))
        raise ValueError(
            f"{name} does not take images of {shape} ({first_line(error)}); give others: --images, --size"
        ) from error


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


def _built(name: str, options: Mapping[str, Any]) -> tuple[nn.Module, Format]:
    package, _, model = name.partition(".")
    if package not in _LIBRARIES or not model:
        raise ValueError(
            f"unknown model {name!r}; give torchvision.<model>, such as torchvision.vit_b_16, or timm.<model>"
        )
    library = _LIBRARIES[package]
    try:
        return library.build(model, dict(options))
    except Exception as error:  # a constructor of another package raises anything
        given = f"{name!r} with {dict(options)}" if options else f"{name!r}"
        near = [] if isinstance(error, ImportError) else library.near(model)
        hint = f"; near matches: {', '.join(near)}" if near else ""
        raise ValueError(f"model {given} cannot be built: {first_line(error)}{hint}") from error


class _Library(NamedTuple):
    """How a package of models names and builds them."""

    names: Callable[[], list[str]]
    build: Callable[[str, dict[str, Any]], tuple[nn.Module, Format]]

    def near(self, model: str) -> list[str]:
        """Names like one that is unknown."""
        known, name = self.names(), model.partition(".")[0]  # timm's go on with a tag of the weights
        return [] if name in known else get_close_matches(name, known)


def _torchvision_names() -> list[str]:
    from torchvision.models import list_models

    return list_models()


def _torchvision(name: str, options: dict[str, Any]) -> tuple[nn.Module, Format]:
    from torchvision.models import get_model, get_model_builder

    takes = inspect.signature(get_model_builder(name)).parameters
    random = {key: None for key in ("weights", "weights_backbone") if key in takes}  # or it downloads some
    model = get_model(name, **random, **options)
    size = options.get("image_size", 224)
    return model, Format(3, (size, size), *IMAGENET)


def _timm_names() -> list[str]:
    import timm

    return timm.list_models()


def _timm(name: str, options: dict[str, Any]) -> tuple[nn.Module, Format]:
    import timm

    model = timm.create_model(name, pretrained=False, **options)
    config = timm.data.resolve_data_config({}, model=model)  # knows nothing of the options
    channels, *size = config["input_size"]
    height, width = _pair(options.get("img_size", size))
    mean, std = tuple(config["mean"]), tuple(config["std"])
    if options.get("in_chans", channels) == 1:
        return model, Format(1, (height, width), (fmean(mean),), (fmean(std),))
    return model, Format(options.get("in_chans", channels), (height, width), mean, std)


def _pair(size: Any) -> tuple[int, int]:
    height, width = size if isinstance(size, list) else (size, size)
    return height, width


_LIBRARIES = {"torchvision": _Library(_torchvision_names, _torchvision), "timm": _Library(_timm_names, _timm)}


def _insertion(text: str) -> tuple[str, Any]:
    path, _, block = text.partition("=")
    if not path or block not in registry.names():
        raise ValueError(
            f"--insert takes path=block, such as layer3.4=snl, got {text!r}; blocks are "
            f"{', '.join(registry.names())}"
        )
    return path, registry.get(block)
