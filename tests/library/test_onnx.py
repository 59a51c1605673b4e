"""ONNX: every block runs in onnxruntime at other batches and sizes than those it was exported with."""

import logging
import warnings

import numpy as np
import pytest
import torch

from gsp_nonlocal.blocks import registry
from tests.library.test_export import DYNAMIC, block_of, example, holds_at_all_sizes

onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime: make test-peers")


@pytest.mark.parametrize("name", registry)
def test_a_block_runs_in_onnx_at_all_sizes(name, tmp_path, monkeypatch):
    monkeypatch.setattr(logging.root, "disabled", True)
    block, file = block_of(name), tmp_path / "block.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own code
        made = torch.onnx.export(
            block, (example(2, 12, 10),), dynamo=True, dynamic_shapes=(DYNAMIC,), verbose=False
        )
    made.save(file)
    session = onnxruntime.InferenceSession(str(file))

    def program(x: torch.Tensor) -> torch.Tensor:
        (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        return torch.from_numpy(np.asarray(found))

    with torch.no_grad():
        holds_at_all_sizes(block, program)
