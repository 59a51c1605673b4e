"""``torch.compile(fullgraph=True)`` agrees with eager, forward and backward; so does AOTInductor."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gsp_nonlocal.blocks import registry
from tests.library import compile_program

ROOT = Path(__file__).parents[2]


def agreed(*arguments: str) -> list[str]:
    """What the program says of each case."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, compile_program.__file__, *arguments],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return [line for line in result.stdout.splitlines() if line.startswith("agrees: ")]


@pytest.mark.parametrize("backend", ["eager", "aot_eager", "inductor"])
def test_blocks_compile_without_graph_breaks(backend):
    assert agreed(backend) == [f"agrees: {name} {shape}" for name, _, shape in compile_program.cases(backend)]


def test_blocks_compile_once_for_all_sizes():
    assert agreed("dynamic") == [f"agrees: {name} at all sizes" for name in registry]


def test_a_packaged_block_runs_at_all_sizes(tmp_path):
    assert agreed("packaged", str(tmp_path / "block.pt2")) == ["agrees: snl, packaged"]
