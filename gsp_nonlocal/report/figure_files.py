"""Every figure of an analysis, drawn once: the files of a folder, and what its page shows of them."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure
from tqdm import tqdm

from gsp_nonlocal.analysis.names import padded
from gsp_nonlocal.analysis.record import Snapshot, courses
from gsp_nonlocal.report import figures
from gsp_nonlocal.report.drawing import save
from gsp_nonlocal.spectral.krylov import PATIENCE

LONGEST_STEM = 100  # bytes of a figure's name, before what it shows


class Of(NamedTuple):
    """Which figure: of what, when (``None`` for one over a training), and what it shows."""

    name: str
    label: str | None
    figure: str

    @property
    def subject(self) -> str:
        """How its file begins."""
        return self.name if self.label is None else f"{self.label} {self.name}"


def drawings(shown: Sequence[Snapshot], course: Sequence[Snapshot]) -> Mapping[Of, Callable[[], Figure]]:
    """What draws each figure of some snapshots and of a training."""
    blocks = {
        Of(block.name, snapshot.label, name): partial(draw, block)
        for snapshot in shown
        for block in snapshot.blocks
        for name, draw in figures.figures_of(block).items()
    }
    joins = {
        Of(join.name, snapshot.label, name): partial(draw, join)
        for snapshot in shown
        for join in snapshot.joins
        for name, draw in figures.JOINS.items()
    }
    over_time = {
        Of(name, None, figure): partial(draw, records, labels)
        for name, records, labels in courses(course)
        for figure, draw in figures.COURSES.items()
    }
    return blocks | joins | over_time


def write_figures(drawn: Mapping[Of, Callable[[], Figure]], folder: Path) -> dict[Of, str]:
    """Write each figure as PNG and SVG into a new folder; the text of the SVG is returned for the page."""
    folder.mkdir()
    subjects = padded([of.subject for of in drawn])
    stems = _stems(zip(subjects, (of.figure for of in drawn), strict=True))
    work = tqdm(drawn.items(), desc="figures", delay=PATIENCE, leave=False)
    return {of: _write(draw(), folder / stem) for stem, (of, draw) in zip(stems, work, strict=False)}


def _write(figure: Figure, stem: Path) -> str:
    text = io.StringIO()
    save(figure, text, format="svg", metadata={"Date": None})
    stem.with_name(f"{stem.name}.svg").write_text(text.getvalue(), encoding="utf-8")
    save(figure, stem.with_name(f"{stem.name}.png"), dpi=200)
    return text.getvalue()


def _stems(names: Iterable[tuple[str, str]]) -> Iterator[str]:
    """File names without ending for ``(what, figure)``, no two alike even where case is ignored."""
    taken: set[str] = set()
    for what, figure in names:
        clean = re.sub(r"[^\w.=-]+", "_", what.strip()).encode("utf-8", "replace")
        stem = f"{clean[:LONGEST_STEM].decode('utf-8', 'ignore')}_{figure.replace(' ', '_')}"
        tries = (f"{stem}_{number}" if number > 1 else stem for number in count(1))
        found = next(name for name in tries if name.casefold() not in taken)
        taken.add(found.casefold())
        yield found
