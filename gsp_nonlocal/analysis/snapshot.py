"""Analysis of a trained model: what each of its blocks' graphs and filters are, on a batch of its input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from tqdm import tqdm

from filters.operators.solve import ConvergenceError
from gsp_nonlocal.analysis.arrangement import arranged
from gsp_nonlocal.analysis.facts import facts
from gsp_nonlocal.analysis.finite import check_numbers, check_output, check_weights
from gsp_nonlocal.analysis.joins import join_record
from gsp_nonlocal.analysis.model_inputs import Inputs, check_inputs, input_size, leading, run_copies
from gsp_nonlocal.analysis.quantities import Graph, Limits, quantities
from gsp_nonlocal.analysis.record import BlockRecord, GraphRecord, ResponseRecord, Snapshot
from gsp_nonlocal.probe import MAX_NODES, SpectralProbe, evaluation
from gsp_nonlocal.probe.trace import CrossTrace, Trace
from gsp_nonlocal.shifts import DenseShift, ShiftOperator
from gsp_nonlocal.shifts.structure import factored, is_triangular, symmetric_part
from gsp_nonlocal.spectral.density import (
    Density,
    mixed,
    quadratures,
    random_signal,
    signal_density,
)
from gsp_nonlocal.spectral.krylov import PATIENCE
from gsp_nonlocal.spectral.response import Response
from gsp_nonlocal.spectral.spectrum import Spectrum, spectrum

OneTrace = TypeVar("OneTrace")
BINS = 80
FREQUENCIES = 41
PROBES = 16


@torch.no_grad()
def snapshot(
    model: nn.Module,
    images: Inputs,
    *,
    label: str = "",
    paths: Sequence[str] | None = None,
    limits: Limits | None = None,
    max_nodes: int = MAX_NODES,
) -> Snapshot:
    """The numbers of :func:`~gsp_nonlocal.report.analyze` alone: what a training can afford each epoch.

    Args:
        model: see ``analyze``.
        images: see ``analyze``.
        label: such as ``"epoch 3"``.
        paths: see ``analyze``.
        limits: see ``analyze``.
        max_nodes: see ``analyze``.

    Returns:
        A :class:`Snapshot` of plain values.

    Raises:
        TypeError: see ``analyze``.
        ValueError: see ``analyze``; also if no block could be measured.

    Example:
        >>> from gsp_nonlocal import SNL
        >>> found = snapshot(SNL(8), torch.randn(2, 8, 6, 6))
        >>> found.blocks[0].nodes, round(found.blocks[0].mean("spectral_radius"), 4)
        (36, 1.0)
    """
    check_inputs(images)
    probe = probed(model, images, paths, max_nodes)
    return measured(model, images, probe, label, limits or Limits())


def probed(model: nn.Module, images: Inputs, paths: Sequence[str] | None, max_nodes: int) -> SpectralProbe:
    """One pass in evaluation mode, on the model's device; the probe holds what was caught.

    Raises:
        ValueError: if no module that can be read ran, or the model's weights or output are not finite.
    """
    probe = SpectralProbe(model, paths, max_nodes=max_nodes)
    with evaluation(model):
        check_weights(model, partial(run_copies, model, images))
        with probe:
            output = run_copies(model, images)
        check_output(model, output, partial(run_copies, model, images))
    if not probe.traces and not probe.crossings:
        reasons = "; ".join(f"{path}: {reason}" for path, reason in probe.skipped.items())
        raise ValueError(
            f"{type(model).__name__} left no graph on these images"
            f"{f' ({reasons})' if reasons else ', since none of its blocks ran'}; pass the part of the model "
            "that runs them"
        )
    return probe


def measured(model: nn.Module, images: Inputs, probe: SpectralProbe, label: str, limits: Limits) -> Snapshot:
    """The records of all traces, with a bar over the graphs if that takes seconds."""
    size = input_size(images)
    named = [
        (name, block, replace(t, layout=arranged(t.layout, size))) for name, block, t in named_traces(probe)
    ]
    with (
        evaluation(model),
        tqdm(desc="graphs", total=sum(len(_chosen(t, limits)) for _, _, t in named), delay=PATIENCE) as bar,
    ):
        found = {name: _record(name, module, trace, limits, bar) for name, module, trace in named}
    blocks = [record for record in found.values() if isinstance(record, BlockRecord)]
    skipped = probe.skipped | {name: reason for name, reason in found.items() if isinstance(reason, str)}
    joins = [
        join_record(name, type(module).__name__, trace, limits.graphs, size)
        for name, module, trace in named_crossings(probe)
    ]
    if not blocks and not joins:
        raise ValueError("no block was measured: " + "; ".join(f"{k}: {v}" for k, v in skipped.items()))
    return Snapshot(label, type(model).__name__, list(leading(images).shape), blocks, skipped, joins)


def named_traces(probe: SpectralProbe) -> Iterator[tuple[str, nn.Module, Trace]]:
    """Each application of each block: its name in records, the block, and what it did."""
    return _numbered(probe, probe.traces)


def named_crossings(probe: SpectralProbe) -> Iterator[tuple[str, nn.Module, CrossTrace]]:
    """The same of cross-attention."""
    return _numbered(probe, probe.crossings)


def _numbered(
    probe: SpectralProbe, found: Mapping[str, Sequence[OneTrace]]
) -> Iterator[tuple[str, nn.Module, OneTrace]]:
    for path, traces in found.items():
        for number, trace in enumerate(traces, start=1):
            which = f", application {number}" if len(traces) > 1 else ""
            yield f"{path or 'the model itself'}{which}", probe.modules[path], trace


def _record(name: str, module: nn.Module, trace: Trace, limits: Limits, bar: tqdm[Any]) -> BlockRecord | str:
    """The record of a block, or why there is none; what is wrong with its numbers is raised with its name."""
    if not _chosen(trace, limits):
        return (
            f"a graph of {trace.shift.shape[-1]} nodes without factors, which large={limits.large} leaves out"
        )
    try:
        found = _block(name, module, trace, limits, bar)
    except ConvergenceError as error:
        return str(error)
    except (ValueError, torch.linalg.LinAlgError) as error:
        raise ValueError(f"block {name}: {error}") from error
    check_numbers(name, found)
    return found


def _block(name: str, module: nn.Module, trace: Trace, limits: Limits, bar: tqdm[Any]) -> BlockRecord:
    graphs = [_graph(trace, index, limits) for index in _chosen(trace, limits)]
    found = [graph.spectrum for graph in graphs]
    edges = _edges(found)
    return BlockRecord(
        name=name,
        kind=type(module).__name__,
        nodes=trace.shift.shape[-1],
        spatial=list(trace.layout.spatial),
        heads=trace.graphs,
        facts=facts(trace, len(graphs), found),
        is_symmetric=trace.shift.is_symmetric,
        bound=trace.shift.spectral_bound,
        edges=edges.tolist(),
        graphs=[
            _graph_record(graph, index, trace.graphs, edges, limits, bar)
            for graph, index in zip(graphs, _chosen(trace, limits), strict=True)
        ],
        responses=_responses(trace, edges, found),
        gates=_gates(module),
        is_causal=is_triangular(trace.shift),
    )


def _gates(module: nn.Module) -> list[float]:
    gates = (getattr(unit, "gate", None) for unit in getattr(module, "units", []))
    return [float(gate) for gate in gates if gate is not None]


def _chosen(trace: Trace, limits: Limits) -> list[int]:
    """Numbers of the graphs to analyse, evenly spread."""
    count, most = trace.shift.shape[0], limits.graphs if _is_whole(trace.shift, limits) else limits.large
    return torch.linspace(0, count - 1, min(count, most)).round().long().unique().tolist()


def _is_whole(shift: ShiftOperator, limits: Limits) -> bool:
    """Whether all eigenvalues are found."""
    return factored(shift) is not None or shift.shape[-1] <= limits.nodes


def _graph(trace: Trace, index: int, limits: Limits) -> Graph:
    shift, before = trace.shift.graph(index), trace.signal[index : index + 1]
    after = trace.filter(before, shift)
    if factored(shift) is None and shift.shape[-1] <= limits.matrix:
        matrix, bound = shift.to_dense(), shift.spectral_bound
        shift = DenseShift(matrix, is_symmetric=shift.is_symmetric, spectral_bound=bound)
    whole = _is_whole(shift, limits)
    k = None if whole else min(limits.k, shift.shape[-1])
    found = spectrum(shift, k, eigenvectors=whole and shift.is_symmetric, max_nodes=limits.nodes)
    return Graph(shift, found, trace.layout, before, after)


def _edges(found: list[Spectrum]) -> Tensor:
    """Edges of the histograms: ``[0, 2]``, and wider where a spectrum reaches beyond."""
    real = torch.cat([one.frequencies.real.flatten().cpu() for one in found])
    return torch.linspace(
        min(0.0, float(real.min())), max(2.0, float(real.max())), BINS + 1, dtype=torch.float64
    )


def _graph_record(
    graph: Graph, index: int, heads: int, edges: Tensor, limits: Limits, bar: tqdm[Any]
) -> GraphRecord:
    values = graph.spectrum.paired[0].cpu().to(torch.complex128)
    density, before, after = (found.histogram(edges)[0].tolist() for found in _densities(graph, limits))
    bar.update()
    return GraphRecord(
        image=index // heads,
        graph=index % heads,
        eigenvalues=[(value.real, value.imag) for value in values.tolist()],
        zeros=graph.spectrum.exact_zeros,
        is_complete=graph.spectrum.is_complete,
        density=density,
        before=before,
        after=after,
        measures=quantities(graph, limits),
        is_certified=graph.spectrum.is_certified,
    )


def _densities(graph: Graph, limits: Limits) -> list[Density]:
    """Over ``λ``: of the eigenvalues, and of the energy of the signal before and after the filter."""
    undirected, signals = symmetric_part(graph.shift), [graph.before.double(), graph.after.double()]
    if not graph.spectrum.is_complete:
        noise = random_signal(undirected, PROBES)
        return quadratures(undirected, [noise, *map(mixed, signals)], limits.steps)
    found = graph.spectrum
    if found.eigenvectors is None:
        found = spectrum(undirected, eigenvectors=True, max_nodes=limits.nodes)
    real = graph.spectrum.frequencies.real
    eigenvalues = Density(real, torch.full_like(real, 1 / real.shape[-1]))
    return [eigenvalues, *(signal_density(z, graph.shift, found=found) for z in signals)]


def _responses(trace: Trace, edges: Tensor, found: list[Spectrum]) -> list[ResponseRecord]:
    """Responses over the edges' range; what kind they are is judged where the graphs have frequencies."""
    if trace.respond is None:
        return []
    lam = torch.linspace(float(edges[0]), float(edges[-1]), FREQUENCIES, dtype=torch.float64)
    ends = [_range(one) for one in found]
    lowest, highest = min(low for low, _ in ends), max(high for _, high in ends)
    return [
        _response_record(response, response.within(lowest - 0.05, highest + 0.05).kind)
        for response in trace.respond(lam)
    ]


def _range(found: Spectrum) -> tuple[float, float]:
    """Where a graph may have frequencies: those left out have at most the least ``|μ|`` known."""
    real = found.frequencies.real
    if found.is_complete:
        return float(real.min()), float(real.max())
    least = float(found.eigenvalues.abs().min())
    return min(float(real.min()), 1 - least), max(float(real.max()), 1 + least)


def _response_record(response: Response, kind: str) -> ResponseRecord:
    singular = response.singular_values
    return ResponseRecord(
        frequencies=response.frequencies.tolist(),
        greatest=singular[:, 0].tolist(),
        mean=response.mean_gain.tolist(),
        least=singular[:, -1].tolist(),
        kind=kind,
    )
