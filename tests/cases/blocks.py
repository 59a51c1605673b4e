"""The case table of blocks: every named one, with the settings that change what it computes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import nn

from filters import Cayley
from gsp_nonlocal import NonlocalBlock
from gsp_nonlocal.affinity import Gaussian
from gsp_nonlocal.blocks import A2, ANL, CC, CGNL, DNL, GC, NL, NS, SNL, UNNORMALISED

C = 8


class BlockCase(NamedTuple):
    """``make(channels)``; ``on_grid``: it needs a map of two dimensions; ``arranged``: it knows where a
    position is, so that no permutation of the positions leaves it as it is."""

    make: Callable[..., NonlocalBlock]
    on_grid: bool = False
    arranged: bool = False

    @property
    def kind(self) -> type[NonlocalBlock]:
        """The class."""
        return self.make.func if isinstance(self.make, partial) else self.make


BLOCKS: dict[str, BlockCase] = {
    "snl": BlockCase(SNL),
    "snl, order 3": BlockCase(partial(SNL, order=3)),
    "snl, cayley": BlockCase(partial(SNL, filter=partial(Cayley, order=2))),
    "nl": BlockCase(NL),
    "nl, gaussian": BlockCase(partial(NL, affinity=partial(Gaussian, scale=None))),
    "nl, sub-sampled": BlockCase(partial(NL, sub_sample="max"), arranged=True),
    "ns": BlockCase(partial(NS, stages=2)),
    "a2": BlockCase(A2),
    "a2, unnormalised": BlockCase(partial(A2, affinity=UNNORMALISED, stages=2)),
    "cgnl": BlockCase(CGNL),
    "cgnl, groups": BlockCase(partial(CGNL, groups=2)),
    "cc": BlockCase(CC, on_grid=True, arranged=True),
    "dnl": BlockCase(partial(DNL, stages=2)),
    "dnl, not whitened": BlockCase(partial(DNL, whiten=False)),
    "anl": BlockCase(partial(ANL, sizes=(1, 2)), arranged=True),
    "gc": BlockCase(GC),
}


def made(name: str) -> NonlocalBlock:
    """The block of ``C`` channels, with the same weights at each call."""
    torch.manual_seed(0)
    return BLOCKS[name].make(C)


def open_gates(network: nn.Module) -> nn.Module:
    """The network as after some training."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("gate"):
                parameter.fill_(0.7)
    return network


def without_batch_statistics(make: Callable[..., NonlocalBlock], channels: int) -> NonlocalBlock:
    """A block in which samples do not meet: with group norms, and batch norms of its own frozen."""
    given = {"norm": partial(nn.GroupNorm, 2)} if "norm" in inspect.signature(make).parameters else {}
    block = make(channels, **given)
    for module in block.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
    return block
