"""Pictures of a comparison."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from torch import Tensor, nn

from experiments.cells import Summary
from experiments.files import replacing

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

COLOURS = ("#9aa5b1", "#4c8dd6", "#e4572e")
_BACKGROUND = np.array([0.10, 0.11, 0.15])


def plot_comparison(
    summaries: Sequence[Summary],
    models: Mapping[str, nn.Module],
    images: Tensor,
    masks: Tensor,
    path: str | Path,
) -> Path:
    """Draw the bars, and for each of a few scenes cue, target and every model's prediction.

    Args:
        summaries: What the bars show.
        models: Networks from images ``(B, 3, H, W)`` to logits ``(B, H, W)``, by name.
        images: Scenes ``(B, 3, H, W)``.
        masks: Targets ``(B, H, W)``.
        path: PNG file.
    """
    rows, titles = len(images), ("scene (cue framed)", "target", *models)
    figure = plt.figure(figsize=(4 + 1.9 * len(titles), 0.6 + 1.9 * rows), layout="constrained")
    ((left, right),) = figure.subfigures(1, 2, squeeze=False, width_ratios=(4, 1.9 * len(titles)))
    _bars(left.subplots(), summaries)
    columns = [masks.bool(), *(_predict(model, images) for model in models.values())]
    grid = right.subplots(rows, len(titles), squeeze=False)
    for row, axes in enumerate(grid):
        scene = images[row].permute(1, 2, 0).numpy()
        pictures = [scene, *(_paint(scene, mask[row].numpy()) for mask in columns)]
        for axis, picture in zip(axes, pictures, strict=True):
            axis.imshow(picture, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
    for axis, title in zip(grid[0], titles, strict=True):
        axis.set_title(title, fontsize=11)
    return _save(figure, path)


def plot_dots(summaries: Sequence[Summary], measures: Mapping[str, str], path: str | Path) -> Path:
    """Draw each seed's test metric, mean and deviation, as a PNG: a panel a data set, a row a model.

    Args:
        summaries: What is shown; rows are in the order of the models' first summary.
        measures: Name of the metric by data set.
        path: PNG file.
    """
    models = list(dict.fromkeys(summary.network for summary in summaries))
    shown = [data for data in measures if any(summary.task == data for summary in summaries)]
    size = (1.5 + 4.2 * len(shown), 1.3 + 0.32 * len(models))
    figure, panels = plt.subplots(
        1, len(shown), figsize=size, layout="constrained", squeeze=False, sharey=True
    )
    for data, axes in zip(shown, panels.flat, strict=True):
        for summary in (summary for summary in summaries if summary.task == data):
            _dots(axes, summary, models.index(summary.network))
        axes.set(title=data, xlabel=f"test {measures[data]}", ylim=(len(models) - 0.4, -0.6))
        axes.set_yticks(range(len(models)), models)
        axes.grid(axis="x", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = panels.flat[0].get_legend_handles_labels()
    drawn = dict(zip(labels, handles, strict=True))
    figure.legend(drawn.values(), drawn.keys(), loc="outside lower center", ncols=2, frameon=False)
    return _save(figure, path)


def _dots(axes: Axes, summary: Summary, row: int) -> None:
    """Draw the seeds above the row's line, and mean, deviation and the mean's figure on it."""
    seeds = len(summary.scores)
    axes.plot(summary.scores, [row - 0.2] * seeds, "o", color=COLOURS[0], markersize=4, label="each seed")
    axes.errorbar(
        summary.mean,
        row + 0.1,
        xerr=summary.std,
        fmt="o",
        capsize=3,
        color=COLOURS[1],
        label="mean ± standard deviation",
    )
    place = axes.get_yaxis_transform()
    axes.text(1.01, row, f"{summary.mean:.3f}", transform=place, va="center", fontsize=8)


def _bars(axes: Axes, summaries: Sequence[Summary]) -> None:
    cues = list(dict.fromkeys(summary.task for summary in summaries))
    models = list(dict.fromkeys(summary.network for summary in summaries))
    for summary in summaries:
        place = cues.index(summary.task) + 0.27 * (models.index(summary.network) - (len(models) - 1) / 2)
        bar = axes.bar(
            place,
            summary.mean,
            0.25,
            yerr=summary.std or None,
            capsize=4,
            color=COLOURS[models.index(summary.network) % len(COLOURS)],
            label=summary.network if summary.task == cues[0] else None,
        )
        axes.bar_label(bar, fmt="%.2f", padding=3)
    axes.set_xticks(range(len(cues)), [f"cue: {cue}" for cue in cues])
    axes.set(ylabel="test IoU", ylim=(0, 1.12))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left")


def _predict(model: nn.Module, images: Tensor) -> Tensor:
    training = model.training
    model.eval()
    with torch.no_grad():
        predicted = model(images) > 0
    model.train(training)
    return predicted.cpu()


def _paint(scene: Any, mask: Any) -> Any:
    """Show the scene faintly and the mask in white."""
    faint = _BACKGROUND + 0.25 * scene
    return np.where(mask[..., None], 1.0, np.clip(faint, 0, 1))


def _save(figure: Any, path: str | Path) -> Path:
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=130, format="png")
    plt.close(figure)
    return Path(path)
