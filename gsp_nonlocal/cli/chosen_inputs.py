"""What a network is run on, from the command line: images, texts, or both."""

from argparse import Namespace
from dataclasses import replace
from typing import Any

from torch import Tensor

from gsp_nonlocal.analysis.model_inputs import Inputs
from gsp_nonlocal.cli.display import Say, printable
from gsp_nonlocal.cli.looked_at import Network
from gsp_nonlocal.cli.pictures import Format, read_pictures
from gsp_nonlocal.cli.texts import read_texts


def given_inputs(chosen: Namespace, network: Network, say: Say) -> tuple[Inputs, list[list[str]]]:
    """Return what to run the network on, and its tokens in letters; what cannot be read is named on the way.

    Raises:
        ValueError: If there is nothing.
    """
    if chosen.text is None:
        images = _pictures(chosen, network, say)
        return ({network.keyword: images} if network.keyword else images), []
    if network.encode is None:
        raise ValueError("--text is for models of texts, hf.<folder> with a tokenizer; give --images")
    texts = network.encode(read_texts(chosen.text, chosen.count))
    if chosen.images is None:
        return texts.inputs, texts.words
    images = _pictures(chosen, network, say)
    if len(images) != len(texts.words):
        raise ValueError(f"give as many images as texts, got {len(images)} and {len(texts.words)}")
    return {network.keyword: images, **texts.inputs}, []


def _pictures(chosen: Namespace, network: Network, say: Say) -> Tensor:
    """Return the images to analyse, ``(M, C, H, W)``; what cannot be read is named on the way.

    Raises:
        ValueError: If there is none.
    """
    if chosen.images is None:
        if network.own_images is None:
            texts = ", or --text, a file with one text a line" if network.encode else ""
            raise ValueError(f"give --images, files or folders{texts}: this model has no images of its own")
        return network.own_images(chosen.count)
    found = read_pictures(chosen.images, _format(chosen, network.form), chosen.count)
    for file, reason in found.unreadable.items():
        say(f"left out: {printable(file)}: {printable(reason)}", "warning")
    for file, note in found.notes.items():
        say(f"{printable(file)}: {note}", "warning")
    return found.images


def _format(chosen: Namespace, form: Format) -> Format:
    given = {name: getattr(chosen, name) for name in ("size", "mean", "std")}
    changes: dict[str, Any] = {name: tuple(values) for name, values in given.items() if values is not None}
    return replace(form, **changes)
