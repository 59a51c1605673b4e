"""The page of an analysis: one self-contained HTML file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from gsp_nonlocal.analysis.findings import Finding, findings, number, summary
from gsp_nonlocal.analysis.joins import JOINED
from gsp_nonlocal.analysis.names import natural, runs
from gsp_nonlocal.analysis.quantities import QUANTITIES
from gsp_nonlocal.analysis.record import BlockRecord, JoinRecord, Snapshot
from gsp_nonlocal.report.captions import CAPTIONS
from gsp_nonlocal.report.explorer import Explorer
from gsp_nonlocal.report.figure_files import Of
from gsp_nonlocal.report.svg import inline

OVERVIEW = ("spectral_radius", "effective_rank", "distance_to_rank_one", "row_agreement", "asymmetry")
"""Quantities in the table of all blocks."""


@dataclass(frozen=True)
class Plot:
    """An inline SVG with its heading and sentence."""

    title: str
    svg: str
    caption: str


@dataclass(frozen=True)
class Section:
    """What the page says of one block: its row in the overview, sentences, plots, and its measures."""

    name: str
    anchor: str
    kind: str
    summary: str
    overview: list[str]
    facts: list[tuple[str, str]]
    findings: list[Finding]
    plots: list[Plot]
    measures: list[list[str]]


@dataclass(frozen=True)
class Join:
    """What the page says of one cross-attention."""

    name: str
    kind: str
    size: str
    heads: int
    measures: list[str]
    plots: list[Plot]


@dataclass(frozen=True)
class Shared:
    """A sentence that holds for several blocks: runs of them, each by its first and last name."""

    text: str
    runs: list[tuple[str, str]]


def render(shown: Sequence[Snapshot], rows: Explorer | None, title: str, drawn: Mapping[Of, str]) -> str:
    """The page of some snapshots of one model: plots are those of the last one, measures of all.

    Args:
        shown: at least one.
        rows: what the explorer shows; ``None`` where there is nothing to look at.
        title: heading of the page.
        drawn: the SVG of each figure.
    """
    sections = [
        _section(number, block, shown, drawn) for number, block in enumerate(shown[-1].blocks, start=1)
    ]
    environment = Environment(
        loader=PackageLoader("gsp_nonlocal.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["unbroken"] = _unbroken
    script = rows.script_hash if rows else "'none'"
    return environment.get_template("page.html").render(
        title=title,
        model=shown[-1].model,
        shape=" × ".join(map(str, shown[-1].shape)),
        labels=_labels(shown),
        columns=["in theory", *_labels(shown), "range"],
        overview=[_quantity(name).label for name in OVERVIEW],
        sections=sections,
        anchors={section.name: section.anchor for section in sections},
        warnings=_warnings(sections),
        skipped=_shared(sorted(shown[-1].skipped.items(), key=lambda item: natural(item[0]))),
        joins=[_join(place, join, shown[-1], drawn) for place, join in enumerate(shown[-1].joins, start=1)],
        join_columns=[label for label, _ in JOINED.values()],
        explorer=rows,
        policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {script}",
    )


def _unbroken(label: str) -> Markup:
    """A label whose formulas in bars, such as ``|μ|``, stay on one line."""
    return Markup(re.sub(r"\|[^|]+\|", r'<span class="formula">\g<0></span>', str(escape(label))))


def _warnings(sections: Sequence[Section]) -> list[Shared]:
    """What is wrong, each sentence once, with all blocks that it holds for."""
    order = [section.name for section in sections]
    said = [(s.name, finding.text) for s in sections for finding in s.findings if finding.kind == "bad"]
    return _shared(said, order)


def _shared(said: Sequence[tuple[str, str]], order: Sequence[str] = ()) -> list[Shared]:
    """Pairs of name and sentence by sentence; the names are among ``order``, by default these very names."""
    order = order or list(dict.fromkeys(name for name, _ in said))
    names: dict[str, list[str]] = {}
    for name, text in said:
        names.setdefault(text, []).append(name)
    return [Shared(text, runs(found, order)) for text, found in names.items()]


def _section(place: int, block: BlockRecord, shown: Sequence[Snapshot], drawn: Mapping[Of, str]) -> Section:
    anchor = f"block-{place}"
    return Section(
        name=block.name,
        anchor=anchor,
        kind=block.kind,
        summary=summary(block),
        overview=[number(block.mean(name)) for name in OVERVIEW],
        facts=block.facts,
        findings=findings(block),
        plots=_plots(block.name, shown[-1].label, anchor, drawn),
        measures=_measures(block.name, shown),
    )


def _join(place: int, join: JoinRecord, snapshot: Snapshot, drawn: Mapping[Of, str]) -> Join:
    return Join(
        join.name,
        join.kind,
        f"{join.targets} from {join.sources}",
        join.heads,
        [number(join.mean(name)) for name in JOINED],
        _plots(join.name, snapshot.label, f"join-{place}", drawn),
    )


def _plots(name: str, label: str, anchor: str, drawn: Mapping[Of, str]) -> list[Plot]:
    """The figures of one thing at one time, and over the training."""
    return [
        Plot(title, inline(svg, f"{anchor}-{of.figure.replace(' ', '-')}"), caption)
        for of, svg in drawn.items()
        if of.name == name and of.label in (label, None)
        for title, caption in [CAPTIONS[of.figure]]
    ]


def _measures(name: str, shown: Sequence[Snapshot]) -> list[list[str]]:
    """Rows of label, hint, value in theory, the mean of each snapshot, and the range of the last."""
    found = [next((b for b in snapshot.blocks if b.name == name), None) for snapshot in shown]
    rows = []
    for quantity in QUANTITIES:
        means = [None if block is None else block.mean(quantity.name) for block in found]
        last = found[-1].values(quantity.name) if found[-1] is not None else []
        low, high = (number(min(last)), number(max(last))) if last else ("", "")
        spread = "" if low == high else f"{low} to {high}"
        rows.append([quantity.label, quantity.hint, quantity.theory, *map(number, means), spread])
    return rows


def _labels(shown: Sequence[Snapshot]) -> list[str]:
    if len(shown) == 1:
        return ["mean"]
    return [snapshot.label or str(number) for number, snapshot in enumerate(shown, start=1)]


def _quantity(name: str) -> Any:
    return next(quantity for quantity in QUANTITIES if quantity.name == name)
