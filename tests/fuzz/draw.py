"""Strategies: how cases are drawn. Edges come often: a fuzzer that draws the usual finds nothing."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from gsp_nonlocal.blocks import registry
from tests.fuzz.analysis_case import FUNCTIONS, AnalysisCase
from tests.fuzz.bad_case import PROGRAMS, BadCase
from tests.fuzz.block_case import FORMATS, BlockCase
from tests.fuzz.block_case import LAWS as BLOCK_LAWS
from tests.fuzz.case import dtype_of
from tests.fuzz.content import KINDS as CONTENTS
from tests.fuzz.content import LIMITS
from tests.fuzz.expressions import (
    AFFINITIES,
    AFFINITY_CHANNELS,
    FILTER_OPTIONS,
    POSITIVE,
    call,
    choices,
    families,
    fixed,
    settings,
)
from tests.fuzz.filter_case import LAYOUTS, FilterCase
from tests.fuzz.filter_case import family as family_of
from tests.fuzz.graphs import KINDS, Graph
from tests.fuzz.laws import LAWS
from tests.fuzz.promise_case import OPERATIONS, PromiseCase

SEEDS = st.integers(0, 2**16)
NODES = st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16])
LARGE = [151, 160]
"""Nodes beyond which PyTorch's batched LU is wrong with several threads; drawn once in a while."""
LARGE_KINDS = ("dense", "plain tensor", "low-rank", "relu-dot", "attention")
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
    return (
        "SpectralFunction(torch.cos)"
        if name == "SpectralFunction"
        else call(name, *settings(name, draw(st.sampled_from(POSITIVE))))
    )


@st.composite
def filters(draw: DrawFn, channels: int, out: int, depth: int = 2) -> str:
    """A filter from ``channels`` to ``out`` channels, with compositions up to a depth."""
    kind = draw(
        st.sampled_from(["family"] * 4 + ["fixed", "sum", "difference", "cascade", "scaled", "residual"])
    )
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
        names = list(LARGE_KINDS)
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


def symmetric(kind: str, option: str) -> bool:
    """Whether a graph of this kind and option promises to be symmetric."""
    if kind == "sparse":
        return ", rw" not in option and "directed" not in option
    if kind == "affinity":
        return "'average'" in option and "'symmetric'" in option
    return kind in ("relu-dot", "diagonal") or option in ("symmetric", "one factor")


@st.composite
def symmetric_graphs(draw: DrawFn, nodes: int, batch: int, dtype: str) -> Graph:
    """A shift that fixed responses take."""
    graph = draw(graphs(nodes, batch, dtype, 0))
    options = [(k, o) for k in KINDS for o in KINDS[k].options if symmetric(k, o) and KINDS[k].shapes]
    kind, option = draw(st.sampled_from([one for one in options if nodes <= 16 or one[0] in LARGE_KINDS]))
    return replace(graph, kind=kind, option=option)


@st.composite
def filter_cases(
    draw: DrawFn, kinds: tuple[str, ...] | None = None, laws: tuple[str, ...] = (), family: str | None = None
) -> FilterCase:
    """A filter on a graph, with a law; of some kinds, some laws, one family alone where they are given."""
    nodes = draw(st.sampled_from(LARGE)) if draw(st.integers(0, 39)) == 39 else draw(NODES)
    large = nodes > 16
    batch = draw(st.sampled_from([1, 2, 3]))
    dtype = draw(st.sampled_from(DTYPES))
    graph_dtype = draw(st.sampled_from([dtype] * 4 + ["float32", "float64"]))
    channels = draw(st.integers(1, 3))
    expression = draw(filters(channels, draw(st.integers(1, 3)), depth=0 if large else 2))
    if family is not None:
        expression = call(family, channels, 2, order=draw(st.sampled_from([1, 2])))
    graph_batch = draw(st.sampled_from([1, batch]))
    if family_of(expression) == "fixed" and not kinds and draw(st.integers(0, 7)):
        graph = draw(symmetric_graphs(nodes, graph_batch, graph_dtype))
    else:
        graph = draw(graphs(nodes, graph_batch, graph_dtype, kinds=kinds))
    if graph_dtype in HALF and graph.kind in COMPUTED:
        graph_dtype = "float32"
    return FilterCase(
        filter=expression,
        graph=graph,
        law=draw(st.sampled_from(laws or (["values"] if large else [*LAWS, "values", "gradients"]))),
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


BLOCK_OPTIONS: dict[str, list[object]] = {
    "inner_channels": [None, 2, 4],
    "stages": [1, 2],
    "order": [0, 1, 3],
    "gate": [True, False],
    "form": ["auto", "dense", "low_rank"],
    "groups": [1, 2],
    "gamma": [1e-4, 0.1],
    "recurrence": [1, 2],
    "bias": [True, False],
    "sizes": [(1, 2), (3,), (1, 3, 6)],
    "whiten": [True, False],
    "scale": [1.0, None],
    "sub_sample": [None, "average", "max"],
}


@st.composite
def blocks(draw: DrawFn, channels: int) -> str:
    """A named block with some of its options, or a general one of any affinity and filter."""
    named = {registry.get(name).__name__: registry.get(name) for name in registry.names()}
    name = draw(st.sampled_from([*sorted(named), "NonlocalBlock"]))
    if name == "NonlocalBlock":
        affinity = draw(st.sampled_from(AFFINITIES)).split(f"({AFFINITY_CHANNELS}, 2")
        chosen = f"affinity=partial({affinity[0]}{affinity[1][:-1]})"
        inner = draw(family(7, 8)).split("(7, 8")
        return f"NonlocalBlock({channels}, 2, {chosen}, filter=partial({inner[0]}{inner[1][:-1]}))"
    table = choices(named[name], BLOCK_OPTIONS)
    return call(name, channels, **{key: draw(st.sampled_from(values)) for key, values in table.items()})


SPATIAL = [(1,), (7,), (13,), (1, 1), (3, 5), (2, 2), (1, 7), (5, 4), (2, 3, 3), (1, 2, 5), (3, 1, 1)]
"""Sizes of maps, odd ones and single positions among them."""


@st.composite
def block_cases(draw: DrawFn) -> BlockCase:
    """A block on a map."""
    channels = draw(st.sampled_from([2, 4, 8]))
    dtype = draw(st.sampled_from(DTYPES))
    expression = draw(blocks(channels))
    flat = (
        [size for size in SPATIAL if len(size) == 2]
        if "CC(" in expression or "Criss" in expression
        else SPATIAL
    )
    return BlockCase(
        block=expression,
        channels=channels,
        spatial=draw(st.sampled_from(flat)),
        law=draw(st.sampled_from(sorted(BLOCK_LAWS))),
        batch=draw(st.sampled_from([1, 2, 3])),
        content=draw(st.sampled_from(sorted(CONTENTS))),
        scale=draw(scales(dtype)),
        seed=draw(SEEDS),
        dtype=dtype,
        layout=draw(st.sampled_from(sorted(FORMATS))),
        training=draw(st.booleans()),
        autocast=draw(st.sampled_from([False, False, True])) and dtype == "float32",
        threads=draw(st.sampled_from([1, 1, 2])),
    )


@st.composite
def promise_cases(draw: DrawFn) -> PromiseCase:
    """A shift and what is done with it."""
    dtype = draw(st.sampled_from(["float32", "float64"]))
    nodes, batch = draw(NODES), draw(st.sampled_from([1, 2, 3]))
    graph = draw(graphs(nodes, batch, dtype))
    return PromiseCase(graph, draw(st.sampled_from(sorted(OPERATIONS))), dtype)


@st.composite
def analysis_cases(draw: DrawFn) -> AnalysisCase:
    """A function of the analysis on a graph."""
    dtype = draw(st.sampled_from(["float32", "float64"]))
    nodes, batch = draw(NODES), draw(st.sampled_from([1, 2, 3]))
    name = draw(st.sampled_from(sorted(FUNCTIONS)))
    fits = symmetric_graphs if FUNCTIONS[name].symmetric else graphs
    return AnalysisCase(
        function=name,
        graph=draw(fits(nodes, batch, dtype)),
        channels=draw(st.integers(1, 3)),
        content=draw(st.sampled_from(sorted(CONTENTS))),
        scale=draw(scales(dtype)),
        k=draw(st.integers(1, nodes)),
        method=draw(st.sampled_from(["auto", "dense", "krylov"])),
        seed=draw(SEEDS),
        dtype=dtype,
        threads=draw(st.sampled_from([1, 1, 2])),
    )


@st.composite
def bad_cases(draw: DrawFn) -> BadCase:
    """A program with a wrong value in it."""
    program = draw(st.sampled_from(sorted(PROGRAMS)))
    return BadCase(program, draw(st.sampled_from(PROGRAMS[program])))
