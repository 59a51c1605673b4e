"""Graph convolutions: ``SpectralConv`` against PyG's ``ChebConv``, and against its own filter."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch_geometric.nn import ChebConv
from torch_geometric.utils import to_undirected

from experiments.benchmark.measure import median_ratio, summary, time_in_turns
from experiments.benchmark.sections import Row, Section, device
from filters import Chebyshev
from gsp_nonlocal.interop.pyg import SpectralConv
from gsp_nonlocal.shifts import SparseShift


class Setting(NamedTuple):
    """A convolution on a random undirected graph, and what of it is timed."""

    name: str
    nodes: int
    edges: int
    channels: tuple[int, int]
    order: int
    cached: bool = True
    learned: bool = False
    trains: bool = True


FIXED = Setting("fixed, cached", 50_000, 500_000, (32, 32), 3)
SETTINGS = (
    FIXED,
    FIXED._replace(name="fixed, not cached", cached=False),
    FIXED._replace(name="learned weights", learned=True),
    FIXED._replace(name="fixed, cached", trains=False),
    Setting("Cora's shape, cached", 2_708, 10_556, (1_433, 16), 9, trains=False),
)


def compare_convolutions(settings: Iterable[Setting], rounds: int) -> Iterable[Row]:
    """A pass of both convolutions; and, on a fixed graph, of the filter alone with its shift at hand."""
    for setting in settings:
        steps = _steps(setting)
        times = time_in_turns(steps, rounds)
        row: Row = {
            "graph": setting.name,
            "pass": "training" if setting.trains else "forward",
            "edges": float(setting.edges),
            "order": float(setting.order),
            **summary("SpectralConv", times["ours"]),
            **summary("PyG ChebConv", times["PyG"]),
            "times faster": median_ratio(times["PyG"], times["ours"]),
            **summary("filter alone", times["filter"]),
            "times its filter": median_ratio(times["ours"], times["filter"]),
        }
        yield row


def _steps(setting: Setting) -> dict[str, Callable[[], None]]:
    torch.manual_seed(0)
    half = torch.randint(0, setting.nodes, (2, setting.edges // 2), device=device())
    edge_index = to_undirected(half[:, half[0] != half[1]], num_nodes=setting.nodes)
    weight = torch.rand(edge_index.shape[1], device=device()) + 0.5
    weight = _symmetric(edge_index, weight, setting.nodes).requires_grad_(setting.learned)
    x = torch.randn(setting.nodes, setting.channels[0], device=device(), requires_grad=setting.trains)
    f = Chebyshev(*setting.channels, order=setting.order).to(device())
    ours = SpectralConv(f, cached=setting.cached).to(device())
    pygs = ChebConv(*setting.channels, K=setting.order + 1).to(device())

    def alone() -> Tensor:
        kept = SparseShift.from_edge_index(edge_index, weight, setting.nodes) if setting.learned else shift
        return f(x.unsqueeze(0), kept)

    shift = SparseShift.from_edge_index(edge_index, weight.detach(), setting.nodes)
    return {
        "ours": _step(ours, lambda: ours(x, edge_index, weight), setting.trains),
        "PyG": _step(pygs, lambda: pygs(x, edge_index, weight), setting.trains),
        "filter": _step(f, alone, setting.trains),
    }


def _symmetric(edge_index: Tensor, weight: Tensor, nodes: int) -> Tensor:
    """The same weight in both directions of an edge."""
    low, high = edge_index.min(dim=0).values, edge_index.max(dim=0).values
    _, pair = (low * nodes + high).unique(return_inverse=True)
    return weight[: int(pair.max()) + 1][pair].contiguous()


def _step(module: nn.Module, run: Callable[[], Tensor], trains: bool) -> Callable[[], None]:
    def training() -> None:
        module.zero_grad(set_to_none=True)
        run().sum().backward()

    @torch.no_grad()
    def forward() -> None:
        run()

    return training if trains else forward


def graph_sections(rounds: int, quick: bool) -> dict[str, Section]:
    """Title to rows, not yet measured."""
    scale = 8 if quick else 1
    settings = [s._replace(nodes=s.nodes // scale, edges=s.edges // scale) for s in SETTINGS]
    return {"graph convolutions": Section(compare_convolutions(settings, rounds), len(settings), rounds)}
