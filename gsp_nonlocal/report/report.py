"""An analysis with its pictures, and the folder that it is written to."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from gsp_nonlocal.analysis.model_inputs import Inputs, check_inputs, first, input_size, leading
from gsp_nonlocal.analysis.record import Snapshot
from gsp_nonlocal.analysis.snapshot import Limits, measured, named_crossings, named_traces, probed
from gsp_nonlocal.probe import MAX_NODES, CrossTrace, SpectralProbe, Trace
from gsp_nonlocal.report.explorer import VIEWS_BYTES, View, all_views, explorer
from gsp_nonlocal.report.figure_files import drawings, write_figures
from gsp_nonlocal.report.folder import MARK, WRITTEN_BY, replacing_folder
from gsp_nonlocal.report.over_layers import explained, relevance_of, rollout_of
from gsp_nonlocal.report.page import render
from gsp_nonlocal.report.tables import write_eigenvalues, write_measures

PAGE = "index.html"
MOST_IMAGES = 8


@dataclass(frozen=True)
class Analysis:
    """A snapshot with what can be looked at: images, and the rows of every block over them.

    Attributes:
        snapshot: the numbers.
        images: the first eight of the input, ``(8, C, H, W)``, on the CPU; of several tensors, of the first.
        views: rows of ``S`` over them.
        words: what each position of an input is called, as the tokens of a text are; or empty.

    Example:
        >>> from gsp_nonlocal import SNL
        >>> found = analyze(SNL(4), torch.randn(10, 4, 6, 6))
        >>> found.snapshot.blocks[0].nodes, found.images.shape
        (36, torch.Size([8, 4, 6, 6]))
    """

    snapshot: Snapshot
    images: Tensor
    views: list[View]
    words: Sequence[Sequence[str]] = ()

    def _repr_html_(self) -> str:
        """The table of the snapshot, for notebooks."""
        return self.snapshot._repr_html_()

    def write(
        self, folder: str | os.PathLike[str], *, overwrite: bool = False, title: str = "Spectral analysis"
    ) -> Path:
        """Write the folder of :func:`write_analyses` for this one analysis."""
        return write_analyses([self], folder, overwrite=overwrite, title=title)


@torch.no_grad()
def analyze(
    model: nn.Module,
    images: Inputs,
    *,
    label: str = "",
    paths: Sequence[str] | None = None,
    limits: Limits | None = None,
    max_nodes: int = MAX_NODES,
    budget: int = VIEWS_BYTES,
    words: Sequence[Sequence[str]] = (),
    target: int | None = None,
) -> Analysis:
    r"""What graph each block of a trained model makes of ``images``, and what its filter does to signals
    there.

    Every nonlocal block and attention that :class:`SpectralProbe` knows is read in one pass in evaluation
    mode. Of each, up to ``limits.graphs`` graphs are measured: eigenvalues ``μ``, their density over
    ``λ = 1 − μ``, the energy of the signal over ``λ`` before and after the filter, and the quantities of
    ``analysis.quantities``; and the learned response ``H(λ)``. Of graphs beyond ``limits.nodes`` without
    factors, ``limits.k`` eigenvalues and the density of the symmetric part are found, by products: with
    the matrix up to ``limits.matrix`` nodes, with the shift itself beyond.

    Args:
        model: any module with such blocks, on any device; its modes are restored.
        images: an input of the model, which is given a copy: real ``(B, C, *spatial)``, ids of tokens
            ``(B, N)``, or tensors by keyword, of which the first is shown.
        label: such as ``"epoch 3"``, where several analyses are compared.
        paths: only these modules; by default all.
        limits: what may be spent on each block.
        max_nodes: of :class:`SpectralProbe`.
        budget: bytes for the rows that can be looked at.
        words: what the tokens of each text are called on the page; by default by their ids.
        target: a class whose relevance over all layers is shown too; by default none.

    Returns:
        An :class:`Analysis`; ``analyze(model, images).write("folder")`` writes tables, figures and the page.

    Raises:
        TypeError: if ``images`` is none of these.
        ValueError: if ``images`` is empty or not finite; if the model has no module that is known, or runs
            none; beyond ``max_nodes``; if weights, features or graphs are NaN or infinite (the first module
            that has them is named).

    Example:
        >>> import tempfile
        >>> from gsp_nonlocal import SNL
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     page = analyze(SNL(4), torch.randn(1, 4, 6, 6)).write(Path(folder) / "analysis")
        ...     sorted(path.name for path in page.parent.iterdir())
        ['analysis.json', 'eigenvalues.csv', 'figures', 'index.html', 'measures.csv']
    """
    check_inputs(images)
    probe = probed(model, images, paths, max_nodes)
    limits = limits or Limits()
    maps = rollout_of(probe, limits.nodes)
    if target is not None:
        maps |= relevance_of(model, first(images, MOST_IMAGES), target, probe, limits.nodes)
    found = measured(model, images, probe, label, limits)
    pictured = leading(images)[:MOST_IMAGES].detach().cpu()
    shown = list(range(len(pictured)))
    rows = all_views(
        _shown_traces(probe) | maps, input_size(images), snapshot=label, images=shown, budget=budget
    )
    return Analysis(found, pictured, explained(rows), words[:MOST_IMAGES])


def _shown_traces(probe: SpectralProbe) -> dict[str, Trace | CrossTrace]:
    """What can be looked at, by name: graphs, then cross-attention."""
    found: dict[str, Trace | CrossTrace] = {name: trace for name, _, trace in named_traces(probe)}
    for name, _, trace in named_crossings(probe):
        found[f"{name}, cross-attention" if name in found else name] = trace
    return found


def write_analyses(
    analyses: Sequence[Analysis],
    folder: str | os.PathLike[str],
    *,
    course: Sequence[Snapshot] = (),
    overwrite: bool = False,
    title: str = "Spectral analysis",
) -> Path:
    """Write analyses of one model, such as those of several epochs, into one folder.

    ========================  =====================================================================
    ``index.html``            the interactive page: it works from a file, and loads nothing
    ``analysis.json``         everything but the pictures, for programs
    ``measures.csv``          one row a graph
    ``eigenvalues.csv``       one row an eigenvalue
    ``figures/*.png, *.svg``  the figures of the page
    ========================  =====================================================================

    Args:
        analyses: at least one; all of the same images.
        folder: to write to; its parent is created. It appears whole or not at all.
        course: snapshots of a training, for the figures over its epochs; by default those of ``analyses``.
        overwrite: replace an older analysis; never a folder that holds anything else.
        title: heading of the page.

    Returns:
        The path of the page.

    Raises:
        FileExistsError: if the folder is there and ``overwrite`` is not said, or it is no analysis, holds
            other files, or is the working directory.
        OSError: if it cannot be written.
        ValueError: without an analysis, or if two have one label.

    Example:
        >>> from gsp_nonlocal import SNL
        >>> first, second = (analyze(SNL(4), torch.randn(1, 4, 6, 6), label="epoch 1") for _ in range(2))
        >>> write_analyses([first, second], "analysis")
        Traceback (most recent call last):
        ...
        ValueError: analyses on one page are told apart by their labels, which differ; got ['epoch 1', ...
    """
    shown = [analysis.snapshot for analysis in analyses]
    _check_labels([snapshot.label for snapshot in shown])
    course = list(course) or shown
    with replacing_folder(folder, overwrite) as part:
        everything = _joined(course, shown)
        found = {**WRITTEN_BY, "title": title, "snapshots": [snapshot.to_dict() for snapshot in everything]}
        (part / MARK).write_text(json.dumps(found, allow_nan=False), encoding="utf-8")
        write_measures(everything, part / "measures.csv")
        write_eigenvalues(shown, part / "eigenvalues.csv")
        drawn = write_figures(drawings(shown, course), part / "figures")
        last = analyses[-1]
        views = [view for analysis in analyses for view in analysis.views]
        rows = explorer(views, last.images, last.words) if views else None
        (part / PAGE).write_text(render(shown, rows, title, drawn), encoding="utf-8")
    return Path(folder) / PAGE


def _check_labels(labels: list[str]) -> None:
    if not labels:
        raise ValueError("there is no analysis to write; give at least one")
    if len(set(labels)) < len(labels):
        raise ValueError(f"analyses on one page are told apart by their labels, which differ; got {labels}")


def _joined(course: Sequence[Snapshot], shown: Sequence[Snapshot]) -> list[Snapshot]:
    """All snapshots, each once."""
    return [*course, *(snapshot for snapshot in shown if all(snapshot is not other for other in course))]
