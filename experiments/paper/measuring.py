"""What the networks of the grid cost: the recipes by which fresh processes make them."""

from typing import Any

import torch

from experiments.costs import Batch, Cost, Recipe, network_costs
from experiments.paper.plan import Plan, batch_shape
from experiments.tasks import Classification


def costs_of(plan: Plan, rounds: int = 5) -> dict[str, Cost]:
    """Measure the networks of a plan, on noise of the shape of its training batches, by task and label."""
    shape = batch_shape(plan.resolved)
    recipes = {
        f"{plan.task} {network.label}": Recipe(
            classification_and_noise, (plan.settings(network) | {"compile": False}, shape)
        )
        for network in plan.networks
    }
    return network_costs(recipes, rounds)


def classification_and_noise(
    settings: dict[str, Any], shape: tuple[int, ...]
) -> tuple[Classification, Batch]:
    """The network of ``settings``, and a batch of noise with labels of class 0."""
    return Classification(**settings), (torch.rand(shape), torch.zeros(shape[0], dtype=torch.long))
