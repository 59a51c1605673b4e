"""``torch.compile(fullgraph=True)`` agrees with eager, forward and backward."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.library.compile_program import selected

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_blocks_compile_without_graph_breaks(backend):
    program = Path(__file__).with_name("compile_program.py")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, str(program), backend], env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.count("agrees:") == len(selected(backend)) > 0
