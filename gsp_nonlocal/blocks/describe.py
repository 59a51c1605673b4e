"""A nonlocal block in words: its row of the unified table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

from filters import GraphFilter
from filters.operators.promises import Promises
from gsp_nonlocal.affinity import Affinity


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

    References:
        Zhu, She, Li, Lu, Kang, Hu, Wang (2021), the columns of their table of blocks.

    Example:
        >>> from gsp_nonlocal import SNL
        >>> row = SNL(64).describe()
        >>> row.response, row.spectrum, row.time
        ('Σ_k T_k(μ) W_k, K = 1', '|μ| ≤ 1', 'N')
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


class Describable(Protocol):
    """What has a row in the unified table."""

    def describe(self) -> Description:
        """The row."""


def describe(
    affinities: Sequence[Affinity],
    filter: GraphFilter,
    *,
    vertices: str,
    inner_channels: int,
    projected: bool,
    units: int,
    rounds: int,
) -> Description:
    """The row of a block in the unified table; see :meth:`NonlocalBlock.describe`.

    Args:
        affinities: the block's own, and that of its units if they have one: the shift is their sum.
        filter: of the first unit.
        vertices: what a node is.
        inner_channels: ``r``.
        projected: whether the signal is ``X W_g``, and not ``X`` itself.
        units: how many share a shift.
        rounds: how often the block is applied.
    """
    shared, parts = affinities[0], [affinity.promises for affinity in affinities]
    promises = parts[0] if len(parts) == 1 else Promises.of_sum(parts)
    bound = promises.bound
    return Description(
        vertices=vertices,
        edges=shared.edges,
        shift=", plus ".join(affinity.equation for affinity in affinities),
        signal=_signal(filter.in_channels, inner_channels, projected),
        response=_response(filter, shared),
        applied=_applied(units, rounds),
        symmetric="yes" if promises.symmetric else "no",
        spectrum="no bound" if bound is None else f"|μ| ≤ {bound:g}",
        time=shared.time,
        memory=shared.memory,
    )


def _response(filter: GraphFilter, affinity: Affinity) -> str:
    if getattr(affinity, "sub_sample", None) == "max":
        return "none: max pooling is not linear"
    order = f", K = {filter.order}" if "Σ" in filter.formula and hasattr(filter, "order") else ""
    return filter.formula + order


def _applied(units: int, rounds: int) -> str:
    if units == 1:
        return "once" if rounds == 1 else f"{rounds} times, each on a new S"
    return f"{units} times on one S" + ("" if rounds == 1 else f", in {rounds} rounds")


def _signal(width: int | None, inner_channels: int, projected: bool) -> str:
    if width == 1 and inner_channels > 1:
        return "X W_g, scalar"
    return f"X W_g, {width} channels" if projected else f"X, {width} channels"


def describe_all(blocks: Mapping[str, Describable]) -> str:
    """``S``, ``H(μ)``, ``|μ| ≤ c`` and growth with ``N`` of each of the ``blocks``: a Markdown table.

    Args:
        blocks: from the name of a row to a block, or whatever has ``describe()``; an ``nn.ModuleDict`` too.

    Returns:
        The lines of the table; a column is a field of :class:`Description`.

    Raises:
        TypeError: for what is no mapping from names to blocks.

    References:
        Zhu, She, Li, Lu, Kang, Hu, Wang (2021), their table of blocks.

    Example:
        >>> from gsp_nonlocal import NL, SNL
        >>> header, rule, *rows = describe_all({"nl": NL(64), "snl": SNL(64)}).splitlines()
        >>> header.split(" | ")[:4], len(rows)
        (['| block', 'vertices', 'edges', 'shift'], 2)
    """
    _require_describable(blocks)
    names = [field.name for field in fields(Description)]
    rows = [[str(name), *_cells(block.describe())] for name, block in blocks.items()]
    lines = [["block", *names], ["---"] * (len(names) + 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _require_describable(blocks: Any) -> None:
    if not hasattr(blocks, "items"):
        raise TypeError(f"blocks map names to blocks, got {type(blocks).__name__}; give {{name: block}}")
    for name, block in blocks.items():
        if isinstance(block, type) or not hasattr(block, "describe"):
            kind = f"the class {block.__name__}" if isinstance(block, type) else f"a {type(block).__name__}"
            raise TypeError(f"{name!r} is {kind}, which cannot describe itself; give a block")


def _cells(description: Description) -> list[str]:
    values = (getattr(description, field.name) for field in fields(description))
    return [value.replace("|", "\\|") for value in values]
