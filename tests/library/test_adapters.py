"""Packages that look into a model's layers, where they are installed: ``make test-peers`` brings them."""

import pytest
import torch
from torch import nn

from tests.cases.blocks import BLOCKS
from tests.library.test_transformations import X, network

ADVICE = "make test-peers brings it"


@pytest.mark.parametrize("block", BLOCKS)
def test_lora_trains_the_projections_of_a_block_and_merges(block):
    peft = pytest.importorskip("peft", reason=ADVICE)
    model = network(block)
    plain = model(X)
    targets = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    assert any("affinity" in name for name in targets) or block == "nl, gaussian"
    settings = peft.LoraConfig(target_modules=targets, r=2, init_lora_weights=False)
    adapted = peft.get_peft_model(model, settings)
    y = adapted(X)
    assert (y - plain).abs().max() > 1e-3
    y.square().sum().backward()
    trained = [
        name for name, p in adapted.named_parameters() if p.grad is not None and p.grad.abs().max() > 0
    ]
    assert trained and all("lora" in name for name in trained)
    assert all(any(f"{name}.lora_A" in found for found in trained) for name in targets)
    torch.testing.assert_close(adapted.merge_and_unload()(X), y, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("block", BLOCKS)
def test_torchinfo_counts_the_parameters(block):
    """Without an input: with one it asks every module for tensors, and an affinity returns a shift."""
    torchinfo = pytest.importorskip("torchinfo", reason=ADVICE)
    model = network(block)
    assert torchinfo.summary(model, verbose=0).total_params == sum(p.numel() for p in model.parameters())
