"""What an analysis measures of each graph: one row a quantity, its value in theory, how to read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite

import torch
from torch import Tensor

from gsp_nonlocal.shifts import ShiftOperator
from gsp_nonlocal.shifts.structure import factored
from gsp_nonlocal.spectral import measures
from gsp_nonlocal.spectral.layout import Layout
from gsp_nonlocal.spectral.spectrum import Spectrum


@dataclass(frozen=True)
class Limits:
    """What an analysis may cost.

    Attributes:
        graphs: most graphs of a block that are analysed, evenly spread over images and heads.
        large: the same of blocks whose graphs are beyond ``nodes`` and have no factors; 0 leaves them out. At
            16,384 nodes one takes a minute or two.
        nodes: greatest ``N`` of which all eigenvalues and the norms of the matrix are found.
        matrix: greatest ``N`` of which an ``N × N`` matrix is formed, one graph at a time: products with it
            are cheaper than those of an attention, which computes its weights anew each time.
        normality: greatest ``N`` of directed graphs for departure from normality and condition, which take
            several decompositions of that matrix.
        k: eigenvalues that are found of large graphs, those of greatest ``|μ|``.
        steps: of the Lanczos recurrence for their densities.

    Raises:
        ValueError: if a number is below 1, or ``large`` below 0.

    Example:
        >>> from gsp_nonlocal import SNL
        >>> from gsp_nonlocal.analysis import Limits, snapshot
        >>> found = snapshot(SNL(8), torch.randn(5, 8, 6, 6), limits=Limits(graphs=2))
        >>> [graph.image for graph in found.blocks[0].graphs]
        [0, 4]
    """

    graphs: int = 8
    large: int = 2
    nodes: int = 1024
    matrix: int = 4096
    normality: int = 400
    k: int = 20
    steps: int = 32

    def __post_init__(self) -> None:
        for name, number in vars(self).items():
            if number < (name != "large"):
                raise ValueError(f"{name} must be at least {int(name != 'large')}, got {number}")


@dataclass(frozen=True, eq=False)
class Graph:
    """One graph, as a batch of one: its shift, spectrum, layout, and the signals around its filter."""

    shift: ShiftOperator
    spectrum: Spectrum
    layout: Layout
    before: Tensor
    after: Tensor

    def fits(self, nodes: int) -> bool:
        """Whether measures of the whole matrix may be taken that are allowed up to so many ``nodes``."""
        return factored(self.shift) is not None or self.shift.shape[-1] <= nodes


@dataclass(frozen=True)
class Quantity:
    """A measure of a graph.

    Attributes:
        name: key in records and columns of tables.
        label: for people.
        of: its value, ``None`` where the graph is too large for it.
        theory: what a symmetrically normalised affinity (SNL's) has.
        hint: how to read it.
    """

    name: str
    label: str
    of: Callable[[Graph, Limits], Tensor | None]
    theory: str
    hint: str


def _whole(measure: Callable[..., Tensor], graph: Graph, limits: Limits) -> Tensor | None:
    return measure(graph.shift, max_nodes=limits.nodes) if graph.fits(limits.nodes) else None


def _normality(measure: Callable[..., Tensor], graph: Graph, limits: Limits) -> Tensor | None:
    return _whole(measure, graph, replace(limits, nodes=min(limits.nodes, limits.normality)))


def _complete(measure: Callable[[Spectrum], Tensor], graph: Graph, _: Limits) -> Tensor | None:
    return measure(graph.spectrum) if graph.spectrum.is_complete else None


def _smallest(graph: Graph, _: Limits) -> Tensor | None:
    least = graph.spectrum.eigenvalues.real.amin(-1)
    return least if _is_beyond(-least, graph.spectrum) else None


def _gap(graph: Graph, _: Limits) -> Tensor | None:
    try:
        return measures.spectral_gap(graph.spectrum)
    except ValueError:  # of the eigenvalues known, the second need not be among the greatest
        return None


def _imaginary(graph: Graph, _: Limits) -> Tensor | None:
    values = graph.spectrum.eigenvalues
    if not values.is_complex():
        return torch.zeros(1)
    greatest = values.imag.abs().amax(-1)
    return greatest if _is_beyond(greatest, graph.spectrum) else None


def _is_beyond(size: Tensor, found: Spectrum) -> bool:
    """Whether ``size`` is beyond those left out, whose ``|μ|`` is at most the least known."""
    if found.is_complete:
        return True
    return found.is_certified and bool((size >= (1 - 1e-6) * found.eigenvalues.abs().amin(-1)).all())


QUANTITIES = [
    Quantity(
        "spectral_radius",
        "greatest |μ|",
        lambda g, _: g.spectrum.eigenvalues.abs().amax(-1),
        "1",
        "above 1: S applied again and again grows",
    ),
    Quantity("smallest", "smallest Re μ", _smallest, "−1 to 0", "below 0: some neighbours are pushed apart"),
    Quantity("imaginary", "greatest |Im μ|", _imaginary, "0", "above 0: frequencies are not real"),
    Quantity(
        "spectral_gap",
        "spectral gap",
        _gap,
        "0 to 2",
        "near 0: the graph nearly falls into parts",
    ),
    Quantity(
        "effective_rank",
        "effective rank",
        partial(_complete, measures.effective_rank),
        "1 to 2 r",
        "near 1: all rows are alike",
    ),
    Quantity(
        "spectral_entropy",
        "spectral entropy",
        partial(_complete, measures.spectral_entropy),
        "0 to 1",
        "near 0: one eigenvalue outweighs all others",
    ),
    Quantity(
        "asymmetry",
        "distance to symmetry",
        partial(_whole, measures.asymmetry),
        "0",
        "0.71: every edge goes one way only",
    ),
    Quantity(
        "departure_from_normality",
        "departure from normality",
        partial(_normality, measures.departure_from_normality),
        "0",
        "near 1: eigenvalues say little about S",
    ),
    Quantity(
        "eigenvector_condition",
        "condition of the eigenvectors",
        partial(_normality, measures.eigenvector_condition),
        "1",
        "large: the eigenvectors are nearly dependent",
    ),
    Quantity(
        "distance_to_rank_one",
        "distance to rank one",
        partial(_whole, measures.distance_to_rank_one),
        "0 to 1",
        "near 0: every position collects the same",
    ),
    Quantity(
        "row_entropy",
        "entropy of rows",
        lambda g, _: measures.row_entropy(g.shift).mean(-1),
        "0 to 1",
        "near 1: weights are even; near 0: one position has them all",
    ),
    Quantity(
        "row_distance",
        "mean distance of weights, in cells",
        lambda g, _: measures.row_distance(g.shift, g.layout).mean(-1),
        "0 or more",
        "near 0: a position collects from itself alone",
    ),
    Quantity(
        "row_agreement",
        "agreement of rows",
        lambda g, _: measures.row_agreement(g.shift),
        "0 to 1",
        "near 1: all positions collect the same",
    ),
    Quantity(
        "dirichlet_before",
        "Dirichlet energy before the filter",
        lambda g, _: measures.dirichlet_energy(g.before.double(), g.shift),
        "0 to 2",
        "mean frequency of the signal",
    ),
    Quantity(
        "dirichlet_after",
        "Dirichlet energy after the filter",
        lambda g, _: measures.dirichlet_energy(g.after.double(), g.shift),
        "0 to 2",
        "at 0: all positions have the same value",
    ),
    Quantity(
        "variation_before",
        "total variation before the filter",
        lambda g, _: measures.total_variation(g.before.double(), g.shift),
        "0 or more",
        "how much neighbours differ",
    ),
    Quantity(
        "variation_after",
        "total variation after the filter",
        lambda g, _: measures.total_variation(g.after.double(), g.shift),
        "0 or more",
        "less than before: the filter smooths",
    ),
]


def quantities(graph: Graph, limits: Limits) -> dict[str, float | None]:
    """All quantities of a graph by name; ``None`` where it is too large for one, or the value is infinite."""
    found = {quantity.name: quantity.of(graph, limits) for quantity in QUANTITIES}
    return {
        name: None if value is None or not isfinite(value) else float(value) for name, value in found.items()
    }
