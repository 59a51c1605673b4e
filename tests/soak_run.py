"""The training that is killed: its arguments."""

from pathlib import Path

from tests.experiments.conftest import CONFIGS

RUN = [
    "fit",
    "--config",
    str(CONFIGS / "digits_snl.yaml"),
    "--model.dropout=0.5",
    "--data.size=8",
    "--data.batch_size=128",  # eight steps an epoch
    "--trainer.max_epochs=4",
    "--trainer.val_check_interval=4",
    "--trainer.log_every_n_steps=4",
    "--trainer.enable_progress_bar=false",
    "--trainer.enable_model_summary=false",
    "--checkpoint_every=3",
]


def arguments(folder: Path) -> list[str]:
    """The arguments of the training, whose data may be made in ``folder``."""
    return RUN
