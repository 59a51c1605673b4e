"""Two processes on the CPU train the same weights as one process with the joint batch: DDP, and FSDP."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from gsp_nonlocal import NonlocalBlock, insert_blocks
from tests.cases.blocks import BLOCKS, without_batch_statistics

STEPS, BATCH = 4, 8


def network(block: str) -> nn.Module:
    """A CNN with an inserted block."""
    torch.manual_seed(0)
    cnn = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.Flatten(), nn.Linear(144, 3)
    )
    make = partial(without_batch_statistics, BLOCKS[block].make)
    return insert_blocks(cnn, {"1": make}, example=torch.zeros(1, 3, 8, 8)).double()


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


FULL = StateDictOptions(full_state_dict=True)


def fully_sharded(model: nn.Module, mesh: DeviceMesh) -> nn.Module:
    """Every block, and the rest of the network, with its parameters divided among the processes."""
    for module in list(model.modules()):
        if isinstance(module, NonlocalBlock):
            fully_shard(module, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def worker(rank: int, folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    mesh, results = init_device_mesh("cpu", (2,)), {}
    for block in BLOCKS:
        model = DistributedDataParallel(network(block))
        results[block, "DDP"] = {"losses": train(model, rank, 2), "state": model.module.state_dict()}
        sharded = fully_sharded(network(block), mesh)
        losses = train(sharded, rank, 2)
        results[block, "FSDP"] = {"losses": losses, "state": get_model_state_dict(sharded, options=FULL)}
    torch.save(results, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes trained."""
    folder = tmp_path_factory.mktemp("ddp")
    mp.spawn(worker, args=(str(folder),), nprocs=2)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("kind", ["DDP", "FSDP"])
def test_two_processes_train_as_one(block, kind, results):
    first, second = (result[block, kind] for result in results)
    alone = network(block)
    joint = train(alone, 0, 1)
    for key, value in alone.state_dict().items():
        if kind == "DDP":  # the whole state of FSDP is that of the first process
            assert torch.equal(first["state"][key], second["state"][key]), key
        torch.testing.assert_close(first["state"][key], value, rtol=1e-10, atol=1e-12)
    shards = torch.tensor([first["losses"], second["losses"]], dtype=torch.float64).mean(dim=0)
    torch.testing.assert_close(shards, torch.tensor(joint, dtype=torch.float64), rtol=1e-10, atol=1e-12)
    assert all(value != 0 for key, value in first["state"].items() if key.endswith("gate"))
