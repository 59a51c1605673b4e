"""Training of one cell of a comparison: one network on cued scenes, by one seed."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar

import filters
from experiments.checkpoints import WholeCheckpointIO
from experiments.data import CuedScenes
from experiments.data.scenes import Cue
from experiments.tasks import Segmentation

MODELS: dict[str, dict[str, Any]] = {
    "no block": {"filter": None, "order": None},
    "first order": {"filter": "chebyshev", "order": 1},
    "order 3": {"filter": "chebyshev", "order": 3},
}
FAMILIES: dict[str, dict[str, Any]] = {
    name: {"filter": name, "order": 1 if name in ("aggregation", "diffusion") else 3}
    for name in filters.registry.names()
}
"""Every filter family by name, of order 3; the two of a single term as the known blocks have them."""
STEPS: dict[Cue, int] = {"colour": 1000, "class": 3000}
BATCH: dict[Cue, int] = {"colour": 8, "class": 32}


@dataclass(frozen=True)
class Cell:
    """What one training gave: IoU of the best validation checkpoint on the test scenes, and the cost."""

    cue: str
    model: str
    seed: int
    steps: int
    val_iou: float
    test_iou: float
    seconds: float


def train_cell(
    cue: Cue,
    model: str,
    seed: int,
    folder: str | Path,
    *,
    steps: int | None = None,
    eval_scenes: int = 400,
) -> tuple[Cell, Segmentation]:
    """Train a model, choose by validation IoU and test the choice.

    The budget depends on the cue alone, the batches on cue and seed alone; every model has the same
    hyperparameters.

    Args:
        cue: ``"colour"`` or ``"class"``.
        model: Key of ``MODELS`` or of ``FAMILIES``.
        seed: Seed of weights and training scenes.
        folder: Where the best checkpoint goes, as ``best.ckpt``.
        steps: Training steps; by default ``STEPS[cue]``.
        eval_scenes: Number of validation and of test scenes.

    Returns:
        The figures, and the chosen network.

    Raises:
        ValueError: If ``model`` is unknown.
    """
    settings = MODELS | FAMILIES
    if model not in settings:
        raise ValueError(f"unknown model {model!r}; choose one of {', '.join(settings)}")
    steps = STEPS[cue] if steps is None else steps
    seed_everything(seed, verbose=False)
    task = Segmentation(**settings[model])
    batch = BATCH[cue]
    scenes = CuedScenes(cue, train_scenes=steps * batch, batch_size=batch, eval_scenes=eval_scenes, seed=seed)
    best = ModelCheckpoint(folder, "best", monitor=task.monitor, mode="max", enable_version_counter=False)
    trainer = quiet_trainer(best, val_check_interval=max(1, steps // 8))
    begin = time.perf_counter()
    trainer.fit(task, scenes)
    seconds = time.perf_counter() - begin
    weights = torch.load(best.best_model_path, weights_only=True)["state_dict"]
    task.load_state_dict(weights)
    tested = trainer.test(task, scenes, verbose=False)[0]["test/iou"]
    val_iou = float(best.best_model_score or 0.0)
    return Cell(cue, model, seed, steps, round(val_iou, 4), round(tested, 4), round(seconds, 1)), task


def quiet_trainer(best: ModelCheckpoint, **settings: Any) -> Trainer:
    """Return a trainer of one epoch with a progress bar, whole checkpoints, and no further output."""
    defaults: dict[str, Any] = {"max_epochs": 1, "logger": False, "enable_model_summary": False}
    return Trainer(
        **(defaults | settings),
        callbacks=[best, RichProgressBar()],
        plugins=[WholeCheckpointIO()],
        num_sanity_val_steps=0,
    )
