"""What an analysis found, as plain values: they go to JSON and back, into tables, figures and the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any

from gsp_nonlocal.probe.notebook import table_html


@dataclass(frozen=True)
class GraphRecord:
    """One graph of one image.

    Attributes:
        image: number of the image in the batch.
        graph: number of the head or group.
        eigenvalues: real and imaginary parts of ``μ``: all but the exact zeros, or those of greatest ``|μ|``.
        zeros: how many more eigenvalues are exactly 0.
        is_complete: whether these are all.
        is_certified: whether those of greatest ``|μ|`` are sure to be these, with their multiplicities.
        density: share of all eigenvalues between consecutive ``edges`` of the block, by frequency ``Re λ``;
            of an incomplete directed graph, that of its symmetric part.
        before: share of the energy of the filter's input between the ``edges``.
        after: the same of its output.
        measures: by the names of the quantities; ``None`` where the graph is too large.
    """

    image: int
    graph: int
    eigenvalues: list[tuple[float, float]]
    zeros: int
    is_complete: bool
    density: list[float]
    before: list[float]
    after: list[float]
    measures: dict[str, float | None]
    is_certified: bool = True


@dataclass(frozen=True)
class ResponseRecord:
    """A learned response: the greatest, mean and least gain at each frequency, and its shape in a word."""

    frequencies: list[float]
    greatest: list[float]
    mean: list[float]
    least: list[float]
    kind: str


@dataclass(frozen=True)
class BlockRecord:
    """One application of one block.

    Attributes:
        name: its module path, and which application of it.
        kind: its class.
        nodes: ``N``.
        spatial: size of its map.
        heads: graphs an image, ``G``.
        facts: label and text.
        is_symmetric: whether its shift is by construction.
        bound: proven bound of ``|μ|``, if there is one.
        edges: of the histograms over ``λ``.
        graphs: those that were analysed.
        responses: one, or one a head; none for a filter without.
        gates: residual gates ``γ`` of its units.
        is_causal: whether no node collects from a later one, so that eigenvalues are the diagonal.
    """

    name: str
    kind: str
    nodes: int
    spatial: list[int]
    heads: int
    facts: list[tuple[str, str]]
    is_symmetric: bool
    bound: float | None
    edges: list[float]
    graphs: list[GraphRecord]
    responses: list[ResponseRecord]
    gates: list[float] = field(default_factory=list)
    is_causal: bool = False

    def values(self, measure: str) -> list[float]:
        """A measure over the graphs, where it is known."""
        found = (graph.measures.get(measure) for graph in self.graphs)
        return [value for value in found if value is not None]

    def mean(self, measure: str) -> float | None:
        """Its mean, ``None`` where it is not known."""
        values = self.values(measure)
        return sum(values) / len(values) if values else None


@dataclass(frozen=True)
class JoinRecord:
    """One application of cross-attention, which joins two sets of nodes and has no eigenvalues.

    Attributes:
        name: its module path, and which application of it.
        kind: its class.
        targets: how many queries it has, ``N``.
        sources: how many keys, ``M``.
        heads: graphs an image, ``G``.
        singular: singular values of each measured graph, the greatest first.
        measures: of each of these, by name.
        queries: numbers of some queries, evenly chosen.
        grid: rows and columns of the map that the keys are, 1 and ``M`` where that is not known.
        maps: what the first image's queries weigh the cells of the map, mean of the heads.
    """

    name: str
    kind: str
    targets: int
    sources: int
    heads: int
    singular: list[list[float]]
    measures: list[dict[str, float]]
    queries: list[int] = field(default_factory=list)
    grid: tuple[int, int] = (1, 1)
    maps: list[list[float]] = field(default_factory=list)

    def mean(self, measure: str) -> float:
        """The mean of a measure over the graphs."""
        return sum(graph[measure] for graph in self.measures) / len(self.measures)


@dataclass(frozen=True)
class Snapshot:
    """All blocks of a model at one time of its training.

    Attributes:
        label: such as ``"epoch 3"``; may be empty.
        model: its class.
        shape: of the batch.
        blocks: in the order in which they ran.
        skipped: why a block has no record, by path.
        joins: cross-attention, which is no graph of one set of nodes.

    Example:
        >>> import json, torch
        >>> from gsp_nonlocal import SNL
        >>> from gsp_nonlocal.analysis import Snapshot, snapshot
        >>> found = snapshot(SNL(8), torch.randn(2, 8, 6, 6), label="epoch 3")
        >>> Snapshot.from_dict(json.loads(json.dumps(found.to_dict()))) == found
        True
    """

    label: str
    model: str
    shape: list[int]
    blocks: list[BlockRecord]
    skipped: dict[str, str]
    joins: list[JoinRecord] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Dictionaries, lists, numbers and texts."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Snapshot:
        """The inverse of :meth:`to_dict`, also after JSON."""
        joins = [JoinRecord(**join | {"grid": tuple(join["grid"])}) for join in values.get("joins", [])]
        return cls(**values | {"blocks": [_block(block) for block in values["blocks"]], "joins": joins})

    def _repr_html_(self) -> str:
        """A table of the blocks, for notebooks."""
        heads = ("block", "kind", "nodes", "graphs an image", *NOTEBOOK)
        rows = [
            (
                block.name,
                block.kind,
                block.nodes,
                block.heads,
                *map(_number, map(block.mean, NOTEBOOK.values())),
            )
            for block in self.blocks
        ]
        return f"<p>{escape(f'{self.model} {self.label}')}</p>{table_html(heads, rows, self.skipped)}"

    def measures(self) -> dict[str, float]:
        """``{"block/measure": mean}``, what a training logs."""
        names = dict.fromkeys(name for block in self.blocks for g in block.graphs for name in g.measures)
        means = {f"{block.name}/{name}": block.mean(name) for block in self.blocks for name in names}
        return {key: mean for key, mean in means.items() if mean is not None}


NOTEBOOK = {"|μ|": "spectral_radius", "rank": "effective_rank", "rows agree": "row_agreement"}
"""Measures that a notebook shows, by heading."""


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def courses(snapshots: Sequence[Snapshot]) -> list[tuple[str, list[BlockRecord], list[str]]]:
    """For each block that is in all of two snapshots or more: its name, its records, and their labels."""
    if len(snapshots) < 2:
        return []
    records = [{block.name: block for block in snapshot.blocks} for snapshot in snapshots]
    labels = [snapshot.label or str(number) for number, snapshot in enumerate(snapshots, start=1)]
    names = [name for name in records[-1] if all(name in found for found in records)]
    return [(name, [found[name] for found in records], labels) for name in names]


def _block(values: dict[str, Any]) -> BlockRecord:
    graphs = [
        GraphRecord(**graph | {"eigenvalues": [tuple(pair) for pair in graph["eigenvalues"]]})
        for graph in values["graphs"]
    ]
    responses = [ResponseRecord(**response) for response in values["responses"]]
    facts = [tuple(fact) for fact in values["facts"]]
    return BlockRecord(**values | {"graphs": graphs, "responses": responses, "facts": facts})
