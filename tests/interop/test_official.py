"""Values and gradients of the authors' public code, from their own weights."""

import pytest
import torch

from gsp_nonlocal.blocks import SNL
from gsp_nonlocal.interop.official import head_state, kinds, load_block, load_network
from tests.cases.signals import relative
from tests.interop.golden import check_golden, check_gradients, load

BLOCKS = {
    **{f"{kind}_stages{n}": (kind, {}) for kind in ("snl", "nl", "ns", "a2", "dnl") for n in (1, 3)},
    "cc": ("cc", {}),
    "anl": ("anl", {}),
    "cgnl_groups1": ("cgnl", {"groups": 1}),
    "cgnl_groups2": ("cgnl", {}),  # found in the state
}
"""Every block of the authors' code: file, kind, options."""


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_a_block_is_the_authors_block(name, mode):
    kind, options = BLOCKS[name]
    arrays, state = load(f"official_{name}_2x16x6x5")
    block = load_block(kind, state, **options).train(mode == "train")
    check_golden(block, arrays, mode)
    if mode == "eval":
        rules = kinds.get(kind)(state, **options)[1]
        check_gradients(block, rules, arrays)


@pytest.mark.parametrize("form", ["low_rank", "dense"])
@pytest.mark.parametrize("kind", ["snl", "a2"])
def test_forms_of_the_relu_affinity_agree_with_the_authors(form, kind):
    arrays, state = load(f"official_{kind}_stages3_2x16x6x5")
    block = load_block(kind, state).train()
    block.affinity.form = form
    check_golden(block, arrays, "train")


def test_the_segmentation_heads_sign():
    """It subtracts what the classification code adds."""
    arrays, state = load("official_snl_stages1_2x16x6x5")
    negated = {k: -v if k.endswith("w_2.weight") else v for k, v in state.items()}
    assert torch.equal(
        load_block("snl", negated, subtract=True).eval()(arrays["x"]),
        load_block("snl", state).eval()(arrays["x"]),
    )


def test_the_segmentation_heads_state_gets_our_keys():
    """Those of its block alone; the whole head is compared where mmsegmentation is installed."""
    arrays, block = load("official_snl_stages1_2x16x6x5")
    others = {"backbone.conv1.weight": torch.ones(1), "decode_head.convs.0.conv.weight": torch.ones(2)}
    state = others | {f"decode_head.SNL.{key}": value for key, value in block.items()}
    ours = head_state(state)
    assert {key for key in ours if not key.startswith("decode_head.block.")} == set(others)
    snl = SNL(16, 8, gate=False).eval()
    snl.load_state_dict(
        {key.removeprefix("decode_head.block."): v for key, v in ours.items() if key not in others}
    )
    assert torch.equal(snl(arrays["x"]), load_block("snl", block, subtract=True).eval()(arrays["x"]))
    assert head_state({f"SNL.{key}": value for key, value in block.items()}, "").keys() == {
        f"block.{key}" for key in snl.state_dict()
    }
    with pytest.raises(ValueError, match=r"missing t\.weight"):
        head_state(others)


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
        (lambda s: without(s, "stages.0.bn.running_var"), "missing stages.0.bn.running_var"),
        (lambda s: {**s, "stages.0.extra": s["p.weight"]}, "surplus stages.0.extra"),
        (lambda s: {}, "no keys"),
    ],
)
def test_states_that_do_not_fit_name_the_keys(change, message):
    _, state = load("official_snl_stages1_2x16x6x5")
    with pytest.raises(ValueError, match=message):
        load_block("snl", change(state))


def test_unknown_kinds_and_foreign_networks():
    with pytest.raises(
        ValueError, match="unknown kind of block 'gnl'; choose one of: a2, anl, cc, cgnl, dnl, nl, ns, snl"
    ):
        load_block("gnl", {})
    with pytest.raises(ValueError, match=r"missing conv.weight, fc2.weight"):
        load_network({"features.0.weight": torch.ones(1)})
    with pytest.raises(TypeError, match="group_count"):
        load_block("cgnl", load("official_cgnl_groups1_2x16x6x5")[1], group_count=1)
    with pytest.raises(ValueError, match="groups=3 does not fit this state, which has 1"):
        load_block("cgnl", load("official_cgnl_groups1_2x16x6x5")[1], groups=3)


def test_a_block_has_the_data_type_of_its_state():
    _, state = load("official_cgnl_groups2_2x16x6x5")
    block = load_block("cgnl", {key: value.double() for key, value in state.items()})
    assert {p.dtype for p in block.parameters()} == {torch.float64}
