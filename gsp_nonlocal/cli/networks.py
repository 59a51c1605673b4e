"""Networks to look at: models by name or of one's own, with blocks inserted and weights loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gsp_nonlocal.analysis.finite import check_output, check_weights
from gsp_nonlocal.analysis.model_inputs import Inputs, described, first, run_copies
from gsp_nonlocal.blocks import registry
from gsp_nonlocal.cli.libraries import LIBRARIES
from gsp_nonlocal.cli.looked_at import Network
from gsp_nonlocal.cli.own_code import own_model
from gsp_nonlocal.cli.pictures import Format
from gsp_nonlocal.insert import insert_blocks
from gsp_nonlocal.probe import ProbeError, SpectralProbe, evaluation
from gsp_nonlocal.reading import first_line, read_checkpoint
from gsp_nonlocal.weights import load_weights

REMEDY = "name the model it was trained as (--model, --model_options, --insert), or give other --weights"
"""What to do about a file of weights that does not fit."""


def library_model(
    name: str,
    options: Mapping[str, Any],
    inserted: Sequence[str],
    checkpoint: str | Path | None,
) -> Network:
    """Return a model by its name, with blocks inserted and weights loaded.

    Args:
        name: ``"torchvision.<model>"``, ``"timm.<model>"``, ``"hf.<folder, config or kind>"`` or
            ``"package.module:callable"``.
        options: Arguments of the model, such as ``{"num_classes": 10}``.
        inserted: ``"path=block"`` each, such as ``"layer3.4=snl"``.
        checkpoint: A file of weights, see :func:`~gsp_nonlocal.weights.fitting`; None for random weights, or
            those that the model comes with.

    Raises:
        ValueError: If a name is unknown, an option does not fit, or the checkpoint is of another model.
    """
    network = _built(name, options)
    if inserted:
        _insert(network.model, _insertions(inserted), network.form)
    if checkpoint is None:
        return network
    notes = load_weights(network.model, read_foreign(checkpoint), checkpoint, REMEDY)
    return network._replace(trained=True, notes=(*network.notes, *notes))


def read_foreign(path: str | Path) -> Any:
    """Return what a file of weights holds; also files without checksums, as of other packages.

    Raises:
        ValueError: See :func:`~gsp_nonlocal.reading.read_checkpoint`.
    """
    return read_checkpoint(path, checked=False, absent="give other --weights")


def check_runs(network: Network, inputs: Inputs, paths: Sequence[str] | None, name: str) -> None:
    """Refuse a network without blocks to read, with NaN in one, or that cannot be run on an input.

    Args:
        network: The network.
        inputs: At least one example.
        paths: The modules that are to be read; None for all that are known.
        name: What messages call the network.

    Raises:
        ValueError: Names what the network lacks, or what it said to the input.
    """
    one = first(inputs, 1)
    try:
        probe, once = SpectralProbe(network.model, paths), partial(_ran, network.model, one)
        with evaluation(network.model):
            check_weights(network.model, once)
            with probe:
                output = once()
            check_output(network.model, output, once)
    except ValueError as error:
        colon = "" if isinstance(error, _RefusedError) else ":"
        options = " (here --count, --size, --blocks)" if "max_nodes" in str(error) else ""
        raise ValueError(f"{name}{colon} {error}{options}") from error


class _RefusedError(ValueError):
    """A model does not take an input."""


def _ran(model: nn.Module, inputs: Inputs) -> Any:
    try:
        return run_copies(model, inputs)
    except ProbeError:
        raise
    except Exception as error:  # a model of another package raises anything
        options = "--text" if "texts" in described(inputs) else "--images, --size"
        raise _RefusedError(
            f"does not take {described(inputs)} ({first_line(error)}); give others: {options}"
        ) from error


def _built(name: str, options: Mapping[str, Any]) -> Network:
    package, _, model = name.partition(".")
    is_own = package not in LIBRARIES and all(name.partition(":"))
    if not is_own and (package not in LIBRARIES or not model):
        raise ValueError(
            f"unknown model {name!r}; give torchvision.<model>, such as torchvision.vit_b_16, timm.<model>, "
            "hf.<folder> of transformers, or my_package.models:build, a function or class of your own"
        )
    try:
        return own_model(name, options) if is_own else LIBRARIES[package].build(model, dict(options))
    except (Exception, SystemExit) as error:  # a constructor of another package raises anything
        given = f"{name!r} with {dict(options)}" if options else f"{name!r}"
        no_hint = is_own or isinstance(error, ImportError)
        near = [] if no_hint else LIBRARIES[package].near(model)
        hint = f"; near matches: {', '.join(near)}" if near else ""
        where = "; its folder is to be the current one" if is_own and isinstance(error, ImportError) else ""
        said = f"model {given} cannot be built: {_said(error)}{hint}{where}"
        raise ValueError(said) from error


def _said(error: BaseException) -> str:
    return first_line(error) if isinstance(error, Exception) else f"its code ended the program ({error})"


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
