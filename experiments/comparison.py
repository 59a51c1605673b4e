"""Training of one cell of a grid: one network on cued scenes or digits, by one seed."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from lightning import LightningDataModule, Trainer, seed_everything
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar

import filters
from experiments.cells import Cell
from experiments.checkpoints import WholeCheckpointIO, read_checkpoint
from experiments.data import CuedScenes, Digits
from experiments.data.scenes import Cue
from experiments.finite import FiniteTraining
from experiments.tasks import Classification, Segmentation
from gsp_nonlocal.blocks import registry

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
OPTIONS: dict[str, dict[str, Any]] = {"cgnl": {"block_options": {"groups": 4}}}
"""What a block is compared with beside its defaults."""
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "snl": {"snl order 3": {"block": "snl", "order": 3}},
    "a2": {"a2 unnormalised": {"block": "a2_unnormalised"}},
}
"""What is compared beside a block itself."""
BLOCKS: dict[str, dict[str, Any]] = {"no block": {"block": None}}
for _name in registry:
    BLOCKS |= {_name: {"block": _name} | OPTIONS.get(_name, {})} | VARIANTS.get(_name, {})
"""Every block of the library, as settings of either task; see :func:`block_task` for their widths."""
Data = Literal["scenes", "digits"]
Task = Segmentation | Classification
STEPS: dict[Cue, int] = {"colour": 1000, "class": 3000}
BATCH: dict[Cue, int] = {"colour": 8, "class": 32}
BLOCK_STEPS: dict[str, int] = {"scenes": STEPS["colour"], "digits": 128}
BLOCK_BATCH: dict[str, int] = {"scenes": BATCH["colour"], "digits": 64}
CUED_COLUMNS = ("cue", "model", "seed", "steps", "val_iou", "test_iou", "seconds")
"""Header of tables of cued scenes, for the fields of a cell."""


def train_cell(
    cue: Cue,
    model: str,
    seed: int,
    folder: str | Path,
    *,
    steps: int | None = None,
    eval_scenes: int = 400,
    warmup: float = 0.0,
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
        warmup: Share of the steps over which the learning rate rises.

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
    task = Segmentation(**settings[model], warmup=warmup)
    scenes = _scenes(cue, seed, steps, BATCH[cue], eval_scenes)
    val, test, seconds, _ = train_best(task, scenes, folder, val_check_interval=max(1, steps // 8))
    return Cell(cue, model, seed, steps, val, test, seconds), task


def train_block(
    data: Data, block: str, seed: int, folder: str | Path, *, steps: int | None = None, eval_scenes: int = 400
) -> Cell:
    """Train the network of a block on scenes (colour cue) or digits, choose by validation, test the choice.

    The budget depends on the data set alone, the batches on data set and seed alone: the random shifts of
    digits are drawn from a generator that is seeded again once the weights are drawn.

    Args:
        data: ``"scenes"`` or ``"digits"``.
        block: Key of ``BLOCKS``.
        seed: Seed of weights and training data.
        folder: Where the best checkpoint goes, as ``best.ckpt``.
        steps: Training steps; by default ``BLOCK_STEPS[data]``.
        eval_scenes: Number of validation and of test scenes.

    Raises:
        ValueError: If ``block`` is unknown.
    """
    steps = BLOCK_STEPS[data] if steps is None else steps
    seed_everything(seed, verbose=False)
    task = block_task(data, block)
    source = _block_data(data, seed, steps, eval_scenes)
    seed_everything(seed, verbose=False)
    often: dict[str, Any] = {"val_check_interval": max(1, steps // 8), "check_val_every_n_epoch": None}
    val, test, seconds, _ = train_best(task, source, folder, max_epochs=-1, max_steps=steps, **often)
    return Cell(data, block, seed, steps, val, test, seconds)


def block_task(data: Data, block: str) -> Task:
    """Return the untrained network of a block, all with projections of half the width, ``gc`` with its own.

    Raises:
        ValueError: If ``block`` is unknown.
    """
    if block not in BLOCKS:
        raise ValueError(f"unknown block {block!r}; choose one of {', '.join(BLOCKS)}")
    half = {"scenes": 16, "digits": 32}[data]
    settings = BLOCKS[block] | {"inner_channels": None if block == "gc" else half}
    if data == "scenes":
        return Segmentation(filter=None, **settings)
    return Classification(dropout=0.2, **settings)


def _block_data(data: Data, seed: int, steps: int, eval_scenes: int) -> LightningDataModule:
    batch = BLOCK_BATCH[data]
    if data == "scenes":
        return _scenes("colour", seed, steps, batch, eval_scenes)
    return Digits(batch_size=batch, seed=seed)


def _scenes(cue: Cue, seed: int, steps: int, batch: int, eval_scenes: int) -> CuedScenes:
    return CuedScenes(cue, train_scenes=steps * batch, batch_size=batch, eval_scenes=eval_scenes, seed=seed)


class Outcome(NamedTuple):
    """Metric of the best validation checkpoint on validation and test data, seconds, and the checkpoint."""

    val: float
    test: float
    seconds: float
    checkpoint: Path


def train_best(
    task: Task,
    data: LightningDataModule,
    folder: str | Path,
    name: str = "best",
    callbacks: Sequence[Callback] = (),
    **settings: Any,
) -> Outcome:
    """Train ``task``, load its best validation checkpoint into it, and test that.

    Args:
        task: The network; the chosen one at the end.
        data: Its data.
        folder: Where the checkpoint goes.
        name: Its name, without ``.ckpt``.
        callbacks: Further callbacks of the training.
        settings: Of Lightning's ``Trainer``.

    Raises:
        NotFiniteError: If the loss, or the weights, come to NaN or infinity.
    """
    best = ModelCheckpoint(folder, name, monitor=task.monitor, mode="max", enable_version_counter=False)
    trainer = quiet_trainer(best, callbacks, **settings)
    begin = time.perf_counter()
    trainer.fit(task, data)
    seconds = time.perf_counter() - begin
    task.load_state_dict(read_checkpoint(best.best_model_path)["state_dict"])
    tested = trainer.test(task, data, verbose=False)[0][task.monitor.replace("val", "test")]
    val = float(best.best_model_score or 0.0)
    return Outcome(round(val, 4), round(tested, 4), round(seconds, 1), Path(best.best_model_path))


def quiet_trainer(best: ModelCheckpoint, callbacks: Sequence[Callback] = (), **settings: Any) -> Trainer:
    """Return a trainer of one epoch with a progress bar, whole checkpoints, and no further output."""
    defaults: dict[str, Any] = {"max_epochs": 1, "logger": False, "enable_model_summary": False}
    return Trainer(
        **(defaults | settings),
        callbacks=[*callbacks, FiniteTraining(), best, RichProgressBar()],
        plugins=[WholeCheckpointIO()],
        num_sanity_val_steps=0,
    )
