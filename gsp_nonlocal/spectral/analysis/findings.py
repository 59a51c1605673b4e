"""What the numbers of a block say, in sentences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gsp_nonlocal.spectral.analysis.record import BlockRecord

ROUNDING = 1e-12
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
    return f"{passed}mean frequency of the signal {number(before)} before, {number(after)} after the filter"


def passes(block: BlockRecord) -> str:
    """Which band its filters pass, where the graphs have frequencies; empty without a response."""
    return " and ".join(sorted({response.kind for response in block.responses}))


def number(value: float | None) -> str:
    """Three digits, with a true minus sign; a dash for what is not known, or infinite."""
    if value is None:
        return "–"
    return "0" if abs(value) < ROUNDING else f"{value:.3g}".replace("-", "\u2212").replace("e+0", "e")


def _start(block: BlockRecord) -> list[Finding]:
    text = (
        "The gate γ is 0: the block does nothing yet, and its output is its input. That is its start; train "
        "it, or load trained weights."
    )
    return [Finding("bad", text)] if block.gates and not any(block.gates) else []


def _bounds(block: BlockRecord) -> list[Finding]:
    radius = max(block.values("spectral_radius"), default=0.0)
    if block.bound is not None and radius > block.bound + 1e-3:
        text = f"An eigenvalue of {number(radius)} is beyond the bound {block.bound:g}: too few digits."
        return [Finding("bad", text)]
    if radius > 1 + 1e-3:
        text = f"|μ| reaches {number(radius)}, beyond 1: applied again and again, S grows without end."
        return [Finding("note", text)]
    return []


def _graph(block: BlockRecord) -> list[Finding]:
    empty = sum(radius < 1e-7 for radius in block.values("spectral_radius"))
    if empty:
        text = f"{empty} of {len(block.graphs)} graphs have no edge: all weights are 0 there."
        return [Finding("bad", text)]
    signs = {name: block.mean(name) for name in _SIGNS}
    return [
        Finding("bad", text)
        for name, (is_bad, text) in _SIGNS.items()
        if block.nodes > 1 and (value := signs[name]) is not None and is_bad(value)
    ]


_SIGNS: dict[str, tuple[Callable[[float], bool], str]] = {
    "distance_to_rank_one": (
        lambda distance: distance < 0.1,
        "S is within a tenth of rank one: every position gathers nearly the same; differences go away.",
    ),
    "row_agreement": (
        lambda agreement: agreement > 0.99,
        "All rows are alike: attention does not depend on the position that asks.",
    ),
    "row_entropy": (
        lambda entropy: entropy > 0.98,
        "Rows are even: every position weighs all others alike, a plain average.",
    ),
    "row_distance": (
        lambda distance: distance < 1e-3,
        "Every position sees itself alone: the block does not use its graph.",
    ),
}
"""Measures whose mean is a bad sign, when it is, and what it means."""


def _theory(block: BlockRecord) -> list[Finding]:
    if block.is_symmetric:
        text = "Symmetric: real frequencies, orthogonal eigenvectors; the spectral theory holds as it stands."
        return [Finding("good", text)]
    imaginary = max(block.values("imaginary"), default=0.0)
    real = (
        "its eigenvalues are real all the same" if imaginary < 1e-6 else f"|Im μ| up to {number(imaginary)}"
    )
    known = {
        name: block.mean(name) for name in ("asymmetry", "departure_from_normality", "eigenvector_condition")
    }
    told = ", ".join(
        f"{name.replace('_', ' ')} {number(value)}" for name, value in known.items() if value is not None
    )
    text = f"Not symmetric, {real}{f'; {told}' if told else ''}: read its frequencies with this in mind."
    return [Finding("note", text)]
