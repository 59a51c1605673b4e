"""Signals on a sparse graph: ``filters`` and ``gsp_nonlocal.signals`` against PyGSP, in time and in error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from scipy.sparse import diags, identity, issparse
from scipy.sparse.linalg import expm_multiply, spsolve
from torch import Tensor

from experiments.benchmark.measure import median_ratio, summary, time_in_turns
from experiments.benchmark.sections import Row, Section
from filters import Heat, frames
from gsp_nonlocal import graphs
from gsp_nonlocal.shifts import ShiftOperator, SparseShift
from gsp_nonlocal.signals import denoise, interpolate, kron_reduction

NODES, NEIGHBOURS, CHANNELS = 10_000, 8, 4
TAU, ALPHA, ORDER = 5.0, 2.0, 30
"""Of the heat, of Tikhonov's energy, and the degree of PyGSP's polynomials (its default)."""

Made = Callable[[], Any]


class Scene(NamedTuple):
    """One graph and one signal in both libraries."""

    shift: SparseShift
    z: Tensor
    known: Tensor
    graph: Any

    @property
    def signal(self) -> np.ndarray:
        """``(N, C)``, as PyGSP has it."""
        return self.z[0].numpy()

    @property
    def laplacian(self) -> Any:
        """``L = 2 (D − A) / λ_max``, sparse."""
        return self.graph.L * (2 / self.graph.lmax)

    @property
    def tau(self) -> float:
        """PyGSP's ``τ`` of our ``α``."""
        return 2 * ALPHA / self.graph.lmax


def scene(nodes: int) -> Scene:
    """A random sensor graph in float64; a tenth of its nodes is known. PyGSP must be installed."""
    data = graphs.sensor(nodes, NEIGHBOURS, seed=0, dtype=torch.float64)
    theirs = import_module("pygsp.graphs").Graph(graphs.to_scipy(data))
    theirs.estimate_lmax()
    shift = graphs.shift(data, normalization=None, lambda_max=float(theirs.lmax))
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(1, nodes, CHANNELS, generator=generator, dtype=torch.float64)
    return Scene(shift, z, torch.rand(nodes, generator=generator) < 0.1, theirs)


def compare_toolkits(nodes: int, rounds: int) -> Iterable[Row]:
    """A call of each library, in turns, and how far each is from the answer."""
    made = scene(nodes)
    for name, task in TASKS.items():
        calls = task(made)
        times = time_in_turns({key: _run(calls[key]) for key in ("ours", "PyGSP")}, rounds)
        exact = _array(calls["exact"]())
        yield {
            "what": name,
            "nodes": float(nodes),
            **summary("ours", times["ours"]),
            **summary("PyGSP", times["PyGSP"]),
            "times faster": median_ratio(times["PyGSP"], times["ours"]),
            "ours off by": _error(calls["ours"](), exact),
            "PyGSP off by": _error(calls["PyGSP"](), exact),
        }


def _heat(made: Scene) -> Mapping[str, Made]:
    filters = import_module("pygsp.filters")
    ours, theirs = Heat(TAU, order=ORDER), filters.Heat(made.graph, 2 * TAU)
    return {
        "ours": lambda: ours(made.z, made.shift),
        "PyGSP": lambda: theirs.filter(made.signal, order=ORDER),
        "exact": lambda: expm_multiply(-TAU * made.laplacian, made.signal),
    }


def _wavelets(made: Scene) -> Mapping[str, Made]:
    ours, theirs = frames.mexican_hats(order=ORDER), import_module("pygsp.filters").MexicanHat(made.graph)
    return {
        "ours": lambda: ours(made.z, made.shift).movedim(-2, -1),
        "PyGSP": lambda: theirs.filter(made.signal, order=ORDER),
        "exact": lambda: theirs.filter(made.signal, order=8 * ORDER),
    }


def _denoising(made: Scene) -> Mapping[str, Made]:
    learning, everywhere = import_module("pygsp.learning"), np.ones(len(made.signal), dtype=bool)
    return {
        "ours": lambda: denoise(made.z, made.shift, "tikhonov", ALPHA),
        "PyGSP": lambda: learning.regression_tikhonov(made.graph, made.signal, everywhere, made.tau),
        "exact": lambda: _solved(identity(len(made.signal)), made, made.signal),
    }


def _regression(made: Scene) -> Mapping[str, Made]:
    learning, known = import_module("pygsp.learning"), made.known.numpy()
    return {
        "ours": lambda: interpolate(made.z, made.known, made.shift, ALPHA),
        "PyGSP": lambda: learning.regression_tikhonov(made.graph, made.signal, known, made.tau),
        "exact": lambda: _solved(diags(known.astype(float)), made, known[:, None] * made.signal),
    }


def _harmonic(made: Scene) -> Mapping[str, Made]:
    learning, known = import_module("pygsp.learning"), made.known.numpy()

    def theirs() -> np.ndarray:  # by a direct solver
        return learning.regression_tikhonov(made.graph, made.signal, known, 0)

    return {
        "ours": lambda: interpolate(made.z, made.known, made.shift),
        "PyGSP": theirs,
        "exact": theirs,
    }


def _reduction(made: Scene) -> Mapping[str, Made]:
    reduction, kept = import_module("pygsp.reduction"), np.arange(0, len(made.signal), 2)
    laplacian = made.laplacian.tocsr()

    def theirs() -> Any:  # by a direct solver
        return reduction.kron_reduction(laplacian, kept)

    return {
        "ours": lambda: kron_reduction(made.shift, torch.from_numpy(kept)),
        "PyGSP": theirs,
        "exact": theirs,
    }


TASKS: Mapping[str, Callable[[Scene], Mapping[str, Made]]] = {
    "heat": _heat,
    "wavelets": _wavelets,
    "denoising": _denoising,
    "interpolation": _regression,
    "harmonic": _harmonic,
    "Kron reduction": _reduction,
}
"""Name to the calls ``ours`` and ``PyGSP`` and the answer, ``exact``."""


def _solved(weights: Any, made: Scene, right: np.ndarray) -> np.ndarray:
    return spsolve((weights + ALPHA * made.laplacian).tocsc(), right)


def _run(call: Made) -> Callable[[], None]:
    def run() -> None:
        call()

    return run


def _array(found: Any) -> np.ndarray:
    """A tensor, matrix or array as an array; of a shift ``I − S``."""
    if isinstance(found, ShiftOperator):
        return np.eye(found.shape[-1]) - found.to_dense()[0].numpy()
    if isinstance(found, Tensor):
        return found[0].numpy()
    return cast(Any, found).toarray() if issparse(found) else np.asarray(found)


def _error(found: Any, exact: np.ndarray) -> float:
    """Greatest difference over the greatest entry."""
    return float(np.abs(_array(found) - exact).max() / np.abs(exact).max())


def toolkit_sections(rounds: int, quick: bool) -> dict[str, Section]:
    """Title to rows, not yet measured; none where PyGSP is not installed."""
    if not find_spec("pygsp"):
        return {}
    rows = compare_toolkits(NODES // 10 if quick else NODES, rounds)
    return {"signals against PyGSP": Section(rows, len(TASKS), rounds)}
