"""The figures of throughput are those of a clock that the test moves."""

import pytest
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader, Dataset

from experiments.throughput import Throughput

FETCH, STEP, VALIDATION, BATCH = 1.0, 3.0, 100.0, 4
WITHIN = [0.0]


class Images(Dataset):
    """Fetching a batch takes a second."""

    def __len__(self):
        return 6 * BATCH

    def __getitem__(self, index):
        WITHIN[0] += FETCH / BATCH
        return torch.ones(1), 0


class Line(LightningModule):
    """A step takes three seconds, a validation a hundred."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def training_step(self, batch, batch_idx):
        WITHIN[0] += STEP
        return self.weight.square().sum()

    def validation_step(self, batch, batch_idx):
        WITHIN[0] += VALIDATION

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


@pytest.mark.parametrize("profiler", [None, "simple"])
def test_images_a_second_and_the_share_of_waiting_leave_validations_out(profiler, tmp_path, monkeypatch):
    logged, table = [], CSVLogger(tmp_path)
    monkeypatch.setattr(table, "log_metrics", lambda metrics, step: logged.append((step, dict(metrics))))
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=2,
        val_check_interval=2,
        num_sanity_val_steps=1,
        log_every_n_steps=3,
        logger=table,
        callbacks=[Throughput(lambda: WITHIN[0])],
        profiler=profiler,
        default_root_dir=tmp_path,
        **quiet,
    )
    loaders = DataLoader(Images(), BATCH), DataLoader(Images(), BATCH)
    trainer.fit(Line(), *loaders)
    found = [(step, metrics) for step, metrics in logged if "train/images_per_second" in metrics]
    assert [step for step, _ in found] == [2, 5, 8, 11]
    for _, metrics in found:
        assert metrics["train/images_per_second"] == pytest.approx(BATCH / (FETCH + STEP))
        assert metrics["train/data_wait_share"] == pytest.approx(FETCH / (FETCH + STEP))
    assert "start" not in vars(trainer.profiler)
