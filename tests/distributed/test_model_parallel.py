"""The page's example of Lightning's ModelParallelStrategy has the losses and weights of one process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/scale.md").read_text(encoding="utf-8")
(EXAMPLE,) = (
    block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "ModelParallel" in block
)
RUN = """
import sys
import torch
from train import Denoiser, fit

seeds = torch.Generator().manual_seed(1)
data = torch.randn(12, 3, 24, generator=seeds, dtype=torch.float64)
task = Denoiser().double()
losses = fit(task, data, int(sys.argv[1]), int(sys.argv[2]))
whole = {name: p.full_tensor() if hasattr(p, "full_tensor") else p for name, p in task.state_dict().items()}
if task.global_rank == 0:
    torch.save({"losses": torch.tensor(losses), **whole}, "found.pt")
"""


def trained(folder: Path, data: int, nodes: int) -> dict[str, torch.Tensor]:
    """What the example, with ``data · nodes`` processes, comes to."""
    folder.mkdir()
    (folder / "train.py").write_text(EXAMPLE, encoding="utf-8")
    (folder / "run.py").write_text(RUN, encoding="utf-8")
    paths = os.pathsep.join([str(folder), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "run.py", str(data), str(nodes)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return torch.load(folder / "found.pt", weights_only=True)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """What one process comes to."""
    return trained(tmp_path_factory.mktemp("alone") / "run", 1, 1)


@pytest.mark.parametrize(("data", "nodes"), [(1, 2), (2, 1), (2, 2)])
def test_a_mesh_of_lightning_trains_as_one_process(data, nodes, alone, tmp_path):
    found = trained(tmp_path / "run", data, nodes)
    assert found.keys() == alone.keys()
    assert len(found["losses"]) == 3
    for name, value in alone.items():
        torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-12, msg=name)
