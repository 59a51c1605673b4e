"""``torch.export``: one program for every batch and size of map."""

import copy

import pytest
import torch
from torch import nn
from torch.export import Dim, export

import filters
from filters.operators import solve
from gsp_nonlocal import NonlocalBlock
from gsp_nonlocal.affinity import EmbeddedGaussian
from gsp_nonlocal.blocks import registry

SIZES = [(1, 9, 13), (3, 20, 17), (2, 3, 2), (1, 40, 40)]
"""Batch, height and width: more and fewer positions than channels, and more than fit one chunk."""
DYNAMIC = {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
CHANNELS = 16


def opened(block: nn.Module) -> nn.Module:
    """The block in evaluation mode, with its gates open."""
    for parameter in block.parameters():
        if parameter.numel() == 1:
            nn.init.constant_(parameter, 0.5)
    return block.eval()


def block_of(name: str) -> nn.Module:
    torch.manual_seed(0)
    return opened(registry.get(name)(CHANNELS))


def example(*size: int) -> torch.Tensor:
    batch, height, width = size
    return torch.randn(batch, CHANNELS, height, width)


def holds_at_all_sizes(block: nn.Module, program) -> None:
    """To 1e-5, or to what rounding leaves of the block itself (CGNL's group norm: a few digits)."""
    exact = copy.deepcopy(block).double()
    for size in SIZES:
        x = example(*size)
        truth, expected = exact(x.double()), block(x)
        rounding = float((expected - truth).abs().max())
        torch.testing.assert_close(program(x).double(), truth, rtol=1e-5, atol=1e-5 + 4 * rounding)


@pytest.mark.parametrize("name", registry)
def test_a_block_is_exported_for_all_sizes(name):
    block = block_of(name)
    program = export(block, (example(2, 12, 10),), dynamic_shapes=(DYNAMIC,))
    with torch.no_grad():
        holds_at_all_sizes(block, program.module())


def test_resolvents_by_iteration_are_exported_with_a_fixed_number_of_steps(monkeypatch):
    torch.manual_seed(0)
    block = opened(NonlocalBlock(CHANNELS, affinity=EmbeddedGaussian, filter=filters.Cayley))
    monkeypatch.setattr(solve, "EXPORTED_STEPS", 12)  # enough here, and quick
    program = export(block, (example(2, 12, 10),), dynamic_shapes=(DYNAMIC,))
    with torch.no_grad():
        holds_at_all_sizes(block, program.module())


@pytest.mark.parametrize("filter", ["cayley", "arma", "rational"])
@pytest.mark.parametrize("scale", [1, 3])
def test_the_steps_of_an_exported_program_end_at_the_tolerance(filter, scale, monkeypatch):
    torch.manual_seed(0)
    block = opened(NonlocalBlock(CHANNELS, affinity=EmbeddedGaussian, filter=filters.registry.get(filter)))
    with torch.no_grad():
        for parameter in block.affinity.parameters():
            parameter.mul_(scale)
        x = example(2, 12, 10)
        expected = block(x)
        monkeypatch.setattr(solve, "is_exporting", lambda: True)
        torch.testing.assert_close(block(x), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["chebyshev_interpolation", "bernstein", "cayley", "arma", "rational"])
def test_a_block_of_another_filter_is_exported_for_all_sizes(name):
    torch.manual_seed(0)
    block = opened(NonlocalBlock(CHANNELS, filter=filters.registry.get(name)))
    program = export(block, (example(2, 12, 10),), dynamic_shapes=(DYNAMIC,))
    with torch.no_grad():
        holds_at_all_sizes(block, program.module())
