"""timm's registry, loading, feature extraction and ``attn_layer`` with our blocks."""

import importlib
import sys
from functools import partial

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.layers import create_attn
from torch import nn

import gsp_nonlocal.interop.timm as ours
from gsp_nonlocal import inserted_blocks, interop
from gsp_nonlocal.blocks import SNL, registry
from gsp_nonlocal.cli.networks import library_model
from tests.cases.blocks import open_gates

RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
PLACES = {"resnet18": "layer3.0", "resnet34": "layer3.4", "resnet50": "layer3.4"}
"""Before the last unit of layer 3."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A plain resnet18 of seven classes, and its weights in timm's two kinds of files."""
    torch.manual_seed(0)
    network = timm.create_model("resnet18", num_classes=7).eval()
    folder = tmp_path_factory.mktemp("weights")
    torch.save({"state_dict": network.state_dict()}, folder / "plain.pth")
    save_file(network.state_dict(), folder / "plain.safetensors")
    return network, folder


def image(channels=3):
    return torch.randn(2, channels, 64, 64, generator=torch.Generator().manual_seed(1))


def test_every_resnet_has_every_block_by_name():
    names = {f"{network}_{block}" for network in RESNETS for block in registry.names()}
    assert names <= set(timm.list_models())
    assert set(timm.list_models("*_snl")) == {f"{network}_snl" for network in RESNETS}
    assert set(timm.list_models("resnet50_*", module="resnet")) >= {n for n in names if "resnet50_" in n}


@pytest.mark.parametrize("block", registry.names())
def test_a_registered_network_has_its_block_and_learns(block):
    network = timm.create_model(f"resnet18_{block}", num_classes=3, in_chans=1)
    (record,) = inserted_blocks(network)
    assert (record.path, type(record.block)) == ("layer3.0", registry.get(block))
    open_gates(network)
    logits = network(image(1))
    logits.square().sum().backward()
    assert logits.shape == (2, 3)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in record.block.parameters())


@pytest.mark.parametrize("name", PLACES)
def test_the_block_stands_before_the_last_unit_of_layer_three(name):
    with torch.device("meta"):
        (record,) = inserted_blocks(timm.create_model(f"{name}_snl"))
    assert record.path == PLACES[name]


def test_arguments_reach_the_block_and_wrong_ones_are_named():
    network = timm.create_model("resnet18_snl", nonlocal_args={"order": 3})
    assert inserted_blocks(network)[0].block.units[0].filter.order == 3
    with pytest.raises(TypeError, match="ordre"):
        timm.create_model("resnet18_snl", nonlocal_args={"ordre": 3})
    with pytest.raises(TypeError, match="num_clases"):
        timm.create_model("resnet18_snl", num_clases=3)


@pytest.mark.parametrize("file", ["plain.pth", "plain.safetensors"])
@pytest.mark.parametrize("way", ["checkpoint_path", "file", "load_state_dict"])
def test_weights_of_the_plain_network_load_and_the_block_is_the_identity(plain, file, way):
    network, folder = plain
    options = {
        "checkpoint_path": {"checkpoint_path": str(folder / file)},
        "file": {
            "pretrained": True,
            "pretrained_cfg_overlay": {"file": str(folder / file), "num_classes": 7},
        },
        "load_state_dict": {},
    }[way]
    loaded = timm.create_model("resnet18_snl", num_classes=7, **options).eval()
    if way == "load_state_dict":
        loaded.load_state_dict(network.state_dict())
    assert torch.equal(loaded(image()), network(image()))


def test_all_but_the_block_is_as_strict_as_timm_has_it(plain, tmp_path):
    state = plain[0].state_dict()
    own = timm.create_model("resnet18_snl", num_classes=7).state_dict()
    block = next(key for key in own if "nonlocal_block" in key)
    for wrong in (
        {key: value for key, value in state.items() if key != "conv1.weight"},  # one missing
        state | {"other.weight": torch.ones(1)},  # one more
        {key: value for key, value in own.items() if key != block},  # half a block
    ):
        torch.save(wrong, tmp_path / "wrong.pth")
        with pytest.raises(RuntimeError, match=r"Missing key|Unexpected key"):
            timm.create_model("resnet18_snl", num_classes=7, checkpoint_path=str(tmp_path / "wrong.pth"))


def test_its_own_weights_come_back(tmp_path):
    network = timm.create_model("resnet18_cgnl", num_classes=7).eval()
    open_gates(network)
    torch.save(network.state_dict(), tmp_path / "own.pth")
    back = timm.create_model("resnet18_cgnl", num_classes=7, checkpoint_path=str(tmp_path / "own.pth")).eval()
    assert torch.equal(back(image()), network(image()))


def test_timms_own_form_for_the_hub_keeps_block_and_arguments(tmp_path):
    network = open_gates(timm.create_model("resnet18_snl", num_classes=7, nonlocal_args={"order": 3})).eval()
    timm.models.save_for_hf(network, tmp_path)
    back = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    assert torch.equal(back(image()), network(image()))


def test_the_command_line_knows_the_names():
    network = library_model("timm.resnet18_nl", {"num_classes": 3}, [], None).model
    assert [type(record.block) for record in inserted_blocks(network)] == [registry.get("nl")]
    with pytest.raises(ValueError, match=r"near matches: .*resnet18_snl"):
        library_model("timm.resnet18_sln", {}, [], None)


@pytest.mark.parametrize("kind", ["list", "hook", "getter"])
def test_features_only_shows_what_the_block_changed(plain, kind):
    options = {
        "pretrained": True,
        "pretrained_cfg_overlay": {"file": str(plain[1] / "plain.pth"), "num_classes": 7},
        "features_only": True,
        "feature_cls": kind,
    }
    network, theirs = (timm.create_model(name, **options).eval() for name in ("resnet18_snl", "resnet18"))
    assert network.feature_info.channels() == theirs.feature_info.channels()
    same = [torch.equal(a, b) for a, b in zip(network(image()), theirs(image()), strict=True)]
    assert same == [True] * 5
    open_gates(network)
    same = [torch.equal(a, b) for a, b in zip(network(image()), theirs(image()), strict=True)]
    assert same == [True] * 3 + [False] * 2


@pytest.mark.parametrize("block", registry.names())
def test_a_block_is_an_attn_layer(block):
    kind = registry.get(block)
    network = timm.create_model("resnet18", num_classes=3, block_args={"attn_layer": kind})
    found = [module for module in network.modules() if isinstance(module, kind)]
    assert len(found) == 8  # one a unit
    open_gates(network)
    network(image()).square().sum().backward()
    assert all(p.grad.isfinite().all() for module in found for p in module.parameters())


def test_a_partial_is_an_attn_layer_and_a_name_of_networkis_none():
    assert create_attn(partial(SNL, order=3), 16).units[0].filter.order == 3
    with pytest.raises(AssertionError, match="Invalid attn module"):
        create_attn("snl", 16)


def test_the_package_is_imported_without_timm(monkeypatch):
    monkeypatch.setattr(interop, "timm", ours)  # as it was, afterwards
    names = [name for name in sys.modules if name.startswith("gsp_nonlocal.interop.timm")]
    for name in names:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.partition(".")[0] == "timm"]:
        monkeypatch.setitem(sys.modules, name, None)
    again = importlib.import_module("gsp_nonlocal.interop.timm")
    assert again is not ours
    assert isinstance(again.load_block(_state()), nn.Module)
    assert "gsp_nonlocal.interop.timm.resnet" not in sys.modules


def _state():
    vectors = {f"{name}.bias": torch.zeros(n) for name, n in (("t", 2), ("p", 2), ("g", 2), ("z", 4))}
    maps = {f"{name}.weight": torch.zeros(2, 4, 1, 1) for name in "tpg"}
    norm = {f"norm.{k}": torch.ones(4) for k in ("weight", "bias", "running_mean", "running_var")}
    count = {"norm.num_batches_tracked": torch.tensor(0)}
    return vectors | maps | norm | count | {"z.weight": torch.zeros(4, 2, 1, 1)}
