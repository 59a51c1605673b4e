"""The report's attention maps: over images for 2-D maps, as lines for 1-D ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gsp_nonlocal.nodes import Positions, to_nodes
from gsp_nonlocal.spectral import pictures, plots
from gsp_nonlocal.spectral.attention import attention_map
from gsp_nonlocal.spectral.trace import BlockTrace

POSITIONS = 4
"""Positions whose attention is shown for an image."""


@dataclass(frozen=True)
class Plot:
    """An SVG with a heading, a text for those who cannot see it, and a sentence beneath it."""

    title: str
    svg: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Panel:
    """One attention map over image number ``image``: its PNG, and where the position is, in pixels."""

    heat: str
    across: float
    down: float
    alt: str


@dataclass(frozen=True)
class Overlay:
    """The attention maps over one image."""

    image: int
    panels: list[Panel]


def attention(
    trace: BlockTrace, images: Tensor, shown: int, anchor: str
) -> tuple[list[Overlay], list[Plot], str]:
    """Overlays on images, or line plots for 1-D maps, or why there is neither."""
    if not isinstance(trace.block.vertices, Positions):
        return [], [], "No attention pictures: the nodes of this block are not the positions of its map."
    dims = trace.input.dim() - 2, images.dim() - 2
    if dims == (2, 2):
        return [_overlay(trace, images, index) for index in range(shown)], [], ""
    if dims[0] == 1:
        return [], [_line_plot(trace, index, anchor) for index in range(shown)], ""
    reason = f"No attention pictures: a map of {dims[0]} dimensions over an input of {dims[1]}."
    return [], [], reason


def _rows(trace: BlockTrace, index: int) -> tuple[list[int], Tensor]:
    """A few unlike positions of one image, and their rows of ``S``, ``(P, N)``."""
    features, grid = to_nodes(trace.input)[index], tuple(trace.input.shape[2:])
    chosen = pictures.distinct_positions(features, grid, POSITIONS)
    return chosen, torch.stack([attention_map(trace.shift, node)[index].cpu() for node in chosen])


def _overlay(trace: BlockTrace, images: Tensor, index: int) -> Overlay:
    grid, size = trace.input.shape[2:], pictures.shape_in_page(*images.shape[2:])
    panels = []
    for node, row in zip(*_rows(trace, index), strict=True):
        down, across = divmod(node, grid[1])
        heat = pictures.heat_png(row.unflatten(0, grid), size)
        place = (across + 0.5) * size[1] / grid[1], (down + 0.5) * size[0] / grid[0]
        panels.append(Panel(heat, *place, f"Image {index + 1}, position ({down}, {across}): {_sum_up(row)}"))
    return Overlay(index, panels)


def _sum_up(row: Tensor) -> str:
    greatest = float(row.abs().max())
    if greatest == 0:
        return "isolated, collects nothing."
    return f"greatest weight {number_text(greatest)}, an even one would be {number_text(1 / len(row))}."


def _line_plot(trace: BlockTrace, index: int, anchor: str) -> Plot:
    nodes, rows = _rows(trace, index)
    return Plot(
        f"Attention, input {index + 1}",
        plots.rows_svg(rows, nodes, trace.input[index].norm(dim=0).cpu(), f"{anchor}-rows-{index}"),
        f"Attention weights of the positions {', '.join(map(str, nodes))}.",
        "What each marked position collects from, above the strength of the block's input: a bad sign "
        "is one curve for all positions.",
    )


def number_text(value: Tensor | float) -> str:
    """Three digits, with a true minus sign."""
    return f"{float(value):.3g}".replace("-", "\u2212")
