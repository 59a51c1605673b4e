"""Strategies: how cases are drawn. Edges come often: a fuzzer that draws the usual finds nothing."""

from __future__ import annotations

import math

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.fuzz.content import KINDS as CONTENTS
from tests.fuzz.content import LIMITS
from tests.fuzz.case import dtype_of
from tests.fuzz.expressions import FILTER_OPTIONS, POSITIVE, call, choices, families, fixed
from tests.fuzz.filter_case import CLOSED, LAYOUTS, FilterCase
from tests.fuzz.graphs import KINDS, Graph
from tests.fuzz.laws import LAWS

SEEDS = st.integers(0, 2**16)
NODES = st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16])
LARGE = [151, 160]
"""Nodes beyond which PyTorch's batched LU is wrong with several threads; drawn once in a while."""
SCALES = st.sampled_from([1.0] * 10 + [1e-30, 1e-21, 1e-12, 1e-4, 1e4, 1e12, 1e20, 1e30])
DTYPES = ["float32", "float32", "float32", "float64", "float64", "bfloat16", "float16"]
HALF = ("float16", "bfloat16")
COMPUTED = ("affinity", "relu-dot", "sum", "scaled", "sparse")
"""Kinds whose numbers are computed when the shift is made: they are not made of half precision."""


def scales(dtype: str) -> SearchStrategy[float]:
    """Sizes of numbers that a data type has."""
    limit = LIMITS.get(dtype_of(dtype), math.inf)
    return SCALES.filter(lambda scale: 1 / limit <= scale <= limit)


@st.composite
def family(draw: DrawFn, channels: int, out: int) -> str:
    """One family with some of its options."""
    kinds = families()
    name = draw(st.sampled_from(sorted(kinds)))
    table = choices(kinds[name], FILTER_OPTIONS)
    options = {key: draw(st.sampled_from(values)) for key, values in table.items()}
    if name == "ARMA":
        options["order"] = max(options["order"], 1)
    return call(name, channels, out, **options)


@st.composite
def fixed_response(draw: DrawFn) -> str:
    """A named fixed response, or any function."""
    name = draw(st.sampled_from([*fixed(), "SpectralFunction"]))
    return "SpectralFunction(torch.cos)" if name == "SpectralFunction" else call(name, draw(st.sampled_from(POSITIVE)))


@st.composite
def filters(draw: DrawFn, channels: int, out: int, depth: int = 2) -> str:
    """A filter from ``channels`` to ``out`` channels, with compositions up to a depth."""
    kind = draw(st.sampled_from(["family"] * 4 + ["fixed", "sum", "difference", "cascade", "scaled", "residual"]))
    if kind == "family" or depth == 0:
        return draw(family(channels, out))
    if kind == "fixed":
        return f"{draw(family(channels, out))} @ {draw(fixed_response())}"
    smaller = filters(channels, out, depth - 1)
    if kind in ("sum", "difference"):
        return f"({draw(smaller)} {'+' if kind == 'sum' else '-'} ({draw(smaller)}))"
    if kind == "cascade":
        inner = draw(st.integers(1, 3))
        return f"(({draw(filters(inner, out, depth - 1))}) @ ({draw(filters(channels, inner, depth - 1))}))"
    if kind == "residual" and channels == out:
        return f"(Identity() + ({draw(smaller)}))"
    return f"{draw(st.sampled_from([0.0, -0.5, 3.0]))} * ({draw(smaller)})"


@st.composite
def graphs(
    draw: DrawFn, nodes: int, batch: int, dtype: str, depth: int = 1, kinds: tuple[str, ...] | None = None
) -> Graph:
    """A shift of any kind over ``nodes`` nodes."""
    names = [n for n in (kinds or tuple(KINDS)) if depth or n not in ("sum", "scaled")]
    if nodes > 16:
        names = ["dense", "plain tensor", "low-rank", "relu-dot", "attention"]
    kind = draw(st.sampled_from(names))
    parts = {"sum": 2, "scaled": 1}.get(kind, 0)
    plain = tuple(name for name in KINDS if name != "plain tensor")
    smaller = graphs(nodes, batch, dtype, depth - 1, plain)
    return Graph(
        kind,
        batch=batch,
        nodes=nodes,
        rank=draw(st.integers(1, 4)) if nodes <= 16 else draw(st.sampled_from([2, 170])),
        content=draw(st.sampled_from(sorted(CONTENTS))),
        scale=draw(scales(dtype)) if not parts else 1.0,
        seed=draw(SEEDS),
        option=draw(st.sampled_from(KINDS[kind].options)),
        parts=tuple(draw(smaller) for _ in range(parts)),
    )


@st.composite
def filter_cases(draw: DrawFn) -> FilterCase:
    """A filter on a graph, with a law."""
    nodes = draw(st.one_of(NODES, NODES, NODES, st.sampled_from(LARGE))) if draw(st.integers(0, 19)) == 0 else draw(NODES)
    large = nodes > 16
    batch = draw(st.sampled_from([1, 2, 3]))
    dtype = draw(st.sampled_from(DTYPES))
    graph_dtype = draw(st.sampled_from([dtype] * 4 + ["float32", "float64"]))
    graph = draw(graphs(nodes, draw(st.sampled_from([1, batch])), graph_dtype))
    if graph_dtype in HALF and graph.kind in COMPUTED:
        graph_dtype = "float32"
    channels = draw(st.integers(1, 3))
    return FilterCase(
        filter=draw(filters(channels, draw(st.integers(1, 3)), depth=0 if large else 2)),
        graph=graph,
        law=draw(st.sampled_from(["values"] if large else [*LAWS, "values", "gradients"])),
        channels=channels,
        batch=batch,
        content=draw(st.sampled_from(sorted(CONTENTS))),
        scale=draw(scales(dtype)) if graph.scale == 1.0 and not graph.parts else 1.0,
        seed=draw(SEEDS),
        dtype=dtype,
        graph_dtype=graph_dtype,
        layout=draw(st.sampled_from(sorted(LAYOUTS))),
        autocast=draw(st.sampled_from([False, False, True])),
        threads=draw(st.sampled_from([1, 1, 2])),
    )


__all__ = ["CLOSED", "filter_cases", "filters", "graphs", "scales"]
