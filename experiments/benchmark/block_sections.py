"""The known blocks' questions: NL against mmcv, every block against its dense form, large maps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec

import torch
from torch import Tensor, nn
from torchvision.models.video import r3d_18

from experiments.benchmark.measure import Step, measured, median_ratio, summary, time_in_turns, training_step
from experiments.benchmark.sections import LARGEST_DENSE, MIB, Row, Section, Shape, device
from filters import DenseShift, ShiftOperator
from gsp_nonlocal import NonlocalBlock, insert_blocks
from gsp_nonlocal.affinity import Affinity
from gsp_nonlocal.blocks import SNL, registry
from gsp_nonlocal.interop import mmcv

OPTIONS: dict[str, dict[str, int]] = {"cgnl": {"groups": 8}, "cc": {"recurrence": 1}}
"""What a block is measured with beside its defaults."""
BLOCKS: dict[str, Callable[[int], NonlocalBlock]] = {
    name.upper(): partial(registry.get(name), **OPTIONS.get(name, {})) for name in registry
}
NL_SHAPES: list[Shape] = [
    (4, 64, 32, 32),
    (2, 256, 32, 64),
    (1, 64, 64, 64),
    (1, 256, 64, 64),
    (1, 64, 64, 128),
]
NL_GROWTH: list[Shape] = [(1, 64, 32, 32), (1, 64, 64, 64), (1, 64, 128, 128)]
DENSE_SHAPES: list[Shape] = [(2, 64, 32, 32), (1, 64, 64, 64)]
LARGE: Shape = (1, 32, 256, 256)
MMCV = {
    "theta": "theta.conv",
    "phi": "phi.conv",
    "g": "g.conv",
    "out": "conv_out.conv",
    "norm": "conv_out.bn",
}
"""Parts of the textbook's NL by mmcv's names."""
CLIP, SEQUENCE = (1, 3, 16, 112, 112), (1, 64, 100_000)


class TextbookNL(nn.Module):
    """NL with its ``N × N`` matrix: ``x + bn(softmax(θ φᵀ / √r) g W)``, 1×1 convolutions with biases."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // 2
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.out = nn.Conv2d(inner, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W) -> (B, C, H, W)``."""
        query, key, value = (f(x).flatten(2) for f in (self.theta, self.phi, self.g))
        weights = (query.mT @ key * query.shape[1] ** -0.5).softmax(dim=-1)
        y = (weights @ value.mT).mT.reshape(x.shape[0], -1, *x.shape[2:])
        return x + self.norm(self.out(y))


class DenseForm(Affinity):
    """An affinity that hands on its shift as a matrix."""

    def __init__(self, inner: Affinity) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, nodes: Tensor, spatial: Sequence[int] | None = None) -> ShiftOperator:
        """The shift of ``inner``, as a :class:`DenseShift`."""
        return DenseShift(self.inner(nodes, spatial).to_dense())


def mmcv_step(shape: Shape) -> Step:
    """A training step of mmcv's ``NonLocal2d``, which must be installed."""
    torch.manual_seed(0)
    block = import_module("mmcv.cnn").NonLocal2d(shape[1], norm_cfg={"type": "BN"}, zeros_init=False)
    return training_step(block.to(device()), _map(shape))


def textbook_step(shape: Shape) -> Step:
    """A training step of the dense NL."""
    torch.manual_seed(0)
    return training_step(TextbookNL(shape[1]).to(device()), _map(shape))


def ours_step(shape: Shape) -> Step:
    """A training step of our NL in mmcv's structure."""
    torch.manual_seed(0)
    return training_step(ours_of(TextbookNL(shape[1])).to(device()), _map(shape))


def ours_of(textbook: TextbookNL) -> NonlocalBlock:
    """Our block with the weights of the textbook's."""
    parts = (key.partition(".") for key in textbook.state_dict())
    state = {f"{MMCV[part]}.{name}": textbook.state_dict()[f"{part}.{name}"] for part, _, name in parts}
    return mmcv.load_block("embedded_gaussian", state)


def _map(shape: Shape) -> Tensor:
    return torch.randn(shape, device=device()).requires_grad_()


def against_mmcv(shapes: Iterable[Shape], rounds: int) -> Iterable[Row]:
    """One training step of NL against mmcv's (where it is installed) and the textbook's, in turns."""
    for shape in shapes:
        steps = {"ours": ours_step(shape), "textbook": textbook_step(shape)}
        if find_spec("mmcv"):
            steps["mmcv"] = mmcv_step(shape)
        times = time_in_turns(steps, rounds, warm_up=1)
        row: Row = {"map": "×".join(map(str, shape)), "nodes": float(shape[2] * shape[3])}
        for name, values in times.items():
            row |= summary(name, values)
        for name in list(times)[1:]:
            row[f"times faster than {name}"] = median_ratio(times[name], times["ours"])
        yield row


def memory_of_nl(shapes: Iterable[Shape]) -> Iterable[Row]:
    """Peak memory of one training step of NL and of its dense form."""
    for shape in shapes:
        row: Row = {"map": "×".join(map(str, shape)), "nodes": float(shape[2] * shape[3])}
        for name, make in {"NL": ours_step, "dense": textbook_step}.items():
            row[f"{name} MiB"] = measured(make, shape, rounds=1).peak / MIB
        yield row


def block_step(name: str, shape: Shape, dense: bool = False) -> Step:
    """A training step of a named block, or of its dense form."""
    torch.manual_seed(0)
    block = BLOCKS[name](shape[1])
    if dense:
        block.affinity = DenseForm(block.affinity)
    return training_step(block.to(device()), _map(shape))


def against_dense(shapes: Iterable[Shape], rounds: int) -> Iterable[Row]:
    """One training step of every block against the same block with its shift as a matrix, in turns."""
    for shape in shapes:
        for name in BLOCKS:
            row: Row = {"block": name, "map": "×".join(map(str, shape))}
            steps = {"ours": block_step(name, shape)}
            if _dense_nodes(name, shape) <= LARGEST_DENSE:
                steps["dense"] = block_step(name, shape, dense=True)
            times = time_in_turns(steps, rounds, warm_up=1)
            for kind, values in times.items():
                row |= summary(kind, values)
            if "dense" in times:
                row["times faster"] = median_ratio(times["dense"], times["ours"])
            yield row


def _dense_nodes(name: str, shape: Shape) -> int:
    """Nodes of one graph: for CGNL, positions × channels of a group."""
    positions = shape[2] * shape[3]
    return positions * shape[1] // 2 // OPTIONS["cgnl"]["groups"] if name == "CGNL" else positions


def largest(shape: Shape) -> Iterable[Row]:
    """One training step of every block on a large map, in a process of its own."""
    for name in BLOCKS:
        peak, times = measured(block_step, name, shape)
        row: Row = {"block": name, "map": "×".join(map(str, shape)), "nodes": float(shape[2] * shape[3])}
        yield row | summary("step", times, "s") | {"MiB": peak / MIB}


def clip_step(with_block: bool) -> Step:
    """A training step of R3D-18 on a clip, with an SNL block after its third stage or without."""
    torch.manual_seed(0)
    network = r3d_18()
    if with_block:
        insert_blocks(network, {"layer3": SNL})
    x = torch.randn(CLIP, device=device())
    module = network.to(device())

    def step() -> None:
        module.zero_grad(set_to_none=True)
        module(x).sum().backward()

    return step


def sequence_step() -> Step:
    """A training step of SNL on a long sequence."""
    torch.manual_seed(0)
    x = torch.randn(SEQUENCE, device=device()).requires_grad_()
    return training_step(SNL(SEQUENCE[1], order=3).to(device()), x)


def other_dimensions() -> Iterable[Row]:
    """Time and peak memory of a training step on a clip and on a sequence."""
    cases: dict[str, tuple[Callable[..., Step], tuple[object, ...]]] = {
        "R3D-18, clip 16×112×112": (clip_step, (False,)),
        "R3D-18 + SNL, clip 16×112×112": (clip_step, (True,)),
        "SNL, order 3, sequence of 100,000": (sequence_step, ()),
    }
    for name, (make, arguments) in cases.items():
        peak, times = measured(make, *arguments)
        yield {"case": name, **summary("step", times, "s"), "MiB": peak / MIB}


def block_sections(rounds: int, quick: bool) -> dict[str, Section]:
    """Title to rows, not yet measured."""
    nl, dense = (NL_SHAPES[:1], DENSE_SHAPES[:1]) if quick else (NL_SHAPES, DENSE_SHAPES)
    few = min(rounds, 5)
    sections = {
        "NL against mmcv": Section(against_mmcv(nl, rounds), len(nl), rounds),
        "known blocks": Section(against_dense(dense, few), len(dense) * len(BLOCKS), few),
    }
    if quick:
        return sections
    return sections | {
        "memory of NL": Section(memory_of_nl(NL_GROWTH), len(NL_GROWTH)),
        "large maps": Section(largest(LARGE), len(BLOCKS), 5),
        "other dimensions": Section(other_dimensions(), 3, 5),
    }
