"""One model with a block in it: its row of the table."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from experiments.insertion_zoo.networks import timm_model, torchvision_model
from gsp_nonlocal import SNL, insert_blocks, inserted_blocks, remove_blocks
from gsp_nonlocal.insert import ChannelsFirst, ChannelsLast, OutputLayout, Tokens


@dataclass(frozen=True)
class Row:
    """A model, what the library says of the module, and what became of the insertion."""

    library: str
    family: str
    model: str
    module: str
    input: str
    told: str
    with_example: str
    runs: str
    verdict: str
    without_example: str
    verdict_without: str


def tried(name: str, family: str) -> Row:
    """The row of a model."""
    library, _, model = name.partition(".")
    torch.manual_seed(0)
    network, module, told, examples = (timm_model if library == "timm" else torchvision_model)(model)
    found, size = "", ""
    for example in examples:
        size = " × ".join(map(str, example.shape[1:]))
        found, runs, verdict = inserted(network, module, told, example)
        if "does not take the example" not in found:
            break
    without, _, verdict_without = inserted(network, module, told, None, check=examples[-1])
    return Row(library, family, model, module, size, told, found, runs, verdict, without, verdict_without)


def inserted(
    network: nn.Module, module: str, told: str, example: Tensor | None, check: Tensor | None = None
) -> tuple[str, str, str]:
    """What was inserted, how often it ran, and the verdict; the network is as before afterwards."""
    try:
        insert_blocks(network, {module: SNL}, example=example)
    except (ValueError, TypeError) as error:
        return str(error), "", "refused"
    record = inserted_blocks(network)[0]
    runs: list[tuple[int, ...]] = []
    hook = record.block.register_forward_pre_hook(lambda block, args: runs.append(tuple(args[0].shape)))
    try:
        with torch.no_grad():
            network(example if example is not None else check)
        failed = ""
    except Exception as error:
        failed = f"{type(error).__name__}"
    finally:
        hook.remove()
        remove_blocks(network)
    found = f"{record.channels} {record.layout}"
    right = not failed and len(runs) == 1 and agrees(told, record.channels, record.layout)
    return found, failed or str(len(runs)), "right" if right else "WRONG"


def agrees(told: str, channels: int | None, layout: OutputLayout) -> bool:
    """Whether width and layout are as the library tells them: ``"384 NHWC"``, ``"192 NLC+1"``."""
    width, _, form = told.partition(" ")
    if form.startswith("NC"):
        wanted: OutputLayout = ChannelsFirst()
    elif form.startswith("NLC"):
        wanted = Tokens(int(form.removeprefix("NLC+")))
    else:
        wanted = ChannelsLast()
    return channels == int(width) and layout == wanted
