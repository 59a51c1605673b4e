"""A network with its weights and its blocks."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from experiments.backbones.networks import VIDEO, build
from experiments.backbones.places import block_places
from experiments.backbones.pretrained import load_pretrained
from gsp_nonlocal.insert import insert_blocks
from gsp_nonlocal.reading import first_line

_FRAMES = 8


def network_with_blocks(
    name: str,
    images: Mapping[str, int],
    block: Callable[[int], nn.Module] | None,
    places: Mapping[str, Any],
    *,
    dropout: float = 0.5,
    pretrained: str | None = None,
) -> tuple[nn.Module, list[str]]:
    """Return a network, and what a file of weights left out of it.

    Args:
        name: Of the backbone; see :func:`build`.
        images: ``num_classes``, ``in_channels``, ``image_size``.
        block: Factory of its blocks, called with a number of channels; None for none.
        places: ``count``, ``layers`` and ``at``; see :func:`block_places`.
        dropout: Drop probability before the classifier.
        pretrained: A file of weights of the network without blocks.

    Raises:
        ValueError: If a name, a place or the file does not fit, or the network refuses such images.
    """
    network = build(name, dropout=dropout, **images)
    left = [] if pretrained is None else load_pretrained(network, pretrained)
    example = None if "." not in name else _example(network, name, images)
    if block is None:
        _refuse_places(places)
    else:
        paths = block_places(network, name, **places)
        insert_blocks(network, dict.fromkeys(paths, block), example=example)
    return network, left


def _refuse_places(places: Mapping[str, Any]) -> None:
    for key, value in places.items():
        if value is not None:
            raise ValueError(f"{key}={value} is a place of blocks; choose a block, or leave {key} out")


def _example(network: nn.Module, name: str, images: Mapping[str, int]) -> Tensor:
    """An input that the network was seen to take."""
    size = images["image_size"]
    clip = [_FRAMES] if name.rpartition(".")[2] in VIDEO else []
    example = torch.zeros(1, images["in_channels"], *clip, size, size)
    was_training = network.training
    try:
        with torch.no_grad():
            logits = network.eval()(example)
    except Exception as error:  # a network of another package raises anything
        raise ValueError(
            f"backbone {name!r} does not take images of {tuple(example.shape[1:])} ({first_line(error)}); "
            "choose another image_size or backbone"
        ) from error
    finally:
        network.train(was_training)
    if not isinstance(logits, Tensor) or logits.shape != (1, images["num_classes"]):
        raise ValueError(
            f"backbone {name!r} gives no logits of {images['num_classes']} classes; choose another"
        )
    return example
