"""The paper's protocol, step by step, against a plain loop that follows the authors' code."""

import copy

import numpy as np
import pytest
import torch
import yaml
from lightning import Trainer
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from experiments.tasks import Classification
from experiments.tasks.schedule import factor_of_epoch
from tests.experiments.conftest import CONFIGS

PROTOCOLS = {
    "cifar10": (0.1, 300, [150, 250]),
    "cifar100": (0.1, 300, [150, 250]),
    "imagenet": (0.01, 100, [31, 61, 81]),
    "cub": (0.01, 100, [31, 61, 81]),
}
WARMUP = 10


def rates(rate, epochs, drops, warmup=WARMUP):
    """Their rule: a line through ``warmup`` numbers, then a rate that is cut at each drop."""
    found, low = [], rate * 0.1 ** len(drops)
    moved = [drop + warmup for drop in drops]
    for epoch in range(epochs + warmup):
        if epoch < warmup:
            found.append(np.linspace(low, rate, num=warmup)[epoch])
            continue
        rate *= 0.1 if epoch in moved else 1.0
        found.append(rate)
    return found


def config(name):
    return yaml.safe_load((CONFIGS / "paper" / f"{name}.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_rate_of_every_epoch_is_the_authors(name):
    rate, epochs, drops = PROTOCOLS[name]
    own = config(name)
    settings = own["model"]["init_args"]
    assert own["trainer"]["max_epochs"] == epochs + WARMUP
    assert own["trainer"]["check_val_every_n_epoch"] == 5
    ours = [
        settings["learning_rate"] * factor_of_epoch(e, settings["warmup_epochs"], settings["drop_epochs"])
        for e in range(epochs + WARMUP)
    ]
    np.testing.assert_allclose(ours, rates(rate, epochs, drops), rtol=1e-12)


@pytest.mark.parametrize(("name", "batch"), [("cifar10", 128), ("cifar100", 128), ("imagenet", 100)])
def test_batches_and_regularisation_are_the_authors(name, batch):
    own = config(name)
    settings = own["model"]["init_args"]
    assert own["data"]["init_args"]["batch_size"] == batch
    assert settings["weight_decay"] == 1e-4 and settings["dropout"] == 0.5


def test_training_is_the_authors_loop():
    """Six epochs with two drops: the same weights as a plain loop of SGD by their rates."""
    torch.manual_seed(0)
    task = Classification(
        in_channels=3, block="snl", gate=False, dropout=0.0, warmup_epochs=2, drop_epochs=[1, 3]
    )
    network = copy.deepcopy(task.network).train()
    images, labels = torch.randn(8, 3, 16, 16), torch.arange(8)
    batches = DataLoader(TensorDataset(images, labels), batch_size=4)
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
    for rate in rates(0.1, 4, [1, 3], warmup=2):
        for group in optimizer.param_groups:
            group["lr"] = float(rate)
        for x, y in batches:
            optimizer.zero_grad()
            cross_entropy(network(x), y).backward()
            optimizer.step()
    Trainer(
        max_epochs=6, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, accelerator="cpu",
    ).fit(task, batches)  # fmt: skip
    for key, value in network.state_dict().items():
        torch.testing.assert_close(task.network.state_dict()[key], value, rtol=1e-6, atol=1e-7)
