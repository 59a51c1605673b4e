"""``torch.compile(fullgraph=True)`` agrees with eager, forward and backward."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.library import compile_program

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("backend", ["eager", "aot_eager", "inductor"])
def test_blocks_compile_without_graph_breaks(backend):
    program = Path(compile_program.__file__)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, str(program), backend], env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr[-3000:]
    agreed = [line for line in result.stdout.splitlines() if line.startswith("agrees: ")]
    assert agreed == [f"agrees: {name} {shape}" for name, _, shape in compile_program.cases(backend)]
