"""What inserted blocks cost a network: a training step of ResNet-50 with and without them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torchvision.models import resnet50

from experiments.benchmark.measure import Step, measured, median_ratio, operations, summary, time_in_turns
from experiments.benchmark.sections import MIB, Row, Section, Shape, device
from gsp_nonlocal import insert_blocks
from gsp_nonlocal.blocks import SNL

IMAGES: Shape = (8, 3, 224, 224)
PLACES: dict[str, tuple[str, ...]] = {
    "1 SNL": ("layer3.4",),
    "5 SNL": ("layer3.0", "layer3.2", "layer3.4", "layer4.0", "layer4.2"),
}
"""The paper's places of one and of five blocks."""


def network_step(places: Sequence[str]) -> Step:
    """A training step of ResNet-50 on 224 × 224 images with a block after each of ``places``."""
    torch.manual_seed(0)
    network = resnet50()
    if places:
        insert_blocks(network, dict.fromkeys(places, SNL))
    network.to(device())
    x = torch.randn(IMAGES, device=device())

    def step() -> None:
        network.zero_grad(set_to_none=True)
        network(x).sum().backward()

    return step


def overhead(rounds: int) -> Iterable[Row]:
    """Time, operations and peak memory of a step with blocks, as multiples of those without.

    ``over their share``: the multiple of the time over that of the operations (matrix products and
    convolutions); 1 where blocks take as long as convolutions of as many operations.
    """
    for name, places in PLACES.items():
        steps = {"with": network_step(places), "without": network_step(())}
        times = time_in_turns(steps, rounds, warm_up=1)
        longer = median_ratio(times["with"], times["without"])
        more = operations(steps["with"]) / operations(steps["without"])
        row: Row = {"inserted": name}
        for kind, values in times.items():
            row |= summary(kind, values)
        row |= {"times longer": longer, "times the operations": more}
        row["over their share"] = longer / more
        for kind, made in {"with": places, "without": ()}.items():
            row[f"{kind} MiB"] = measured(network_step, made, rounds=1).peak / MIB
        yield row


def inserted_sections(rounds: int, quick: bool) -> dict[str, Section]:
    """Title to rows, not yet measured."""
    return {} if quick else {"inserted blocks": Section(overhead(rounds), len(PLACES), rounds)}
