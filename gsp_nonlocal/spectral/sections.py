"""What the report says about one block, as plain values for the template."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gsp_nonlocal.shifts import DenseShift, LowRankShift, ShiftOperator
from gsp_nonlocal.spectral import plots
from gsp_nonlocal.spectral.measures import dirichlet_energy, effective_rank, spectral_gap
from gsp_nonlocal.spectral.panels import Overlay, Plot, attention, number_text
from gsp_nonlocal.spectral.response import Response, block_response
from gsp_nonlocal.spectral.spectrum import Spectrum, spectrum, stored_tensors
from gsp_nonlocal.spectral.trace import BlockTrace


@dataclass(frozen=True)
class Measure:
    """A number over all images: its mean, its range, and how to read it."""

    name: str
    mean: str
    range: str
    hint: str


@dataclass(frozen=True)
class Section:
    """One block of the model."""

    path: str
    anchor: str
    facts: list[tuple[str, str]]
    warnings: list[str]
    plots: list[Plot]
    overlays: list[Overlay]
    missing_overlay: str
    measures: list[Measure]


def section(path: str, number: int, trace: BlockTrace, images: Tensor, shown: int) -> Section:
    """Everything about one block.

    Args:
        path: its module path.
        number: counts the blocks of the page; ids are built from it.
        trace: the block with its input and its shift.
        images: the model's input ``(B, C, *spatial)``.
        shown: number of images to show attention over.
    """
    anchor = f"block-{number}"
    found = plots.on_cpu(spectrum(trace.shift))
    responses = [block_response(trace.block, stage=stage) for stage in range(len(trace.block.stages))]
    overlays, lines, missing = attention(trace, images, shown, anchor)
    return Section(
        path or "the model itself",
        anchor,
        _facts(trace, found),
        _warnings(trace, found),
        [*_spectrum_plots(found, anchor), *_response_plots(responses, found, anchor), *lines],
        overlays,
        missing,
        [*_graph_measures(found), *_stage_measures(trace, responses)],
    )


def _facts(trace: BlockTrace, found: Spectrum) -> list[tuple[str, str]]:
    shift, nodes = trace.shift, trace.shift.shape[-1]
    held = sum(t.numel() * t.element_size() for t in stored_tensors(shift)) / shift.shape[0]
    dense = nodes**2 * torch.finfo(shift.dtype).bits / 8
    bound = shift.spectral_bound
    gates = [unit.gate for unit in trace.block.units]
    return [
        ("nodes N", f"{_count(nodes)} ({' × '.join(map(str, trace.input.shape[2:]))})"),
        ("rank, at most", _count(found.paired.shape[-1])),
        ("kept as", _form(shift)),
        ("memory of a graph", f"{_bytes(held)} (N × N: {_bytes(dense)})"),
        ("symmetric", "yes" if not found.eigenvalues.is_complex() else "no"),
        ("proven bound of |μ|", "none" if bound is None else f"{bound:g}"),
        ("exact zeros", _count(found.exact_zeros)),
        ("gate γ", ", ".join("none" if gate is None else number_text(gate) for gate in gates)),
    ]


def _warnings(trace: BlockTrace, found: Spectrum) -> list[str]:
    """What is wrong with the block for certain."""
    said = []
    gates = [unit.gate for unit in trace.block.units]
    if all(gate is not None and float(gate) == 0 for gate in gates):
        said.append(
            "The gate γ is 0: the block does nothing yet, and its output is its input. That is its start; "
            "train it, or load trained weights."
        )
    bound = trace.shift.spectral_bound
    if bound is not None and float(found.eigenvalues.abs().max()) > bound + 1e-3:
        said.append("An eigenvalue is beyond the proven bound: the affinity is computed with too few digits.")
    empty = int((found.eigenvalues.abs().amax(dim=-1) < plots.FLOOR).sum())
    if empty:
        said.append(
            f"{empty} of {len(found.eigenvalues)} graphs have no edge at all: every embedding is 0 there."
        )
    return said


def _spectrum_plots(found: Spectrum, anchor: str) -> list[Plot]:
    low, high = (float(value) for value in found.frequencies.real.aminmax())
    part = "" if not found.eigenvalues.is_complex() else " (real parts)"
    rank = float(effective_rank(found).mean())
    return [
        Plot(
            "Spectrum",
            plots.spectrum_svg(found, f"{anchor}-spectrum"),
            f"Histogram of the graph frequencies from {low:.3f} to {high:.3f}; "
            f"{found.exact_zeros} eigenvalues are exactly zero.",
            f"How many eigenvalues{part} lie at each frequency, and below them one row of ticks an image: "
            "a bad sign is a single tick near λ = 0 with all others at λ = 1, a graph that only averages "
            "the whole map.",
        ),
        Plot(
            "Decay of the eigenvalues",
            plots.decay_svg(found, f"{anchor}-decay"),
            f"Absolute eigenvalues in falling order; the effective rank is {rank:.1f}.",
            f"How fast the eigenvalues{part} fall, one line an image: a bad sign is a cliff after the "
            "first, where every position gathers the same thing, or no fall at all, where each "
            "position sees only itself.",
        ),
    ]


def _response_plots(responses: list[Response], found: Spectrum, anchor: str) -> list[Plot]:
    many = len(responses) > 1
    return [
        Plot(
            f"Learned response: {response.kind}" + (f", stage {stage}" if many else ""),
            plots.response_svg(response, found, f"{anchor}-response-{stage}"),
            f"Gain of stage {stage} over the graph frequency, from {float(response.mean_gain[0]):.3g} at "
            f"λ = 0 to {float(response.mean_gain[-1]):.3g} at λ = 2: {response.kind}.",
            "What value projection and filter do to each frequency (norm, activation and gate left out), "
            "above the frequencies that the graphs have: a bad sign is a flat line, a block that does "
            "not use its graph.",
        )
        for stage, response in enumerate(responses)
    ]


def _graph_measures(found: Spectrum) -> list[Measure]:
    values = found.eigenvalues.real
    size = found.paired.shape[-1]
    return [
        _measure("largest μ", values[:, 0], "1 for a normalised graph; above 1, repeated shifts explode"),
        _measure("smallest μ", values[:, -1], "below 0, some positions push each other apart"),
        _measure("spectral gap μ₁ − μ₂", spectral_gap(found), "near 0, the graph falls into parts"),
        _measure("effective rank", effective_rank(found), f"of {size}; near 1, all rows are alike"),
    ]


@torch.no_grad()
def _stage_measures(trace: BlockTrace, responses: list[Response]) -> list[Measure]:
    """Dirichlet energy before and after each filter; call it in evaluation mode."""
    said: list[Measure] = []
    for stage, (unit, seen, response) in enumerate(
        zip(trace.block.units, trace.stages, responses, strict=True)
    ):
        name = f", stage {stage}" if len(responses) > 1 else ""
        before, after = (dirichlet_energy(signal, seen.shift) for signal in (seen.signal, unit.filter(*seen)))
        ends = response.mean_gain[0], response.mean_gain[len(response.mean_gain) // 2]
        said += [
            _measure(f"Dirichlet energy before the filter{name}", before, "mean frequency, 0 to 2"),
            _measure(f"Dirichlet energy after it{name}", after, "at 0, all positions are one"),
            _measure(f"mean gain at λ = 0{name}", ends[0].view(1), "on what all neighbours share"),
            _measure(f"mean gain at λ = 1{name}", ends[1].view(1), "on what the graph does not reach"),
        ]
    return said


def _measure(name: str, values: Tensor, hint: str) -> Measure:
    low, mean, high = map(number_text, (values.min(), values.mean(), values.max()))
    return Measure(name, mean, "" if low == high else f"{low} to {high}", hint)


def _form(shift: ShiftOperator) -> str:
    names = {LowRankShift: "low-rank factors", DenseShift: "dense matrix"}
    return names.get(type(shift), type(shift).__name__)


def _count(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")


def _bytes(number: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"
