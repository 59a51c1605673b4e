"""Trainings whose frames or tiles are divided over processes: the loss curves of one process with all."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import Dataset, default_collate

from experiments.data.divided import Part
from experiments.data.long_videos import Videos
from experiments.data.scenes import Scenes
from experiments.data.slides import SlideTiles
from experiments.tasks import SlideSegmentation, VideoSegmentation
from experiments.tasks.divided_segmentation import DividedSegmentation

Samples = Callable[[Part], Dataset[tuple[Tensor, Tensor]]]


def _losses(
    task: DividedSegmentation, samples: Dataset[tuple[Tensor, Tensor]], mesh: DeviceMesh | None
) -> Tensor:
    """Of four steps by SGD, the mean of the processes."""
    inputs, masks = default_collate([samples[index] for index in range(2)])
    inputs = inputs.double() if inputs.is_floating_point() else inputs
    model = task if mesh is None else DistributedDataParallel(task, process_group=mesh.get_group())
    optimiser, found = torch.optim.SGD(task.parameters(), lr=0.1), []
    for _ in range(4):
        optimiser.zero_grad()
        loss = task.loss(model(inputs), masks.double())
        loss.backward()
        optimiser.step()
        found.append(loss.detach())
    losses = torch.stack(found)
    if mesh is not None:
        dist.all_reduce(losses, group=mesh.get_group())
    return losses if mesh is None else losses / mesh.size()


def _compare(mesh: DeviceMesh, make: Callable[[], DividedSegmentation], samples: Samples) -> list[str]:
    """Loss curves and weights, of one process and of all."""
    torch.manual_seed(0)
    divided = make().double()
    whole = copy.deepcopy(divided)
    alone = _losses(whole, samples((0, 1)), None)
    divided.divide(mesh)
    found = _losses(divided, samples((mesh.get_local_rank(), mesh.size())), mesh)
    weights = zip(divided.state_dict().values(), whole.state_dict().values(), strict=True)
    same = torch.allclose(found, alone, rtol=1e-10)
    close = all(torch.allclose(a, b, rtol=1e-8, atol=1e-10) for a, b in weights)
    return [f"{found}, {alone}"] * (not same) + ["weights"] * (not close)


def long_video(mesh: DeviceMesh) -> list[str]:
    """Eight frames, which three processes share unevenly; batch norms and SNL across all."""
    return _compare(
        mesh, lambda: VideoSegmentation(channels=4), lambda part: Videos(Scenes("train", 2), 8, 12, part)
    )


def slide(mesh: DeviceMesh) -> list[str]:
    """Seven tiles, which no two to four processes share evenly, encoded two at a time."""
    return _compare(
        mesh,
        lambda: SlideSegmentation(channels=4, tiles_at_once=2),
        lambda part: SlideTiles("train", 2, tiles=7, side=64, marked=2, part=part),
    )


TRAININGS = [long_video, slide]
"""Of two, three and four processes each."""
