"""Two, three and four processes, each with a part of the nodes, compute what one process computes of all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor.parallel import parallelize_module

from gsp_nonlocal.distributed import NodeParallel
from tests.distributed.cases import MAKE, a_map, build, cut, run, twin, worst
from tests.distributed.checks import CHECKS, a_process_ends, compiled
from tests.distributed.norm_checks import NORM_CHECKS
from tests.distributed.trainings import TRAININGS

WORLD = 4
ALL = (*CHECKS, *NORM_CHECKS)
TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-5}
WIDE = [name for name in MAKE if not name.startswith("affinity") and not name.endswith(("-1", "-5"))]
"""Cases of every number of processes; other orders of a family and other affinities are run by two."""
CASES = [(name, size) for name in MAKE for size in ((2, 3, 4) if name in WIDE else (2,))]


def dtypes(name: str, size: int) -> list[torch.dtype]:
    return list(TOLERANCES) if size == 2 and name in WIDE else [torch.float64]


def differences(name: str, dtype: torch.dtype, mesh: DeviceMesh) -> Iterator[float]:
    """The greatest difference on this process, in training and then in evaluation."""
    place, size = mesh.get_local_rank(), mesh.size()
    block = build(name, dtype)
    x, cotangent = a_map(block, dtype)
    divided = parallelize_module(build(name, dtype) if place == 0 else twin(block), mesh, NodeParallel())
    parts = cut({"values": x, "of x": cotangent}, place, size)
    for training in (True, False):
        for module in (divided.train(training), block.train(training)):
            module.zero_grad()
        found = run(divided, parts["values"], parts["of x"])
        yield worst(found, cut(run(block, x, cotangent), place, size))


def worker(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    meeting, patience = f"file://{folder}/meeting", timedelta(seconds=60)
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=WORLD, timeout=patience)
    pairs = DeviceMesh("cpu", [[0, 1], [2, 3]], mesh_dim_names=("pair", "nodes"))
    meshes = {2: pairs["nodes"], 3: DeviceMesh("cpu", [0, 1, 2]), 4: DeviceMesh("cpu", [0, 1, 2, 3])}
    found: dict[str, list[Any]] = {check.__name__: check(meshes[4]) for check in ALL}
    if rank < 2:
        found[compiled.__name__] = compiled(meshes[2])
    for size, mesh in meshes.items():
        own = list(MAKE)[rank // 2 :: 2] if size == 2 else WIDE
        for training in TRAININGS if mesh.get_coordinate() is not None else ():
            found[f"{training.__name__} {size}"] = training(mesh)
        for name in own if mesh.get_coordinate() is not None else ():
            for dtype in dtypes(name, size):
                found[f"{name} {size} {dtype}"] = list(differences(name, dtype, mesh))
    dist.barrier()
    found[a_process_ends.__name__] = a_process_ends(meshes[4])
    torch.save(found, Path(folder) / f"{rank}.pt")
    os._exit(0)  # a group of which one has ended is not taken down


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, list[Any]]]:
    """What each of the processes found."""
    folder = tmp_path_factory.mktemp("ranks")
    mp.spawn(worker, args=(str(folder),), nprocs=WORLD)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(WORLD)]


@pytest.mark.parametrize(("name", "size"), CASES)
def test_divided_nodes_are_as_one(name, size, results):
    for dtype in dtypes(name, size):
        key = f"{name} {size} {dtype}"
        found = [result[key] for result in results if key in result]
        assert len(found) == size
        assert max(map(max, found)) <= TOLERANCES[dtype], key


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("name", [training.__name__ for training in TRAININGS])
def test_a_divided_training_has_the_losses_of_one_process(name, size, results):
    found = [result[f"{name} {size}"] for result in results if f"{name} {size}" in result]
    assert len(found) == (WORLD if size == 2 else size)  # two pairs
    assert not any(found), found


@pytest.mark.parametrize("name", [check.__name__ for check in (*ALL, compiled, a_process_ends)])
def test_what_else_holds(name, results):
    """Maps that do not fit are named, what travels does not grow, spectra, refusals, copies, DDP, …"""
    found = [result[name] for result in results if name in result]
    assert found
    assert not any(found), found
