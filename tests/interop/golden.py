"""Inputs and outputs of public implementations, as the tests read them."""

from pathlib import Path

import numpy as np
import torch

from gsp_nonlocal.interop.translation import Rule, translate_back
from tests.cases.signals import relative

DATA = Path(__file__).parents[1] / "data"
TOLERANCE = 2e-5
ROUNDING = 5e-6
"""Of the largest gradient: float32 keeps no more where a small one is a difference of large numbers.

A bias before a softmax has none in truth. Behind the group norm of CGNL, the stored gradients of embeddings
are themselves 2e-3 from those in float64.
"""


def load(name: str) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Arrays of one file, and the foreign state among them."""
    with np.load(DATA / f"{name}.npz", allow_pickle=False) as file:
        arrays = {key: torch.from_numpy(file[key]) for key in file.files}
    return arrays, {k.removeprefix("state/"): v for k, v in arrays.items() if k.startswith("state/")}


def check_golden(block: torch.nn.Module, arrays: dict[str, torch.Tensor], mode: str) -> None:
    """Values, and the gradient of the input where there is one; the block's gradients stay in it."""
    x = arrays["x"].clone().requires_grad_()
    y = block(x)
    (y * arrays["cotangent"]).sum().backward()
    assert relative(arrays[f"y_{mode}"], arrays["x"]) > 1e-2  # the block does something
    assert relative(y, arrays[f"y_{mode}"]) < TOLERANCE
    if f"grad_x_{mode}" in arrays:
        assert relative(x.grad, arrays[f"grad_x_{mode}"]) < TOLERANCE


def check_gradients(block: torch.nn.Module, rules: list[Rule], arrays: dict[str, torch.Tensor]) -> None:
    """Gradients of the weights in evaluation mode, under the foreign names."""
    own = {name: p.grad for name, p in block.named_parameters()}
    ours = translate_back([rule for rule in rules if rule.theirs and rule.ours in own], own)
    expected = {k.removeprefix("grad_eval/"): v for k, v in arrays.items() if k.startswith("grad_eval/")}
    assert set(expected) <= set(ours)
    largest = max(g.norm() for g in expected.values())
    for name, gradient in expected.items():
        error = (ours[name].reshape(gradient.shape) - gradient).norm()
        assert error < max(TOLERANCE * gradient.norm(), ROUNDING * largest), name
