"""Two processes on the CPU train the same weights as one process with the joint batch."""

from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from gsp_nonlocal import SNL, insert_blocks

STEPS, BATCH = 4, 8


def network() -> nn.Module:
    """A CNN with an inserted block; group norm, so that samples do not meet in statistics."""
    torch.manual_seed(0)
    cnn = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.Flatten(), nn.Linear(144, 3)
    )
    block = partial(SNL, order=3, norm=partial(nn.GroupNorm, 2))
    return insert_blocks(cnn, {"1": block}, example=torch.zeros(1, 3, 8, 8)).double()


def data() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(STEPS, BATCH, 3, 8, 8, generator=generator, dtype=torch.float64)
    return x, torch.randint(3, (STEPS, BATCH), generator=generator)


def train(model: nn.Module, rank: int, world: int) -> list[float]:
    """Losses of the shards; the optimiser sees their mean."""
    optimiser = torch.optim.SGD(model.parameters(), lr=0.2)
    losses = []
    for x, target in zip(*data(), strict=True):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(model(x[rank::world]), target[rank::world])
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def worker(rank: int, folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    model = DistributedDataParallel(network())
    losses = train(model, rank, 2)
    torch.save({"losses": losses, "state": model.module.state_dict()}, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_train_as_one(tmp_path):
    mp.spawn(worker, args=(str(tmp_path),), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    alone = network()
    joint = train(alone, 0, 1)
    for key, value in alone.state_dict().items():
        assert torch.equal(first["state"][key], second["state"][key]), key
        torch.testing.assert_close(first["state"][key], value, rtol=1e-10, atol=1e-12)
    shards = torch.tensor([first["losses"], second["losses"]], dtype=torch.float64).mean(dim=0)
    torch.testing.assert_close(shards, torch.tensor(joint, dtype=torch.float64), rtol=1e-10, atol=1e-12)
    assert first["state"]["1.nonlocal_block.stages.0.gate"] != 0
