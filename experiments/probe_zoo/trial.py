"""One model under the probe and under the witness: its row of the table."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from experiments.probe_zoo.witness import Seen, Witness
from gsp_nonlocal.probe import CrossTrace, SpectralProbe, Trace
from gsp_nonlocal.shifts import LowRankShift

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


@dataclass
class Count:
    """What the probe and the witness found, by path."""

    seen: Counter[str]
    found: Mapping[str, list[Trace | CrossTrace]]
    skipped: Mapping[str, str]
    again: Counter[str]

    def __post_init__(self) -> None:
        at_home = Counter[str]()
        for path, number in self.seen.items():
            at_home[self._home(path)] += number
        spare = Counter[str]()
        for path, number in self.again.items():
            spare[self._home(path)] += number
        read = {path: len(traces) for path, traces in self.found.items()}
        self.caught = sum(min(number, read.get(path, 0)) for path, number in at_home.items())
        missed = Counter({path: number - read.get(path, 0) for path, number in at_home.items()})
        self.named = Counter({path: n for path, n in missed.items() if n > 0 and self._is_named(path)})
        self.silent = Counter({path: n for path, n in missed.items() if n > 0 and not self._is_named(path)})
        more = {path: number - at_home[path] - spare[path] for path, number in read.items()}
        factors = {path: sum(map(_is_factors, traces)) for path, traces in self.found.items()}
        self.linear = Counter(
            {path: min(n, factors[path]) for path, n in more.items() if n > 0 and factors[path]}
        )
        self.beyond = Counter(
            {path: n - self.linear[path] for path, n in more.items() if n > self.linear[path]}
        )

    def _home(self, path: str) -> str:
        """The path with traces that this one is, or is inside of."""
        around = [
            other for other in self.found if path == other or path.startswith(f"{other}." if other else "")
        ]
        exact = [path] if path in self.found else sorted(around, key=len)[-1:]
        return exact[0] if exact else path

    def _is_named(self, path: str) -> bool:
        return any(
            f"{path}.".startswith(f"{other}.") or f"{other}.".startswith(f"{path}.") for other in self.skipped
        )


def _is_factors(trace: Trace | CrossTrace) -> bool:
    return isinstance(trace, Trace) and isinstance(trace.shift, LowRankShift)


def tried(name: str, family: str, network: nn.Module, given: Given) -> Row:
    """The row of a model."""
    library, _, model = name.partition(".")
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        _pass(network, given)
        plain, plain_time = _pass(network, given)
        probe = SpectralProbe(network, max_nodes=2**24)
        try:
            with probe:
                output, time_under = _pass(network, given)
        except ValueError as error:
            if NOTHING not in str(error):
                raise
            output, time_under = plain, float("nan")
        witness = Witness(network)
        with witness:
            _pass(network, given)
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    return _row(
        (library, family, model, _size(given)),
        network,
        probe,
        witness,
        equal(plain, output),
        time_under / plain_time,
    )


def _row(
    names: tuple[str, ...],
    network: nn.Module,
    probe: SpectralProbe,
    witness: Witness,
    same: bool,
    ratio: float,
) -> Row:
    found: dict[str, list[Trace | CrossTrace]] = {
        path: [*probe.traces.get(path, []), *probe.crossings.get(path, [])] for path in probe.modules
    }
    count = Count(Counter(one.path for one in witness.seen), found, probe.skipped, witness.again)
    apart = [
        one for one in (_difference(one, found.get(one.path, [])) for one in witness.seen) if one is not None
    ]
    numbers = (
        len(witness.seen),
        count.caught,
        *(part.total() for part in (count.named, count.silent, count.linear, count.beyond, witness.gates)),
        f"{max(apart):.1e}" if apart else "",
        len(apart),
        "" if math.isnan(ratio) else "yes" if same else "NO",
        "" if math.isnan(ratio) else f"{ratio:.2f}",
    )
    notes = [
        f"{word}: {_kinds(network, paths)}"
        for word, paths in {
            "silent": count.silent,
            "named": count.named,
            "linear": count.linear,
            "beyond": count.beyond,
            "without softmax": {path: 1 for path in probe.skipped if path not in count.named},
        }.items()
        if paths
    ]
    return Row(*names, *map(str, numbers), "; ".join(notes))


def _kinds(network: nn.Module, paths: Mapping[str, int]) -> str:
    kinds = Counter[str]()
    for path, number in paths.items():
        kinds[type(network.get_submodule(path)).__name__] += number
    return ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))


def _difference(one: Seen, traces: Iterable[Trace | CrossTrace]) -> float | None:
    """From the nearest of the module's graphs that have the same size; ``None`` if none has."""
    apart = []
    for trace in traces:
        graphs = trace.shift if isinstance(trace, Trace) else trace.weights
        if graphs.shape == (one.graphs, *one.weights[0].shape):
            ends = (graphs.graph(0).to_dense()[0], graphs.graph(one.graphs - 1).to_dense()[0])
            apart.append(max(float((a - b).abs().max()) for a, b in zip(ends, one.weights, strict=True)))
    return min(apart, default=None)


def _pass(network: nn.Module, given: Given) -> tuple[Any, float]:
    """A forward pass and its seconds."""
    torch.manual_seed(0)
    start = time.perf_counter()
    with torch.no_grad():
        output = network(**given) if isinstance(given, Mapping) else network(*given)
    return output, time.perf_counter() - start


def equal(one: Any, other: Any) -> bool:
    """Whether all tensors in two outputs are the same, bit for bit."""
    pairs = list(zip(_tensors(one), _tensors(other), strict=True))
    return bool(pairs) and all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in pairs)


def _tensors(given: Any) -> Iterator[Tensor]:
    if isinstance(given, Tensor):
        yield given
    elif isinstance(given, Mapping):
        for part in given.values():
            yield from _tensors(part)
    elif isinstance(given, tuple | list):
        for part in given:
            yield from _tensors(part)


def _size(given: Given) -> str:
    tensors = list(_tensors(given))
    return ", ".join(" × ".join(map(str, part.shape)) for part in tensors)
