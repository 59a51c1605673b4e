"""What can be said of a block's graphs without measuring them: label and text."""

from __future__ import annotations

import torch

from gsp_nonlocal.probe.trace import Trace
from gsp_nonlocal.shifts import (
    AttentionShift,
    DenseShift,
    LowRankShift,
    MaskedAttentionShift,
    ShiftOperator,
)
from gsp_nonlocal.shifts.structure import is_triangular, windows
from gsp_nonlocal.spectral.matrices import stored_tensors
from gsp_nonlocal.spectral.spectrum import Spectrum


def facts(trace: Trace, analysed: int, found: list[Spectrum]) -> list[tuple[str, str]]:
    """Labels and texts of a block, of whose graphs so many were ``analysed``."""
    shift, nodes = trace.shift, trace.shift.shape[-1]
    held = sum(t.numel() * t.element_size() for t in stored_tensors(shift)) / shift.shape[0]
    dense = nodes**2 * torch.finfo(shift.dtype).bits / 8
    bound = shift.spectral_bound
    return [
        ("nodes N", f"{_count(nodes)} ({' × '.join(map(str, trace.layout.spatial))})"),
        ("graphs for each image", str(trace.graphs)),
        ("graphs measured", f"{analysed} of {shift.shape[0]}"),
        ("form", _form(shift)),
        ("memory of a graph", _memory(held, dense)),
        ("symmetric", "yes" if shift.is_symmetric else "no"),
        ("proven bound of |μ|", "none" if bound is None else f"{bound:g}"),
        ("eigenvalues", _eigenvalues(min(found, key=lambda one: one.is_certified), is_triangular(shift))),
    ]


def _eigenvalues(found: Spectrum, triangular: bool) -> str:
    if triangular and found.is_complete:
        return "all: the weight of each node in itself"
    if not found.is_complete:
        sure = "" if found.is_certified else "; not sure: repeated ones may be missing"
        return f"the {found.paired.shape[-1]} of greatest |μ|{sure}"
    zeros = f", {_count(found.exact_zeros)} of them exactly 0" if found.exact_zeros else ""
    return f"all{zeros}"


def _memory(held: float, dense: float) -> str:
    """What is held; where that is less than the matrix, also what the matrix would take."""
    return f"{_bytes(held)}, the N × N matrix {_bytes(dense)}" if held < dense else _bytes(held)


def _form(shift: ShiftOperator) -> str:
    if (cut := windows(shift)) is not None:
        return f"{len(cut.places)} windows, each of {_form(cut.inner)}"
    if is_triangular(shift):
        return "queries and keys, causal"
    names = {
        LowRankShift: "low-rank factors",
        DenseShift: "dense matrix",
        AttentionShift: "queries and keys",
        MaskedAttentionShift: "queries and keys under a mask",
    }
    return names.get(type(shift), type(shift).__name__)


def _count(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")


def _bytes(number: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"
