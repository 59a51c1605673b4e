"""A picture of each filter's response, of each affinity and of each block, drawn when the site is built."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_sample_image
from sphinx.application import Sphinx
from torch import Tensor

import filters
import gsp_nonlocal.affinity
import gsp_nonlocal.blocks
from gsp_nonlocal.affinity import Affinity
from gsp_nonlocal.report import plot_response
from gsp_nonlocal.spectral import attention_rows

FOLDER = Path("reference") / "pictures"
LAM = torch.linspace(0, 2, 401, dtype=torch.float64)
ORDER = 4
FIXED: dict[type[filters.GraphFilter], list[tuple[float, ...]]] = {
    filters.Heat: [(0.5,), (2.0,), (8.0,)],
    filters.Tikhonov: [(1.0,), (10.0,), (100.0,)],
    filters.IdealLowPass: [(0.5,), (1.0,)],
    filters.MexicanHat: [(1.0,), (3.0,), (9.0,)],
    filters.Rectangular: [(0.5, 1.2)],
    filters.ExponentialWindow: [(0.5, 1.2)],
    filters.Wave: [(1.0,), (3.0,), (8.0,)],
}
CAPTIONS = {
    "terms": f"The response of each term alone, order {ORDER}, as the filter is made.",
    "fixed": "Its response.",
    "drawn": f"Responses at four random weights, order {ORDER}.",
    "row": "From the framed position: row of S, untrained, over colours and positions of the photograph.",
}


def draw(app: Sphinx) -> None:
    """Draw what is not there yet."""
    folder = Path(app.srcdir) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    app.pictures = {}  # type: ignore[attr-defined]
    for part in _parts():
        file = folder / f"{part.__name__}.png"
        figure = Figure(figsize=(5.4, 3.0), layout="constrained")
        kind = _row(part, figure) if part in _pairwise() else _response(part, figure)
        figure.savefig(file, dpi=110)
        app.pictures[part] = (file, CAPTIONS[kind])  # type: ignore[attr-defined]


def _parts() -> list[Any]:
    learned = [filters.registry.get(name) for name in filters.registry.names()]
    return [*learned, *FIXED, *_pairwise()]


def _pairwise() -> list[Any]:
    affinities, blocks = gsp_nonlocal.affinity.registry, gsp_nonlocal.blocks.registry
    return [table.get(name) for table in (affinities, blocks) for name in table.names()]


def _response(part: type[filters.GraphFilter], figure: Figure) -> str:
    axes = figure.subplots()
    if part in FIXED:
        for settings in FIXED[part]:
            plot_response(part(*settings), axes, label=str(part(*settings)))
        axes.legend(fontsize=8)
        return "fixed"
    torch.manual_seed(0)
    f: Any = part(1, 1, order=ORDER).double()  # type: ignore[call-arg]
    linear = getattr(part, "terms", None) is not filters.Filter.terms
    curves = _terms(f) if linear else [_drawn(f) for _ in range(4)]
    for k, curve in enumerate(curves):
        axes.plot(LAM, curve, label=f"k = {k}" if linear and len(curves) <= 6 else None)
    axes.set(xlabel="graph frequency λ", ylabel="gain")
    if linear and len(curves) <= 6:
        axes.legend(fontsize=8)
    return "terms" if linear else "drawn"


@torch.no_grad()
def _terms(f: Any) -> list[Tensor]:
    """Responses with one weight 1 and the others 0."""
    curves = []
    for k in range(len(f.weight)):
        f.weight.zero_()
        f.weight[k] = 1
        curves.append(f.response(LAM).flatten())
    return curves


@torch.no_grad()
def _drawn(f: Any) -> Tensor:
    for weight in f.parameters():
        weight.normal_()
    curve: Tensor = f.response(LAM).flatten()
    return curve / curve.abs().amax()


@torch.no_grad()
def _row(part: Any, figure: Figure) -> str:
    photograph = torch.tensor(load_sample_image("china.jpg")[90:330:10, 200:520:10].copy()) / 255
    height, width = photograph.shape[:2]
    position, node = (8, 12), 8 * width + 12
    nodes = _features(photograph)
    torch.manual_seed(1)
    if issubclass(part, Affinity):
        shift = part(nodes.shape[-1], 8)(nodes, (height, width))
    else:
        shift = part(nodes.shape[-1], 8).shift(nodes.mT.reshape(1, -1, height, width))
    row = attention_rows(shift, torch.tensor([node]))
    left, right = figure.subplots(1, 2)
    left.imshow(photograph)
    shown = right.imshow(row.flatten()[: height * width].reshape(height, width), cmap="viridis")
    figure.colorbar(shown, ax=right, shrink=0.7)
    for axes in (left, right):
        axes.plot(position[1], position[0], "s", color="white", markerfacecolor="none", markersize=7)
        axes.set(xticks=[], yticks=[])
    return "row"


def _features(photograph: Tensor) -> Tensor:
    """``(1, N, 5)``: colours and positions, standardised."""
    grid = torch.meshgrid(*(torch.linspace(-1, 1, size) for size in photograph.shape[:2]), indexing="ij")
    stacked = torch.cat([photograph, torch.stack(grid, -1)], -1).flatten(0, 1)
    return ((stacked - stacked.mean(0)) / stacked.std(0))[None]


def show(app: Sphinx, what: str, name: str, part: Any, options: Any, lines: list[str]) -> None:
    """Put the picture, and what is known of cost, behind the docstring."""
    if not inspect.isclass(part) or part not in app.pictures:  # type: ignore[attr-defined]
        return
    file, caption = app.pictures[part]  # type: ignore[attr-defined]
    lines += [
        "",
        f".. figure:: /{FOLDER.as_posix()}/{file.name}",
        f"   :alt: {caption}",
        "",
        f"   {caption}",
        "",
    ]
    lines += _costs(part)


def _costs(part: Any) -> list[str]:
    if part in _pairwise() and not issubclass(part, Affinity):
        rows = [line.split("  ", 1) for line in str(part(64).describe()).splitlines()]
        return [
            ".. list-table:: As a graph filter, of 64 channels",
            "",
            *(f"   * - {a}\n     - ``{b.strip()}``" for a, b in rows),
            "",
        ]
    if inspect.isclass(part) and issubclass(part, filters.Filter):
        return [_work(part), ""]
    if issubclass(part, Affinity):
        return [f"Time grows with ``{part.time}``, memory with ``{part.memory}``.", ""]
    return []


class Counted(filters.DenseShift):
    """A graph that counts what a filter asks of it."""

    def __init__(self) -> None:
        super().__init__(torch.full((1, 2, 2), 0.5), is_symmetric=True, spectral_bound=1.0)
        self.products, self.solutions = 0, 0

    def __call__(self, z: Any) -> Any:
        """``S z``."""
        self.products += 1
        return super().__call__(z)

    def resolvent(self, a: Any, b: Any) -> Any:
        """``z ↦ (aI + bS)⁻¹ z``."""
        inner = super().resolvent(a, b)

        def counted(z: Any) -> Any:
            self.solutions += 1
            return inner(z)

        return counted


def _work(part: Any) -> str:
    """How often a filter of order 4 goes through the graph."""
    shift = Counted()
    with torch.no_grad():
        part(1, 1, order=ORDER)(torch.ones(1, 2, 1), shift)
    asked = {"``S z``": shift.products, "``(aI + bS)⁻¹ z``": shift.solutions}
    found = " and ".join(f"{count} times {what}" for what, count in asked.items() if count)
    return f"Cost at order {ORDER}: {found}. What each takes on which graph: :mod:`gsp_nonlocal.shifts`."


def setup(app: Sphinx) -> dict[str, bool]:
    """Draw before anything is read."""
    app.connect("builder-inited", draw, priority=100)
    app.connect("autodoc-process-docstring", show)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
