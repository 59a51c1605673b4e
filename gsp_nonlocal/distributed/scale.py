"""What a training step of SNL takes when its nodes are divided over many devices: a model on paper.

``python -m gsp_nonlocal.distributed.scale`` prints the tables of ``docs/scale.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log2

DEVICES = (1, 8, 64, 512, 4096)
NODES = (10**6, 10**7, 10**8, 10**9, 10**10)
NUMBER = 4
"""Bytes of a number: float32."""


@dataclass(frozen=True)
class Machine:
    """A cluster, by assumptions: published rates, and shares of them that programs reach.

    Attributes:
        flops: of float32 products, a second: 75 % of the 67 · 10¹² of an H100.
        memory_rate: bytes a second: 75 % of the 3.35 · 10¹² of its HBM3.
        memory: bytes of a device.
        inner: devices joined by NVLink; each has a network card of its own.
        inner_latency: seconds of one hop by NVLink, within a library of collectives.
        inner_rate: bytes a second and direction: 80 % of 450 · 10⁹.
        outer_latency: seconds of one hop by InfiniBand.
        outer_rate: bytes a second and direction: 90 % of the 50 · 10⁹ of 400 Gbit/s.
    """

    flops: float = 5e13
    memory_rate: float = 2.5e12
    memory: float = 8e10
    inner: int = 8
    inner_latency: float = 3e-6
    inner_rate: float = 3.6e11
    outer_latency: float = 1e-5
    outer_rate: float = 4.5e10


H100 = Machine()


@dataclass(frozen=True)
class PaperBlock:
    """SNL of ``C`` channels and width ``r`` on one map; ``R = 2 r``.

    Attributes:
        channels: ``C``.
        inner: ``r``.
        order: of its Chebyshev filter; from 2 on ``G`` travels, too.
        batch: maps at a time.
    """

    channels: int = 256
    inner: int = 128
    order: int = 1
    batch: int = 1

    @property
    def sent(self) -> list[int]:
        """Numbers of every all-reduce of a training step, in order: none depends on the nodes."""
        c, r, b = self.channels, self.inner, self.batch
        gram = [b * (2 * r) ** 2] if self.order > 1 else []
        norm = [c + 1, c]
        forward = [20, 2 * b, b * 2 * r, b * 2 * r * r, *gram, *norm]
        weights = [2 * r * c, r * c, (self.order + 1) * r * c, c, c, 1]
        return [*forward, 2 * c, b * 2 * r * r, *gram, b * 2 * r, *weights]

    @property
    def flops(self) -> float:
        """Of a training step for one node: products forward, and twice as many backward."""
        c, r, rank = self.channels, self.inner, 2 * self.inner
        gram = 2 * rank**2 if self.order > 1 else 0
        return self.batch * 3 * (2 * c * 3 * r + 2 * rank * r + gram + 2 * r * c + 2 * rank * c)

    @property
    def traffic(self) -> float:
        """Bytes of memory that a training step reads and writes for one node: thirty maps of ``C``."""
        return self.batch * 30 * self.channels * NUMBER

    @property
    def kept(self) -> float:
        """Bytes for one node that a training step keeps at most: ten maps of ``C``."""
        return self.batch * 10 * self.channels * NUMBER


def all_reduce(numbers: int, devices: int, machine: Machine = H100) -> float:
    r"""Seconds of one all-reduce: by a tree in latency, by halves and back in bytes, first within NVLink.

    ``2 ⌈log₂ p⌉ α + 2 (p − 1)/p · bytes / β`` for ``p`` devices on one level; between machines every device
    carries its share of the bytes (Thakur, Rabenseifner, Gropp 2005).

    Example:
        >>> all_reduce(1000, 1), round(all_reduce(65_536, 8) * 1e6)
        (0.0, 19)
    """
    inside, outside = min(devices, machine.inner), ceil(devices / machine.inner)
    size = NUMBER * numbers
    near = _level(size, inside, machine.inner_latency, machine.inner_rate)
    return near + _level(size / inside, outside, machine.outer_latency, machine.outer_rate)


def _level(size: float, devices: int, latency: float, rate: float) -> float:
    return 2 * ceil(log2(devices)) * latency + 2 * (devices - 1) / devices * size / rate


def computing(nodes: float, devices: int, block: PaperBlock, machine: Machine = H100) -> float:
    """Seconds that each device computes in a step: products and memory one after the other."""
    return nodes / devices * (block.flops / machine.flops + block.traffic / machine.memory_rate)


def talking(devices: int, block: PaperBlock, machine: Machine = H100) -> float:
    """Seconds of the all-reduces of a step, none of them hidden behind computing."""
    return sum(all_reduce(numbers, devices, machine) for numbers in block.sent)


def ring_bytes(nodes: float, devices: int, block: PaperBlock) -> float:
    """Bytes that come to each device in a step of ring attention of width ``r``: keys and values forward,
    again backward, and their gradients."""
    return 3 * (devices - 1) / devices * nodes * block.batch * 2 * block.inner * NUMBER


def steps(block: PaperBlock, machine: Machine = H100) -> str:
    """A Markdown table: milliseconds of a step, and the share of the all-reduces in it."""
    lines = [["nodes", "1 device", *(f"{p:,} devices" for p in DEVICES[1:])]]
    for nodes in NODES:
        cells = []
        for devices in DEVICES:
            work, talk = computing(nodes, devices, block, machine), talking(devices, block, machine)
            fits = nodes / devices * block.kept <= machine.memory
            share = f" ({talk / (work + talk):.1%})" if devices > 1 else ""
            cells.append(f"{1e3 * (work + talk):.1f} ms{share}" if fits else "too large")
        lines.append([f"{nodes:,}", *cells])
    return _table(lines)


def travelling(block: PaperBlock) -> str:
    """A Markdown table: bytes that come to a device in a step, of SNL and of ring attention, on 8 devices."""
    own = NUMBER * sum(block.sent)
    lines = [["nodes", "SNL", "ring attention", "ratio"]]
    for nodes in NODES:
        ring = ring_bytes(nodes, 8, block)
        lines.append([f"{nodes:,}", f"{own / 1e6:.2f} MB", f"{ring / 1e9:,.1f} GB", f"{ring / own:,.0f}"])
    return _table(lines)


def thresholds(block: PaperBlock, machine: Machine = H100) -> str:
    """A Markdown table: from how many nodes a device on the all-reduces are below a tenth of a step."""
    lines = [["devices", "all-reduces of a step", "nodes a device", "nodes in all"]]
    for devices in DEVICES[1:]:
        talk = talking(devices, block, machine)
        least = 9 * talk / computing(1, 1, block, machine)
        cells = [f"{1e3 * talk:.2f} ms", f"{least:,.0f}", f"{least * devices:.1e}"]
        lines.append([f"{devices:,}", *cells])
    return _table(lines)


def _table(lines: Sequence[Sequence[str]]) -> str:
    head, *rows = lines
    marks = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, marks, *rows))


if __name__ == "__main__":
    print(steps(PaperBlock()), thresholds(PaperBlock()), travelling(PaperBlock()), sep="\n\n")
