"""The document of the spectral study, written from its numbers alone."""

import re
import textwrap
from collections.abc import Sequence

from experiments.comparison import BLOCK_BATCH
from experiments.spectral_study.filters import orders, smoothing, stable
from experiments.spectral_study.quality import quality
from experiments.spectral_study.runs import Applied, Run, Study, applications
from experiments.spectral_study.sections import eigenvalues, rank, symmetry
from experiments.spectral_study.tables import table
from experiments.spectral_study.training import CALIBRATION, NETWORKS

WIDTH = 110
ORDER = sorted(NETWORKS, key=lambda name: not name.startswith("snl"))
HEAD = (
    "What graphs do nonlocal blocks make, and what do their filters learn? Each network is the small CNN "
    "of the cued scenes with one block (1,296 positions, 32 channels, projections of half of them; gc: its "
    "bottleneck), trained on the colour cue by the protocol of [the "
    "comparison](../experiments/results/compare.md). snl is of order 1, snl order 3 Chebyshev's; snl "
    "cayley 3 has SNL's affinity with a Cayley filter of order 3. A block that is applied several times "
    "has a row for each, #1 and #2."
)
MEASURED = (
    "Numbers are means over the graphs of the same {scenes} test scenes, unless they are called the "
    "greatest or the smallest; 0 stands for less than 1e-5. Before is the untrained network, its batch "
    "norms calibrated on up to {calibration} training scenes; after is the best validation checkpoint. A → "
    "B is before → after, unless the column says otherwise. Eigenvalues are all of them, in float64. This "
    "page is written by `python -m experiments.spectral_study` from "
    "`experiments/results/spectral_study.json` alone, its sentences by fixed thresholds, which they name."
)
LIMITS = (
    "One task, in which most positions are background: of 1,296 positions at most 356 are not, five digits "
    "of 8 × 8 and a frame, so rows agree more and ranks are lower than where there is more to see. One "
    "small network with one block, {seeds} of weights and batches, {steps} steps, nothing tuned; the "
    "course of the training is of one scene. Differences between two networks may be those of another "
    "seed. The Dirichlet energy of a shift that is not symmetric is that of its symmetric part, and its "
    "frequencies Re λ order signals only as far as it is near normal. A rank correlation over trainings is "
    "no cause."
)


def document(study: Study, steps: int, images: str) -> str:
    """Return the page.

    Args:
        study: Its runs of this number of steps are shown.
        steps: Training steps.
        images: The folder of the pictures, relative to the page.
    """
    runs = runs_of(study, steps)
    everyone = applications(runs)
    seeds = _seeds(sorted({run.seed for run in runs}))
    machine = [[name, value] for name, value in study.machine.items()]
    lines = [
        "# Spectra of the known blocks, before and after training",
        *["", HEAD, "", *_protocol(study, steps), ""],
        *_pictured(everyone, images),
        *quality(everyone),
        *["## Limits", "", LIMITS.format(seeds=seeds, steps=steps)],
        *table(["machine", ""], machine),
    ]
    return re.sub("\n{3,}", "\n\n", "\n".join(wrapped(line) for line in lines))


def runs_of(study: Study, steps: int) -> list[Run]:
    """Return the runs of this number of steps, in the order of the networks."""
    places = {name: place for place, name in enumerate(ORDER)}
    runs = [run for run in study.runs if run.steps == steps]
    return sorted(runs, key=lambda run: places.get(run.block, len(places)))


def wrapped(line: str) -> str:
    """Return a paragraph or a point of a list in lines of 110; tables, pictures and headings as they are."""
    if line.startswith(("|", "!", "#")):
        return line
    indent = "  " if line.startswith("- ") else ""
    return textwrap.fill(
        line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _pictured(everyone: Sequence[Applied], images: str) -> list[str]:
    sections = (
        (eigenvalues, "spectra", "Eigenvalues before (grey) and after training"),
        (symmetry, None, ""),
        (rank, "course", "Course of the training"),
        (smoothing, None, ""),
        (stable, "stable", "Powers of the shifts"),
        (orders, "responses", "Learned responses"),
    )
    lines: list[str] = []
    for section, picture, caption in sections:
        text = section(everyone)
        shown = [f"![{caption}]({images}/study_{picture}.png)", ""] if picture and text else []
        lines += [*text, *shown]
    return lines


def _protocol(study: Study, steps: int) -> list[str]:
    runs = runs_of(study, steps)
    scenes = max(run.after.shape[0] for run in runs)
    missing = [name for name in NETWORKS if name not in {run.block for run in runs}]
    lines = [
        MEASURED.format(scenes=scenes, calibration=CALIBRATION),
        "",
        f"{len(runs)} trainings of {steps} steps of {BLOCK_BATCH['scenes']} scenes; "
        f"{_seeds(sorted({run.seed for run in runs}))}.",
    ]
    return [*lines, f"Not trained: {', '.join(missing)}."] if missing else lines


def _seeds(seeds: Sequence[int]) -> str:
    return f"{'one seed' if len(seeds) == 1 else f'{len(seeds)} seeds'} ({', '.join(map(str, seeds))})"
