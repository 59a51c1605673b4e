"""A nonlocal block in words: its row of the unified table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from filters.promises import Promises

if TYPE_CHECKING:
    from gsp_nonlocal.affinity import Affinity
    from gsp_nonlocal.blocks.nonlocal_block import NonlocalBlock, NonlocalUnit


@dataclass(frozen=True)
class Description:
    """What a block is as a graph filter.

    Attributes:
        vertices: number of nodes for a map of ``N`` positions and inner width ``C``.
        edges: which nodes are joined.
        shift: the shift ``S`` of the weights.
        signal: the node signal.
        response: the filter's response over the eigenvalues ``μ`` of ``S``; ``K`` is its order.
        applied: how often, with which shifts.
        symmetric: whether ``S`` is.
        spectrum: a proven bound of the eigenvalues.
        time: growth with ``N``.
        memory: growth with ``N``.
    """

    vertices: str
    edges: str
    shift: str
    signal: str
    response: str
    applied: str
    symmetric: str
    spectrum: str
    time: str
    memory: str

    def __str__(self) -> str:
        width = max(len(field.name) for field in fields(self))
        return "\n".join(f"{field.name:{width}}  {getattr(self, field.name)}" for field in fields(self))


def describe(block: NonlocalBlock) -> Description:
    """The row of ``block`` in the unified table; see :meth:`NonlocalBlock.describe`."""
    unit = block.units[0]
    affinities = [block.affinity, *([] if unit.affinity is None else [unit.affinity])]
    return Description(
        vertices=block.vertices.name,
        edges=block.affinity.edges,
        shift=", plus ".join(affinity.equation for affinity in affinities),
        signal=_signal(unit, block.inner_channels),
        response=_response(block),
        applied=_applied(block),
        symmetric="yes" if _promises(affinities).symmetric else "no",
        spectrum=_spectrum(affinities),
        time=block.affinity.time,
        memory=block.affinity.memory,
    )


def _response(block: NonlocalBlock) -> str:
    if getattr(block.affinity, "sub_sample", None) == "max":
        return "none: max pooling is not linear"
    filter = block.units[0].filter
    order = f", K = {filter.order}" if "Σ" in filter.formula and hasattr(filter, "order") else ""
    return filter.formula + order


def _applied(block: NonlocalBlock) -> str:
    units, rounds = len(block.units), block.recurrence
    if units == 1:
        return "once" if rounds == 1 else f"{rounds} times, each on a new S"
    return f"{units} times on one S" + ("" if rounds == 1 else f", in {rounds} rounds")


def _signal(unit: NonlocalUnit, inner_channels: int) -> str:
    width = unit.filter.in_channels
    if width == 1 and inner_channels > 1:
        return "X W_g, scalar"
    return f"X W_g, {width} channels" if list(unit.value.parameters()) else f"X, {width} channels"


def _spectrum(affinities: list[Affinity]) -> str:
    bound = _promises(affinities).bound
    return "no bound" if bound is None else f"|μ| ≤ {bound:g}"


def _promises(affinities: list[Affinity]) -> Promises:
    """Those of the block's shift, the sum of its affinities' shifts."""
    parts = [affinity.promises for affinity in affinities]
    return parts[0] if len(parts) == 1 else Promises.of_sum(parts)


def describe_all(blocks: Mapping[str, NonlocalBlock]) -> str:
    """A Markdown table with a row for each of the ``blocks``, by name."""
    names = [field.name for field in fields(Description)]
    rows = [[name, *_cells(describe(block))] for name, block in blocks.items()]
    lines = [["block", *names], ["---"] * (len(names) + 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(description: Description) -> list[str]:
    values = (getattr(description, field.name) for field in fields(description))
    return [value.replace("|", "\\|") for value in values]
