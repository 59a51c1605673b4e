"""The training that is killed: its data and its arguments."""

from pathlib import Path

from tests.experiments.conftest import CONFIGS
from tests.experiments.made import write_cifar10

RUN = [
    "fit",
    "--config",
    str(CONFIGS / "paper" / "cifar10.yaml"),
    "--model.warmup_epochs=1",
    "--model.drop_epochs=[2]",
    "--data.batch_size=16",  # five steps an epoch
    "--data.num_workers=1",
    "--trainer.max_epochs=4",
    "--trainer.check_val_every_n_epoch=1",
    "--trainer.log_every_n_steps=2",
    "--trainer.enable_progress_bar=false",
    "--trainer.enable_model_summary=false",
    "--checkpoint_every=3",
]


def arguments(folder: Path) -> list[str]:
    """Make CIFAR-10 of 100 images in ``folder``, and return the arguments of the training."""
    return [*RUN, f"--data.root={write_cifar10(folder / 'cifar10')}"]
