"""A photograph cleaned and filled in on its own nonlocal graph, beside nonlocal means.

``python -m experiments.photograph`` writes ``photograph.csv``, a table ``photograph.md`` and a picture
``photograph.png``. Every pixel is a node; its graph is kept as factors, linear in the number of pixels.
"""

import argparse
import csv
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from sklearn.cluster import MiniBatchKMeans
from sklearn.datasets import load_sample_image
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from experiments.command import command
from experiments.files import check_writable, replacing
from gsp_nonlocal.extras import naming_extra
from gsp_nonlocal.shifts import LowRankShift, SparseShift
from gsp_nonlocal.signals import denoise, interpolate

HEAD = """\
# A photograph on its own graph

Two photographs of scikit-learn, 427 × 640 = 273,280 pixels, colours in [0, 1]; Gaussian noise of σ = 0.1, or
half of the pixels lost at random: one draw of each, so that small differences say nothing. Settings of every
method are those that were best in PSNR on the *other* photograph. Seconds are those of the whole method, its
graph included, on one thread.

The low-rank graph joins every pixel with every other: `A = Z Λ⁻¹ Zᵀ` (Liu, He, Chang 2010) with weights `Z`
of 256 anchors, a softmax of distances in smoothed colour and position, and `Λ = diag(Zᵀ 1)`. It has at most
256 frequencies below 1; all that is finer a filter scales alike. The sparse graph joins neighbours of the
grid by `exp(−‖colour difference‖² / 2 h²)`. Both take the colours of lost pixels from Gaussian means of the
known ones, and fill in what these means leave. No method touches a pixel that is known.

The lists of settings were drawn up after a look at both photographs, and some of the chosen ones stand at an
end of their list: none of these numbers is the best that a method can do."""

PHOTOGRAPHS = ("china.jpg", "flower.jpg")
NOISE, ANCHORS, SAMPLE, REACH = 0.1, 256, 30_000, 1.0
COLUMNS = ("task", "photograph", "method", "setting", "psnr", "ssim", "seconds")

Image = Tensor
"""Colours ``(H, W, 3)``."""


class Spoilt(NamedTuple):
    """What a method is given: colours, and which pixels are known ``(H, W)``."""

    colours: Image
    known: Tensor


class Method(NamedTuple):
    """A method of a task, and its settings to choose from: numbers by name."""

    run: Callable[..., Image]
    settings: dict[str, tuple[float, ...]]

    def choices(self) -> Iterator[dict[str, float]]:
        """Every combination of the settings."""
        for values in product(*self.settings.values()):
            yield dict(zip(self.settings, values, strict=True))


def anchor_graph(colours: Image, width: float) -> LowRankShift:
    """``Z Λ⁻¹ Zᵀ``: symmetric, its rows sum to 1, its eigenvalues lie in ``[0, 1]``."""
    height, breadth, _ = colours.shape
    row, column = torch.meshgrid(torch.arange(height), torch.arange(breadth), indexing="ij")
    place = torch.stack([row, column], -1) * (REACH / breadth)
    features = torch.cat([colours, place], -1).flatten(0, 1).float()
    sample = torch.randperm(len(features), generator=torch.Generator().manual_seed(0))[:SAMPLE]
    found = MiniBatchKMeans(ANCHORS, n_init=1, batch_size=4096, max_iter=30, random_state=0)
    anchors = torch.from_numpy(found.fit(features[sample].numpy()).cluster_centers_).float()
    closeness = features @ anchors.T - 0.5 * anchors.square().sum(1)
    weights = torch.softmax(closeness / width**2, dim=-1)
    return LowRankShift((weights / weights.sum(0).sqrt().clamp_min(1e-12))[None], spectral_bound=1.0)


def grid_graph(colours: Image, width: float) -> SparseShift:
    """Neighbours in rows and columns, by likeness of colour."""
    height, breadth, _ = colours.shape
    node = torch.arange(height * breadth).view(height, breadth)
    pairs = [(node[1:], node[:-1]), (node[:, 1:], node[:, :-1])]
    first, second = (torch.cat([pair[i].flatten() for pair in pairs]) for i in range(2))
    flat = colours.flatten(0, 1).double()
    weight = (-(flat[first] - flat[second]).square().sum(1) / (2 * width**2)).exp() + 1e-3
    places = torch.stack([torch.cat([first, second]), torch.cat([second, first])])
    return SparseShift.from_edge_index(places, weight.repeat(2), height * breadth)


def smoothed(spoilt: Spoilt, width: float = 1.0) -> Image:
    """Gaussian means of the known pixels."""
    known = spoilt.known.float().numpy()
    share = np.maximum(gaussian_filter(known, width), 1e-9)
    colours = spoilt.colours.numpy() * known[..., None]
    parts = [gaussian_filter(colours[..., c], width) / share for c in range(3)]
    return torch.from_numpy(np.stack(parts, -1))


def filled_by_means(spoilt: Spoilt, width: float) -> Image:
    """Gaussian means where a pixel is lost."""
    return spoilt.colours.where(spoilt.known[..., None], smoothed(spoilt, width))


def on_graph(spoilt: Spoilt, method: Any, width: float, strength: float) -> Image:
    """Noise taken away on the low-rank graph."""
    shift = anchor_graph(smoothed(spoilt), width)
    return denoise(nodes(spoilt.colours), shift, method, strength).view_as(spoilt.colours)


def tikhonov(spoilt: Spoilt, width: float, strength: float) -> Image:
    """``(I + αL)⁻¹ z``."""
    return on_graph(spoilt, "tikhonov", width, strength)


def heat(spoilt: Spoilt, width: float, strength: float) -> Image:
    """``exp(−τL) z``."""
    return on_graph(spoilt, "heat", width, strength)


def filled(graph: Callable[[Image, float], Any]) -> Callable[..., Image]:
    """What Gaussian means leave, filled in on a graph."""

    def run(spoilt: Spoilt, width: float, strength: float) -> Image:
        means = smoothed(spoilt)
        left = nodes(spoilt.colours - means)
        found = interpolate(left, spoilt.known.flatten(), graph(means, width), strength)
        return means + found.view_as(means).to(means.dtype)

    return run


def nonlocal_means(spoilt: Spoilt, width: float) -> Image:
    """scikit-image's, of patches of 5 × 5 within 6 pixels; lost pixels are Gaussian means before."""
    with naming_extra():
        from skimage.restoration import denoise_nl_means
    is_whole = bool(spoilt.known.all())
    start = spoilt.colours if is_whole else filled_by_means(spoilt, 1.0)
    sigma = NOISE if is_whole else 0.0
    found = denoise_nl_means(start.numpy(), 5, 6, width, sigma=sigma, fast_mode=True, channel_axis=-1)
    image = torch.from_numpy(found)
    return image if is_whole else image.where(~spoilt.known[..., None], spoilt.colours)


def nodes(image: Image) -> Tensor:
    """``(H, W, 3) -> (1, N, 3)``."""
    return image.flatten(0, 1)[None]


WIDTHS, STRENGTHS = (0.02, 0.03), (2.0, 5.0, 10.0)
TASKS: dict[str, dict[str, Method]] = {
    "noise": {
        "none": Method(lambda spoilt: spoilt.colours, {}),
        "Gaussian means": Method(smoothed, {"width": (0.7, 1.0, 1.5)}),
        "Tikhonov, low-rank": Method(tikhonov, {"width": WIDTHS, "strength": STRENGTHS}),
        "heat, low-rank": Method(heat, {"width": WIDTHS, "strength": (1.0, 2.0, 4.0)}),
        "nonlocal means": Method(nonlocal_means, {"width": (0.04, 0.06, 0.08, 0.1)}),
    },
    "lost pixels": {
        "Gaussian means": Method(filled_by_means, {"width": (0.5, 0.7, 1.0, 1.5)}),
        "interpolate, low-rank": Method(filled(anchor_graph), {"width": WIDTHS, "strength": (0.0, 0.1)}),
        "interpolate, sparse": Method(filled(grid_graph), {"width": (0.05, 0.1, 0.2), "strength": (0.0,)}),
        "nonlocal means": Method(nonlocal_means, {"width": (0.02, 0.04, 0.08)}),
    },
}


def photograph(name: str) -> Image:
    """Colours in ``[0, 1]``."""
    return torch.from_numpy(load_sample_image(name).copy()).float() / 255


def spoil(image: Image, task: str) -> Spoilt:
    """The photograph with noise, or without half of its pixels."""
    generator = torch.Generator().manual_seed(0)
    if task == "noise":
        noise = torch.randn(image.shape, generator=generator)
        return Spoilt(image + NOISE * noise, torch.ones(image.shape[:2], dtype=torch.bool))
    known = torch.rand(image.shape[:2], generator=generator) < 0.5
    return Spoilt(image.where(known[..., None], 0.0), known)


def psnr(found: Image, image: Image) -> float:
    """``−10 log₁₀ mean (found − image)²`` of colours in ``[0, 1]``."""
    return float(-10 * (found.clamp(0, 1) - image).square().mean().log10())


def ssim(found: Image, image: Image) -> float:
    """Structural similarity (Wang et al. 2004), of colours in ``[0, 1]``."""
    one, other = (part.clamp(0, 1).permute(2, 0, 1)[None] for part in (found.to(image.dtype), image))
    score = structural_similarity_index_measure(one, other, data_range=1.0)
    assert isinstance(score, Tensor)  # no image of it was asked for
    return float(score)


class Trial(NamedTuple):
    """A method with a setting on a photograph."""

    setting: dict[str, float]
    psnr: float
    ssim: float
    seconds: float
    found: Image


def trials(method: Method, spoilt: Spoilt, image: Image) -> list[Trial]:
    """The method with each of its settings."""
    done = []
    for setting in method.choices():
        started = time.perf_counter()
        found = method.run(spoilt, **setting)
        seconds = time.perf_counter() - started
        done.append(Trial(setting, psnr(found, image), ssim(found, image), seconds, found))
    return done


def compare(task: str, images: dict[str, Image]) -> tuple[list[dict[str, Any]], dict[str, Image]]:
    """Rows of the table, and pictures of the first photograph by method."""
    spoilt = {name: spoil(image, task) for name, image in images.items()}
    rows: list[dict[str, Any]] = []
    pictures = {"given": spoilt[next(iter(images))].colours}
    for label, method in TASKS[task].items():
        done = {name: trials(method, spoilt[name], image) for name, image in images.items()}
        for name in images:
            others = [other for other in images if other != name] or [name]
            best = max(range(len(done[name])), key=lambda i: sum(done[other][i].psnr for other in others))
            trial = done[name][best]
            pictures.setdefault(label, trial.found)
            rows.append(_row(task, name, label, trial))
            print(*rows[-1].values(), sep="  ", flush=True)
    return rows, pictures


def _row(task: str, name: str, label: str, trial: Trial) -> dict[str, Any]:
    setting = ", ".join(f"{key} {value:g}" for key, value in trial.setting.items())
    scores = f"{trial.psnr:.2f}", f"{trial.ssim:.3f}", f"{trial.seconds:.1f}"
    return dict(zip(COLUMNS, (task, name, label, setting, *scores), strict=True))


def write(rows: list[dict[str, Any]], pictures: dict[str, dict[str, Image]], output: Path) -> None:
    """The CSV file, the table and the picture."""
    with replacing(output / "photograph.csv") as path, path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    with replacing(output / "photograph.md") as path:
        path.write_text(_page(rows), encoding="utf-8")
    with replacing(output / "photograph.png") as path:
        _picture(pictures, path)


def _page(rows: list[dict[str, Any]]) -> str:
    parts = [HEAD]
    for task, name in dict.fromkeys((row["task"], row["photograph"]) for row in rows):
        own = [row for row in rows if (row["task"], row["photograph"]) == (task, name)]
        lines = [f"| {' | '.join(str(row[column]) for column in COLUMNS[2:])} |" for row in own]
        table = [
            "| method | setting | PSNR, dB | SSIM | seconds |",
            "| --- | --- | --- | --- | --- |",
            *lines,
        ]
        parts.append(f"## {task}, {name}\n\n" + "\n".join(table))
    return "\n\n".join([*parts, "![A part of the first photograph](photograph.png)"]) + "\n"


def _picture(pictures: dict[str, dict[str, Image]], path: Path) -> None:
    """The middle of the first photograph, a row a task."""
    from matplotlib.figure import Figure

    width = max(len(own) for own in pictures.values())
    figure = Figure(figsize=(2.6 * width, 2.9 * len(pictures)), layout="constrained")
    axes = figure.subplots(len(pictures), width, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for line, (task, own) in zip(axes, pictures.items(), strict=True):
        for axis, (label, image) in zip(line, own.items(), strict=False):
            height, breadth = (size // 2 for size in image.shape[:2])
            axis.imshow(image[height - 80 : height + 80, breadth - 80 : breadth + 80].clamp(0, 1).numpy())
            axis.set_title(f"{task}: {label}", fontsize=8)
    figure.savefig(path, dpi=70, format="png")


@command
def main(args: Sequence[str] | None = None) -> int:
    """Run the comparison from the command line."""
    parser = argparse.ArgumentParser("experiments.photograph", description=__doc__)
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--output", type=Path, default=Path("experiments/results"))
    chosen = parser.parse_args(args)
    check_writable(chosen.output)
    torch.set_num_threads(1)
    images = {name: photograph(name) for name in PHOTOGRAPHS}
    rows: list[dict[str, Any]] = []
    pictures: dict[str, dict[str, Image]] = {}
    for task in chosen.tasks:
        own, pictures[task] = compare(task, images)
        rows += own
    write(rows, pictures, chosen.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
