"""Values and gradients of the authors' public code, from their own weights."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gsp_nonlocal.interop.official import load_block, load_network
from tests.filters.cases import relative

DATA = Path(__file__).parents[1] / "data"


def load(name: str) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Arrays of one file, and the authors' state among them."""
    with np.load(DATA / f"{name}.npz", allow_pickle=False) as file:
        arrays = {key: torch.from_numpy(file[key]) for key in file.files}
    return arrays, {k.removeprefix("state/"): v for k, v in arrays.items() if k.startswith("state/")}


def our_gradients(block) -> dict[str, torch.Tensor]:
    """Gradients under the authors' names and shapes."""
    theta, phi = block.affinity.theta_phi.weight.grad.chunk(2, dim=1)
    found = {"t.weight": theta.mT, "p.weight": phi.mT}
    for i, unit in enumerate(block.stages):
        w_1, w_2 = unit.filter.weight.grad
        own = {"g": unit.value.weight.grad.mT, "w_1": w_1.mT, "w_2": w_2.mT, "bn": unit.norm.weight.grad}
        found |= {f"stages.{i}.{name}.weight": value for name, value in own.items()}
        found[f"stages.{i}.bn.bias"] = unit.norm.bias.grad
    return found


@pytest.mark.parametrize("form", ["low_rank", "dense"])
@pytest.mark.parametrize("stages", [1, 3])
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_snl_is_the_authors_snl(form, stages, mode):
    arrays, state = load(f"official_snl_stages{stages}_2x16x6x5")
    block = load_block("snl", state).train(mode == "train")
    block.affinity.form = form
    x = arrays["x"].requires_grad_()
    y = block(x)
    (y * arrays["cotangent"]).sum().backward()
    assert relative(y, arrays[f"y_{mode}"]) < 2e-5
    assert relative(x.grad, arrays[f"grad_x_{mode}"]) < 2e-5
    if mode == "eval":
        ours = our_gradients(block)
        expected = {k.removeprefix("grad_eval/"): v for k, v in arrays.items() if k.startswith("grad_eval/")}
        assert ours.keys() == expected.keys()
        for name, gradient in expected.items():
            assert relative(ours[name], gradient.reshape(ours[name].shape)) < 2e-5, name


def test_the_whole_network_gives_the_authors_logits():
    arrays, state = load("official_preresnet20_snl")
    network = load_network(state).eval()
    assert relative(network(arrays["x"]), arrays["y_eval"]) < 2e-5


def test_a_network_without_a_block_loads_too():
    _, state = load("official_preresnet20_snl")
    plain = {k: v for k, v in state.items() if not k.startswith("layer3.2.")}
    plain = {k.replace("layer3.3.", "layer3.2."): v for k, v in plain.items()}
    assert load_network(plain).eval()(torch.randn(1, 3, 32, 32)).shape == (1, 10)


def without(state, key):
    return {k: v for k, v in state.items() if k != key}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: without(s, "p.weight"), "missing p.weight"),
        (lambda s: without(s, "stages.0.w_2.weight"), "missing stages.0.w_2.weight"),
        (lambda s: without(s, "stages.0.bn.running_var"), "missing stages.0.norm.running_var"),
        (lambda s: {**s, "stages.0.extra": s["p.weight"]}, "surplus stages.0.extra"),
        (lambda s: {}, "no keys"),
    ],
)
def test_states_that_do_not_fit_name_the_keys(change, message):
    _, state = load("official_snl_stages1_2x16x6x5")
    with pytest.raises(ValueError, match=message):
        load_block("snl", change(state))


def test_unknown_kinds_and_foreign_networks():
    with pytest.raises(ValueError, match="unknown kind of block 'gnl'; choose one of: snl"):
        load_block("gnl", {})
    with pytest.raises(ValueError, match=r"missing conv.weight, fc2.weight"):
        load_network({"features.0.weight": torch.ones(1)})
