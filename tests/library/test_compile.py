"""``torch.compile(fullgraph=True)`` agrees with eager, forward and backward."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("backend", "cases"), [("aot_eager", 53), ("inductor", 9)])
def test_blocks_compile_without_graph_breaks(backend, cases):
    program = Path(__file__).with_name("compile_program.py")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, str(program), backend], env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.count("agrees:") == cases
