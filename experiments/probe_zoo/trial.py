"""One model under the probe and under the witness: its row of the table."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from experiments.probe_zoo.count import Count, Found, counted
from experiments.probe_zoo.witness import Seen, Witness
from gsp_nonlocal.insert.passes import tensors_in
from gsp_nonlocal.probe import CrossTrace, SpectralProbe, Trace
from gsp_nonlocal.shifts.structure import windows

Given = Mapping[str, Any] | tuple[Any, ...]
"""What a model is called with."""

NOTHING = "ran no nonlocal block and no attention"
"""What the probe's error says, where there is nothing to read."""


@dataclass(frozen=True)
class Row:
    """A model, and what the probe made of its attentions.

    Attributes:
        attentions: by the witness.
        caught: of these, those with a trace or a crossing.
        named: of these, those in ``skipped``.
        silent: of these, the rest.
        linear: factors that the probe read besides: attention without a softmax.
        beyond: what else it read besides: nothing that the witness knows.
        gates: softmaxes that weigh element by element, by the witness.
        difference: the greatest of the affinities from the weights that the witness saw.
        compared: how many were compared.
        equal: whether the output is bit for bit that of a plain pass.
        time_ratio: of one pass under the probe to one without.
        notes: classes of modules that were named, missed or read besides.
    """

    library: str
    family: str
    model: str
    input: str
    attentions: str
    caught: str
    named: str
    silent: str
    linear: str
    beyond: str
    gates: str
    difference: str
    compared: str
    equal: str
    time_ratio: str
    notes: str


def tried(name: str, family: str, network: nn.Module, given: Given) -> Row:
    """The row of a model."""
    library, _, model = name.partition(".")
    is_fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        _pass(network, given)
        plain, seconds = _pass(network, given)
        probe, output, seconds_under = _probed(network, given)
        with Witness(network) as witness:
            _pass(network, given)
    finally:
        torch.backends.mha.set_fastpath_enabled(is_fast)
    names = (library, family, model, _size(given))
    return _row(names, probe, witness, equal(plain, output), seconds_under / seconds)


def _probed(network: nn.Module, given: Given) -> tuple[SpectralProbe, Any, float]:
    """A pass under the probe, its output and seconds; neither where there is nothing to read."""
    probe = SpectralProbe(network, max_nodes=2**24)
    try:
        with probe:
            return probe, *_pass(network, given)
    except ValueError as error:
        if NOTHING not in str(error):
            raise
        return probe, None, math.nan


def _row(
    names: tuple[str, str, str, str], probe: SpectralProbe, witness: Witness, same: bool, ratio: float
) -> Row:
    found: Found = {
        path: [*probe.traces.get(path, []), *probe.crossings.get(path, [])] for path in probe.modules
    }
    count = counted(Counter(one.path for one in witness.seen), found, probe.skipped, witness.again)
    apart = [
        one for one in (_difference(one, found.get(one.path, [])) for one in witness.seen) if one is not None
    ]
    ran = not math.isnan(ratio)
    return Row(
        *names,
        attentions=str(len(witness.seen)),
        caught=str(count.caught),
        named=str(count.named.total()),
        silent=str(count.silent.total()),
        linear=str(count.linear.total()),
        beyond=str(count.beyond.total()),
        gates=str(witness.gates.total()),
        difference=f"{max(apart):.1e}" if apart else "",
        compared=str(len(apart)),
        equal=("yes" if same else "NO") if ran else "",
        time_ratio=f"{ratio:.2f}" if ran else "",
        notes=_notes(probe, count),
    )


def _notes(probe: SpectralProbe, count: Count) -> str:
    others = Counter(path for path in probe.skipped if path not in count.named)
    parts = {
        "silent": count.silent,
        "named": count.named,
        "linear": count.linear,
        "beyond": count.beyond,
        "without softmax": others,
    }
    return "; ".join(f"{word}: {_kinds(probe.model, paths)}" for word, paths in parts.items() if paths)


def _kinds(network: nn.Module, paths: Mapping[str, int]) -> str:
    kinds = Counter[str]()
    for path, number in paths.items():
        kinds[type(network.get_submodule(path)).__name__] += number
    return ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))


def _difference(one: Seen, traces: Iterable[Trace | CrossTrace]) -> float | None:
    """From the nearest of the module's graphs that have the same size; ``None`` if none has."""
    apart = []
    for trace in traces:
        cut = windows(trace.shift) if isinstance(trace, Trace) else None
        graphs = cut.inner if cut else trace.shift if isinstance(trace, Trace) else trace.weights
        if graphs.shape == (one.graphs, *one.weights[0].shape):
            ends = (graphs.graph(0).to_dense()[0], graphs.graph(one.graphs - 1).to_dense()[0])
            apart.append(max(float((a - b).abs().max()) for a, b in zip(ends, one.weights, strict=True)))
    return min(apart, default=None)


def _pass(network: nn.Module, given: Given) -> tuple[Any, float]:
    """A forward pass and its seconds."""
    torch.manual_seed(0)
    start = time.perf_counter()
    output = called(network, given)
    return output, time.perf_counter() - start


def called(network: nn.Module, given: Given) -> Any:
    """What the model returns."""
    with torch.no_grad():
        return network(**given) if isinstance(given, Mapping) else network(*given)


def equal(one: Any, other: Any) -> bool:
    """Whether all tensors in two outputs are the same, bit for bit."""
    these, those = list(tensors_in(one)), list(tensors_in(other))
    same = all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(these, those, strict=False))
    return bool(these) and len(these) == len(those) and same


def _size(given: Given) -> str:
    tensors = list(tensors_in(given))
    return ", ".join(" × ".join(map(str, part.shape)) for part in tensors)
