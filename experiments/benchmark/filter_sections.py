"""The filter bank's questions: families against order 1, closed forms against dense ones, PyG's forms."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch_geometric.nn import ChebConv, MessagePassing

from experiments.benchmark.measure import Step, compare_with_first, median_ratio, summary, time_in_turns
from experiments.benchmark.sections import Row, Section, device
from filters import (
    ARMA,
    Cayley,
    Chebyshev,
    DenseShift,
    GraphFilter,
    Heat,
    IdealLowPass,
    Rational,
    ShiftOperator,
    Tikhonov,
)
from gsp_nonlocal.affinity import relu_dot_shift
from gsp_nonlocal.shifts import SparseShift

MakeShift = Callable[[Tensor], ShiftOperator]


def compare_families(nodes: int, inner: int, rounds: int) -> Iterable[Row]:
    """Shift and filter alone, low-rank, ``r`` to ``2r`` channels, against ``Chebyshev`` of order 1."""
    outer = 2 * inner
    bank: dict[str, GraphFilter] = {
        "Chebyshev 1": Chebyshev(inner, outer, order=1),
        "Chebyshev 8": Chebyshev(inner, outer, order=8),
        "Cayley 1": Cayley(inner, outer, order=1),
        "Cayley 4": Cayley(inner, outer, order=4),
        "ARMA 1": ARMA(inner, outer, order=1),
        "ARMA 4": ARMA(inner, outer, order=4),
        "Rational 1": Rational(inner, outer, order=1),
        "Rational 4": Rational(inner, outer, order=4),
        "Heat": Heat(1.0),
        "Tikhonov": Tikhonov(1.0),
        "ideal low-pass": IdealLowPass(0.5),
        "Chebyshev 1 of Heat": Chebyshev(inner, outer, order=1) @ Heat(1.0),
    }
    bank = {name: f.to(device()) for name, f in bank.items()}
    embeddings = torch.randn(1, outer, nodes, device=device()).mT.requires_grad_()
    signal = torch.randn(1, inner, nodes, device=device()).mT.requires_grad_()

    def low_rank(values: Tensor) -> ShiftOperator:
        return relu_dot_shift(values, "low_rank")

    passes = {
        "forward": {n: _forward(f, signal, embeddings, low_rank) for n, f in bank.items()},
        "training": {n: _training(f, signal, embeddings, low_rank) for n, f in bank.items()},
    }
    yield from compare_with_first("filter", "Chebyshev 1", passes, rounds)


def exact_cayley(nodes: int, inner: int, rounds: int) -> Iterable[Row]:
    """A Cayley filter of order 4 in float64: factors of size ``2r`` against a dense complex factorisation."""
    f = Cayley(inner, 2 * inner, order=4).double().to(device())
    embeddings = torch.randn(1, nodes, 2 * inner, dtype=torch.float64, device=device())
    signal = torch.randn(1, nodes, inner, dtype=torch.float64, device=device())
    low_rank = relu_dot_shift(embeddings, "low_rank")
    dense = DenseShift(low_rank.to_dense(), is_symmetric=True)
    steps = {
        "low-rank": _forward(f, signal, embeddings, lambda _: low_rank.to(torch.float64)),
        "dense": _forward(f, signal, embeddings, lambda _: dense),
    }
    times = time_in_turns(steps, rounds, warm_up=1)
    with torch.no_grad():
        exact = f(signal, dense)
        difference = float((f(signal, low_rank) - exact).norm() / exact.norm())
    yield {
        "nodes": float(nodes),
        **summary("low-rank", times["low-rank"]),
        **summary("dense", times["dense"]),
        "times faster": median_ratio(times["dense"], times["low-rank"]),
        "relative difference": f"{difference:.0e}",
    }


class _Propagate(MessagePassing):
    """PyG's propagation of weighted messages, and nothing else."""

    def forward(self, x: Tensor, edge_index: Tensor, weight: Tensor) -> Tensor:
        return self.propagate(edge_index, x=x, weight=weight)

    def message(self, x_j: Tensor, weight: Tensor) -> Tensor:
        return weight.unsqueeze(-1) * x_j


def sparse_products(nodes: int, edges: int, channels: int, rounds: int) -> Iterable[Row]:
    """``S z`` of a sparse graph, forward and with all gradients, against PyG's propagation."""
    edge_index = torch.randint(0, nodes, (2, edges), device=device())
    shift = SparseShift.from_edge_index(edge_index, torch.rand(edges, device=device()), nodes)
    places, weight = shift.edge_index, shift.values.requires_grad_()
    z = torch.randn(nodes, channels, device=device(), requires_grad=True)
    propagate = _Propagate()

    def ours() -> Tensor:
        return shift(z.unsqueeze(0)).squeeze(0)

    def pygs() -> Tensor:
        return propagate(z, places, weight)

    for name, wrap in {"forward": _quietly, "training": _with_backward}.items():
        times = time_in_turns({"ours": wrap(ours), "PyG": wrap(pygs)}, rounds)
        yield {
            "pass": name,
            "edges": float(edges),
            **summary("SparseShift", times["ours"]),
            **summary("PyG", times["PyG"]),
            "times faster": median_ratio(times["PyG"], times["ours"]),
        }


def complete_graph(nodes: int, inner: int, rounds: int) -> Iterable[Row]:
    """SNL's shift and filter against PyG's ``ChebConv`` on the list of all ``N²`` edges; the list is free."""
    f = Chebyshev(inner, 2 * inner, order=1).to(device())
    conv = ChebConv(inner, 2 * inner, K=2).to(device())
    embeddings = torch.randn(1, nodes, 2 * inner, device=device())
    signal = torch.randn(1, nodes, inner, device=device())
    with torch.no_grad():
        weight = relu_dot_shift(embeddings, "dense").to_dense()[0].flatten()
    everyone = torch.arange(nodes, device=device())
    edge_index = torch.stack([everyone.repeat(nodes), everyone.repeat_interleave(nodes)])
    steps = {
        "ours": _forward(f, signal, embeddings, lambda values: relu_dot_shift(values, "auto")),
        "PyG": _quietly(lambda: conv(signal[0], edge_index, weight)),
    }
    times = time_in_turns(steps, rounds, warm_up=1)
    yield {
        "nodes": float(nodes),
        "edges": float(nodes**2),
        **summary("SNL's filter", times["ours"]),
        **summary("PyG ChebConv", times["PyG"]),
        "times faster": median_ratio(times["PyG"], times["ours"]),
    }


def filter_sections(rounds: int, quick: bool) -> dict[str, Section]:
    """Title to rows, not yet measured."""
    scale, few = 8 if quick else 1, min(rounds, 3)
    return {
        "families": Section(compare_families(8192 // scale, 128 // scale, 2 * rounds), 12, 2 * rounds),
        "exact Cayley": Section(exact_cayley(2048 // scale, 64, few), 1, few),
        "sparse": Section(sparse_products(100_000 // scale, 1_000_000 // scale, 64, rounds), 2, rounds),
        "complete graph": Section(complete_graph(1024 // scale, 64, rounds), 1, rounds),
    }


def _forward(filter: nn.Module, signal: Tensor, embeddings: Tensor, make_shift: MakeShift) -> Step:
    return _quietly(lambda: filter(signal, make_shift(embeddings)))


def _training(filter: nn.Module, signal: Tensor, embeddings: Tensor, make_shift: MakeShift) -> Step:
    def step() -> None:
        filter.zero_grad(set_to_none=True)
        signal.grad = embeddings.grad = None
        filter(signal, make_shift(embeddings)).sum().backward()

    return step


def _quietly(function: Callable[[], Tensor]) -> Step:
    @torch.no_grad()
    def step() -> None:
        function()

    return step


def _with_backward(function: Callable[[], Tensor]) -> Step:
    return lambda: function().sum().backward()
