"""Networks to look at: models of torchvision and timm by name, with blocks inserted and weights loaded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gsp_nonlocal.analysis.finite import check_weights
from gsp_nonlocal.blocks import registry
from gsp_nonlocal.cli.libraries import LIBRARIES
from gsp_nonlocal.cli.pictures import Format
from gsp_nonlocal.insert import insert_blocks
from gsp_nonlocal.probe import SpectralProbe, evaluation
from gsp_nonlocal.reading import first_line, read_checkpoint
from gsp_nonlocal.weights import load_weights

REMEDY = "name the model it was trained as (--model, --model_options, --insert), or give another --checkpoint"
"""What to do about a file of weights that does not fit."""


@dataclass(frozen=True)
class Network:
    """A network, what images it expects, and its own test images, if it has some."""

    model: nn.Module
    form: Format
    own_images: Callable[[int], Tensor] | None


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
        _insert(model, _insertions(inserted), form)
    if checkpoint is not None:
        load_weights(model, read_foreign(checkpoint), checkpoint, REMEDY)
    return Network(model, form, None)


def read_foreign(path: str | Path) -> Any:
    """Return what a file of weights holds; also files without checksums, as of other packages.

    Raises:
        ValueError: See :func:`~gsp_nonlocal.reading.read_checkpoint`.
    """
    return read_checkpoint(path, checked=False, absent="give another --checkpoint")


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


def _built(name: str, options: Mapping[str, Any]) -> tuple[nn.Module, Format]:
    package, _, model = name.partition(".")
    if package not in LIBRARIES or not model:
        raise ValueError(
            f"unknown model {name!r}; give torchvision.<model>, such as torchvision.vit_b_16, or timm.<model>"
        )
    library = LIBRARIES[package]
    try:
        return library.build(model, dict(options))
    except Exception as error:  # a constructor of another package raises anything
        given = f"{name!r} with {dict(options)}" if options else f"{name!r}"
        near = [] if isinstance(error, ImportError) else library.near(model)
        hint = f"; near matches: {', '.join(near)}" if near else ""
        raise ValueError(f"model {given} cannot be built: {first_line(error)}{hint}") from error


def _insert(model: nn.Module, blocks: dict[str, Any], form: Format) -> None:
    """Insert blocks; where the model alone does not tell what fits, by an image as the library says it."""
    try:
        insert_blocks(model, blocks)
    except ValueError:
        insert_blocks(model, blocks, example=torch.zeros(1, form.channels, *form.size))


def _insertions(texts: Sequence[str]) -> dict[str, Any]:
    found = [_insertion(text) for text in texts]
    paths = [path for path, _ in found]
    if len(set(paths)) < len(paths):
        raise ValueError(f"--insert names a path twice: {', '.join(texts)}; give one block a path")
    return dict(found)


def _insertion(text: str) -> tuple[str, Any]:
    path, _, block = text.partition("=")
    if not path or block not in registry.names():
        raise ValueError(
            f"--insert takes path=block, such as layer3.4=snl, got {text!r}; blocks are "
            f"{', '.join(registry.names())}"
        )
    return path, registry.get(block)
