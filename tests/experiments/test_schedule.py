"""The rate of the networks on scenes, step by step."""

import math

import pytest
from lightning import Trainer
from lightning.pytorch.callbacks import Callback

from experiments.data import CuedScenes
from experiments.tasks import Segmentation

STEPS = 16


class Rates(Callback):
    def __init__(self):
        self.seen = []

    def on_train_batch_start(self, trainer, *_):
        self.seen.append(trainer.optimizers[0].param_groups[0]["lr"])


@pytest.mark.parametrize("warmup", [0.0, 0.25])
def test_the_rate_rises_and_falls(warmup):
    """``min(1, p / w) ½ (1 + cos πp)`` of the peak, ``p`` the share of the steps that is done."""
    rates, quiet = Rates(), dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar"), False)
    trainer = Trainer(
        max_epochs=1, callbacks=[rates], limit_val_batches=0, enable_model_summary=False, **quiet
    )
    scenes = CuedScenes(train_scenes=2 * STEPS, eval_scenes=2, batch_size=2)
    trainer.fit(Segmentation(channels=2, learning_rate=0.1, warmup=warmup), scenes)
    rise = [min(1.0, step / (warmup * STEPS)) if warmup else 1.0 for step in range(STEPS)]
    wanted = [0.1 * r * 0.5 * (1 + math.cos(math.pi * step / STEPS)) for step, r in enumerate(rise)]
    assert rates.seen == pytest.approx(wanted)
