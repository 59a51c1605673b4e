"""What the numbers of a block say, in sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gsp_nonlocal.analysis.record import BlockRecord

SHOWN_AS_ZERO = 1e-12
"""What is smaller is shown as 0."""


@dataclass(frozen=True)
class Finding:
    """One sentence: ``"bad"`` where something is wrong, ``"note"`` where a block leaves the symmetric
    theory."""

    kind: Literal["bad", "note", "good"]
    text: str


def findings(block: BlockRecord) -> list[Finding]:
    """What is certain of a block, the worst first."""
    return [*_start(block), *_bounds(block), *_graph(block), *_theory(block)]


def summary(block: BlockRecord) -> str:
    """One line: which band passes, and where the energy of the signal goes."""
    before, after = block.mean("dirichlet_before"), block.mean("dirichlet_after")
    passed = f"{passes(block)}; " if block.responses else ""
    return (
        f"{passed}mean frequency of the signal {number(before)} before the filter, {number(after)} after it"
    )


def passes(block: BlockRecord) -> str:
    """Which band its filters pass, where the graphs have frequencies; empty without a response."""
    return " and ".join(sorted({response.kind for response in block.responses}))


def number(value: float | None) -> str:
    """Three digits, with a true minus sign; a dash for what is not known, or infinite."""
    if value is None:
        return "–"
    digits = f"{value:.3g}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")
    return "0" if abs(value) < SHOWN_AS_ZERO else digits.replace("-", "\u2212")


def _start(block: BlockRecord) -> list[Finding]:
    text = (
        "The gate γ is 0, so the block's output is its input: it has not been trained yet. Train it, or load "
        "trained weights."
    )
    return [Finding("bad", text)] if block.gates and not any(block.gates) else []


def _bounds(block: BlockRecord) -> list[Finding]:
    radius = max(block.values("spectral_radius"), default=0.0)
    if block.bound is not None and radius > block.bound + 1e-3:
        text = (
            f"An eigenvalue has size {number(radius)}, beyond the proven bound {block.bound:g}: the numbers "
            "have too few digits."
        )
        return [Finding("bad", text)]
    if radius > 1 + 1e-3:
        text = f"|μ| reaches {number(radius)}, beyond 1: applied again and again, S grows without bound."
        return [Finding("note", text)]
    return []


RANK_ONE = (
    "S is within a tenth of rank one: up to a factor, every position collects the same, so differences "
    "between positions are lost."
)
ALIKE = "All rows are alike: what a position collects does not depend on the position."
EVEN = "Rows are even: every position gives all others the same weight, which is a plain average."
ALONE = "Every position collects from itself alone: the block does not use its graph."


def _graph(block: BlockRecord) -> list[Finding]:
    still = [graph for graph in block.graphs if (graph.measures["spectral_radius"] or 0.0) < 1e-7]
    if still:
        directed = any((graph.measures["asymmetry"] or 0.0) > 0 for graph in still)
        cycle = "no cycle: their eigenvalues are all 0 and say nothing about them"
        what = cycle if directed else "no edge: all their weights are 0"
        return [Finding("bad", f"{len(still)} of {len(block.graphs)} graphs have {what}.")]
    agreement = _mean(block, "row_agreement", 0.5)
    signs = {
        RANK_ONE: _mean(block, "distance_to_rank_one", 1.0) < 0.1,
        ALIKE: agreement > 0.99,
        EVEN: _mean(block, "row_entropy", 0.0) > 0.98,
        ALONE: agreement < 0.9 and _mean(block, "row_distance", 1.0) < 1e-3,
    }
    return [Finding("bad", text) for text, holds in signs.items() if holds and block.nodes > 1]


def _mean(block: BlockRecord, measure: str, unknown: float) -> float:
    mean = block.mean(measure)
    return unknown if mean is None else mean


CAUSAL = (
    "Causal: no position collects from a later one. So S is triangular, and its eigenvalues are the weights "
    "that positions give themselves: they say what a position keeps, not how signals vary over the graph."
)


def _theory(block: BlockRecord) -> list[Finding]:
    if block.is_causal:
        return [Finding("note", CAUSAL)]
    asymmetry = max(block.values("asymmetry"), default=1.0)
    if block.is_symmetric or asymmetry < 1e-6:
        how = "Symmetric" if block.is_symmetric else "Symmetric, though nothing makes it so"
        text = f"{how}: frequencies are real and eigenvectors orthogonal, so the spectral theory holds."
        return [Finding("good", text)]
    real = _imaginary(block)
    known = {
        name: block.mean(name) for name in ("asymmetry", "departure_from_normality", "eigenvector_condition")
    }
    told = ", ".join(
        f"{name.replace('_', ' ')} {number(value)}" for name, value in known.items() if value is not None
    )
    text = f"Not symmetric{real}{f' ({told})' if told else ''}: the spectral theory holds only in part."
    return [Finding("note", text)]


def _imaginary(block: BlockRecord) -> str:
    """What is known of imaginary parts; empty where eigenvalues that were left out may have greater ones."""
    known = block.values("imaginary")
    if len(known) < len(block.graphs):
        return ""
    greatest = max(known, default=0.0)
    return (
        ", but its eigenvalues are real"
        if greatest < 1e-6
        else f", imaginary parts |Im μ| up to {number(greatest)}"
    )
