"""Blocks whose nodes are divided over processes, and what one process computes of the whole map."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from filters import Cayley, Chebyshev
from gsp_nonlocal import SNL, NonlocalBlock
from gsp_nonlocal.affinity import EmbeddedGaussian
from tests.cases.affinities import AFFINITIES, combinations
from tests.cases.affinities import build as affinity
from tests.cases.blocks import BLOCKS, C, open_gates
from tests.cases.filters import FILTERS
from tests.cases.signals import IN

REFUSED = ("cc", "anl", "nl, sub-sampled")
UNDIVIDED = [name for name, case in AFFINITIES.items() if case.kind.obstacle is not None]
NODES = 24
WHOLE = {2: [17, 7], 3: [11, 12, 1], 4: [5, 1, 11, 7]}
"""Nodes of each process, by how many there are."""

Make = Callable[[], NonlocalBlock]


def _with_filter(name: str) -> NonlocalBlock:
    made = FILTERS[name].make()
    return NonlocalBlock(made.out_channels or IN, IN, filter=lambda *_: made, gate=False)


def _with_affinity(*choices: str | None) -> NonlocalBlock:
    made = affinity(*choices)
    return NonlocalBlock(5, 3, affinity=lambda *_: made, filter=partial(Chebyshev, order=2), gate=False)


def _with_norm(norm: Callable[[int], nn.Module], **settings: object) -> NonlocalBlock:
    return SNL(C, norm=norm, **settings)


MAKE: dict[str, Make] = {
    **{f"filter {name}": partial(_with_filter, name) for name in FILTERS},
    **{f"block {name}": partial(case.make, C) for name, case in BLOCKS.items() if name not in REFUSED},
    **{
        f"affinity {', '.join(map(str, choices))}": partial(_with_affinity, *choices)
        for choices in combinations()
        if choices[0] not in UNDIVIDED
    },
    "stages": partial(SNL, C, stages=3, order=2),
    "recurrence": partial(NonlocalBlock, C, recurrence=3, filter=partial(Cayley, order=1)),
    "attention, recurrence": partial(NonlocalBlock, C, affinity=EmbeddedGaussian, recurrence=2),
    "few nodes, many channels": partial(SNL, 128),  # dense in one process
    "group norm": partial(_with_norm, partial(nn.GroupNorm, 2)),
    "instance norm": partial(_with_norm, partial(nn.InstanceNorm1d, affine=True)),
    "batch norm, cumulative": partial(_with_norm, partial(nn.BatchNorm1d, momentum=None)),
    "batch norm, bare": partial(_with_norm, partial(nn.BatchNorm1d, affine=False, track_running_stats=False)),
    "no norm": partial(_with_norm, None),
}
"""By name; ``form="auto"`` where there is a choice."""


def build(name: str, dtype: torch.dtype) -> NonlocalBlock:
    """The block with weights that every process draws alike."""
    torch.manual_seed(0)
    return open_gates(MAKE[name]()).to(dtype)


def a_map(block: NonlocalBlock, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """A map ``(2, C, N)`` and a cotangent of its result."""
    generator = torch.Generator().manual_seed(1)
    x, cotangent = torch.randn(2, 2, block.channels, NODES, generator=generator, dtype=torch.float64)
    return x.to(dtype), cotangent.to(dtype)


def run(block: nn.Module, x: Tensor, cotangent: Tensor) -> dict[str, Tensor]:
    """Values, gradients and buffers after one step."""
    x = x.clone().requires_grad_()
    y = block(x)
    (y * cotangent).sum().backward()
    weights = {f"of {name}": p.grad for name, p in block.named_parameters() if p.grad is not None}
    buffers = {f"buffer {name}": b.double() for name, b in block.named_buffers()}
    return {"values": y.detach(), "of x": x.grad, **weights, **buffers}


def cut(values: dict[str, Tensor], place: int, world: int) -> dict[str, Tensor]:
    """What process ``place`` should have of a whole result."""
    by_node = ("values", "of x")
    return {k: v.split(WHOLE[world], -1)[place] if k in by_node else v for k, v in values.items()}


def worst(found: dict[str, Tensor], expected: dict[str, Tensor]) -> float:
    """The greatest relative difference. Of a gradient it is one of them all together; in float64 of each by
    itself, unless it is a thousandth of them: some cancel almost to nothing."""
    assert found.keys() == expected.keys()
    gradients = [value.norm() for name, value in expected.items() if name.startswith("of ")]
    share = 1e-3 if expected["values"].dtype == torch.float64 else 1.0
    least = share * torch.stack(gradients).norm()
    return max(float((found[k] - v).norm() / max(v.norm(), least)) for k, v in expected.items())


def twin(block: NonlocalBlock) -> NonlocalBlock:
    """A copy with other weights, for a process that is to be given the first one's."""
    other = copy.deepcopy(block)
    for tensor in other.state_dict().values():
        tensor.add_(1)
    return other
