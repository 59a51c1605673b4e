"""The Hub's form of a network with blocks: there and back to the last bit, the card, and what is refused."""

import copy
import importlib
import json
import sys
from functools import partial
from types import SimpleNamespace

import huggingface_hub
import pytest
import timm
import torch
import torchvision
from safetensors.torch import load_file, save_file
from torch import nn

import gsp_nonlocal.interop.timm  # noqa: F401  # registers
from filters import Cayley, Chebyshev, Heat
from gsp_nonlocal import SNL, insert_blocks, inserted_blocks
from gsp_nonlocal.blocks import CC, CGNL, NL, NonlocalBlock
from gsp_nonlocal.insert import Tokens
from gsp_nonlocal.interop import hub
from gsp_nonlocal.interop.hub import HubNetwork
from gsp_nonlocal.models import preresnet20
from gsp_nonlocal.spectral import block_response, spectrum
from tests.cases.blocks import BLOCKS, open_gates

MODEL = "gsp_nonlocal.preresnet20"
GROUPS = partial(nn.GroupNorm, 4)
MADE = {name: case.make for name, case in BLOCKS.items()} | {
    "snl, all but its defaults": partial(
        SNL, inner_channels=5, stages=2, norm=GROUPS, gate=False, form="dense"
    ),
    "cc, without biases": partial(CC, recurrence=3, bias=False),
    "nl, average, instance norm": partial(NL, sub_sample="average", norm=nn.InstanceNorm1d),
    "a block without a name": partial(
        NonlocalBlock, filter=partial(Cayley, order=2), norm=lambda _: nn.Identity()
    ),
}


def small(block=SNL):
    """A network of this library with a block, as after some training."""
    torch.manual_seed(0)
    return trained(preresnet20(3, block=block))


def trained(network):
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
    return open_gates(network).eval()


def image(*size):
    return torch.randn(2, *(size or (3, 16, 16)), generator=torch.Generator().manual_seed(2))


def saved(network, folder, model=MODEL, arguments=None, *, card=False, **options):
    """The folder of a network; without a card, whose picture takes a second."""
    given = {"num_classes": 3} if arguments is None else arguments
    if not card:
        (folder / "README.md").touch()
    HubNetwork(network, model, given, **options).save_pretrained(folder)
    return folder


def tensors(value):
    if isinstance(value, torch.Tensor):
        return [value]
    return [one for item in (value.values() if isinstance(value, dict) else value) for one in tensors(item)]


@torch.no_grad()
def same(again, network, x):
    pairs = list(zip(tensors(again(x)), tensors(network(x)), strict=True))
    return bool(pairs) and all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("name", MADE)
def test_every_block_comes_back_with_its_settings(name, tmp_path):
    network = small(MADE[name])
    again = HubNetwork.from_pretrained(saved(network, tmp_path))
    assert not again.training
    assert str(again.network) == str(network)
    assert same(again, network, image())
    assert hub.configuration(again.network, "gsp_nonlocal.preresnet20", {"num_classes": 3}) == again.config


def library(model, arguments, blocks, size, **options):
    package, _, name = model.partition(".")
    torch.manual_seed(0)
    made = {
        "timm": lambda: timm.create_model(name, **arguments),
        "torchvision": lambda: torchvision.models.get_model(name, weights=None, **arguments),
    }[package]()
    return trained(insert_blocks(made, blocks, example=image(*size)[:1], **options))


NETWORKS = {
    "torchvision.resnet18": ({"num_classes": 4}, {"layer3.*": SNL, "layer2.0": NL}, (3, 64, 64), {}),
    "torchvision.lraspp_mobilenet_v3_large": (
        {"num_classes": 2, "weights_backbone": None},
        {"backbone.13": SNL},
        (3, 64, 64),
        {},
    ),
    "timm.swin_tiny_patch4_window7_224": (
        {"img_size": 64, "embed_dim": 16, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 4]},
        {"layers.1": SNL},
        (3, 64, 64),
        {},
    ),
    "timm.test_vit": (
        {"num_classes": 2},
        {"blocks.2": SNL, "blocks.3": CC},
        (3, 160, 160),
        {"layout": {"blocks.3": Tokens(prefix=1, grid=(10, 10))}},
    ),
    "timm.regnetx_002": ({"num_classes": 2, "in_chans": 1}, {"s3": SNL}, (1, 64, 64), {}),
    "timm.resnet18_cgnl.a1_in1k": ({"nonlocal_args": {"groups": 2}}, {"layer2.0": SNL}, (3, 64, 64), {}),
}
"""Channels first and last, tokens, a mapping of outputs, a module that runs its children."""


@pytest.mark.parametrize("model", NETWORKS)
def test_a_librarys_network_comes_back_with_its_blocks(model, tmp_path):
    arguments, blocks, size, options = NETWORKS[model]
    network = library(model, arguments, blocks, size, **options)
    named = {key: value for key, value in arguments.items() if not key.startswith("weights")}
    again = HubNetwork.from_pretrained(saved(network, tmp_path, model, named))
    assert same(again, network, image(*size))
    assert str(inserted_blocks(again.network)) == str(inserted_blocks(network)) != ""
    assert load_file(tmp_path / "model.safetensors").keys() == network.state_dict().keys()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_data_types_come_back(dtype, tmp_path):
    network = small().to(dtype)
    again = HubNetwork.from_pretrained(saved(network, tmp_path))
    assert same(again, network, image().to(dtype))


def test_mixed_data_types_come_back(tmp_path):
    network = small()
    network.layer1.half()
    again = HubNetwork.from_pretrained(saved(network, tmp_path))
    types = {key: value.dtype for key, value in network.state_dict().items()}
    assert {key: value.dtype for key, value in again.network.state_dict().items()} == types


def test_a_network_without_blocks_comes_back_too(tmp_path):
    network = trained(preresnet20(3))
    assert same(HubNetwork.from_pretrained(saved(network, tmp_path)), network, image())


def test_nothing_is_left_of_the_rehearsal():
    network = small().train()
    state, generator = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    HubNetwork(network, MODEL, {"num_classes": 3}, images=image())
    assert torch.equal(torch.get_rng_state(), generator)
    assert network.training and all(torch.equal(state[k], v) for k, v in network.state_dict().items())


def test_saving_disturbs_no_training(tmp_path):
    network = small().train()
    state, generator = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    saved(network, tmp_path, card=True, images=image())
    assert torch.equal(torch.get_rng_state(), generator)
    assert network.training and all(torch.equal(state[k], v) for k, v in network.state_dict().items())
    assert not any(module._forward_pre_hooks for module in network.modules())


def test_what_is_uploaded_is_what_is_saved_and_a_download_of_it_is_the_network(tmp_path, monkeypatch):
    sent = tmp_path / "sent"

    class Api:
        def __init__(self, token=None):
            pass

        def create_repo(self, repo_id, **_):
            return SimpleNamespace(repo_id=repo_id)

        def upload_folder(self, *, repo_id, folder_path, **_):
            folder_path.rename(sent)
            return f"commit of {repo_id}"

    def download(repo_id, filename, **_):
        assert repo_id == "someone/network"
        return str(sent / filename)

    mixin = importlib.import_module("huggingface_hub.hub_mixin")
    monkeypatch.setattr(mixin, "HfApi", Api)
    monkeypatch.setattr(mixin, "hf_hub_download", download)
    monkeypatch.setattr("gsp_nonlocal.interop.hub.network.hf_hub_download", download)
    monkeypatch.chdir(tmp_path)
    network = small()
    whole = HubNetwork(network, MODEL, {"num_classes": 3})
    assert whole.push_to_hub("someone/network") == "commit of someone/network"
    assert {p.name for p in sent.iterdir()} == {
        "config.json",
        "model.safetensors",
        "README.md",
        "spectra.png",
    }
    assert same(HubNetwork.from_pretrained("someone/network"), network, image())


class TestCard:
    def test_it_shows_the_spectrum_and_response_of_each_block(self, tmp_path):
        torch.manual_seed(0)
        network = preresnet20(3)
        insert_blocks(network, {"layer1.0": NL, "layer3.*": SNL})
        trained(network)
        maps = {}
        for record in inserted_blocks(network):
            record.block.register_forward_pre_hook(lambda _, x, path=record.path: maps.update({path: x[0]}))
        with torch.no_grad():
            network(image())
        whole = HubNetwork(network, MODEL, {"num_classes": 3}, images=image())
        whole.save_pretrained(tmp_path, model_card_kwargs={"license": "mit"})
        card = huggingface_hub.ModelCard.load(tmp_path / "README.md")
        assert card.data.library_name == "gsp-nonlocal" and card.data.license == "mit"
        assert (tmp_path / "spectra.png").read_bytes().startswith(b"\x89PNG") and "(spectra.png)" in card.text
        for record in inserted_blocks(network):
            shift = record.block.shift(maps[record.path])
            values = spectrum(shift).frequencies.real
            rows = [
                row.split(" | ") for row in card.text.splitlines() if row.startswith(f"| `{record.path}` |")
            ]
            about, gains, spread = rows
            assert about[1:3] == [type(record.block).__name__, str(record.channels)]
            assert float(gains[2]) == pytest.approx(
                float(block_response(record.block).mean_gain[0]), rel=6e-3
            )
            assert int(spread[1]) == shift.shape[-1]
            found = [float(cell.strip(" |")) for cell in (spread[3], spread[5], spread[7])]
            expected = [values.min(), values.median(), values.max()]
            assert found == pytest.approx([float(v) for v in expected], abs=2e-3)

    @pytest.mark.parametrize("name", MADE)
    def test_there_is_one_for_every_block(self, name):
        whole = HubNetwork(small(MADE[name]), MODEL, {"num_classes": 3}, images=image())
        rows = whole.generate_model_card().text.split("## Spectra")[1]
        assert ("| all |" in rows) is (name != "nl, sub-sampled")

    def test_without_images_it_says_how_to_get_spectra(self, tmp_path):
        card = (saved(small(), tmp_path, card=True) / "README.md").read_text()
        assert "images=x" in card and "| λ = 0 |" in card

    def test_one_that_is_there_stays(self, tmp_path):
        (tmp_path / "README.md").write_text("my own")
        saved(small(), tmp_path, card=True)
        assert (tmp_path / "README.md").read_text() == "my own"
        assert not (tmp_path / "spectra.png").exists()

    def test_without_matplotlib_there_is_no_picture(self, tmp_path, monkeypatch):
        monkeypatch.setattr("gsp_nonlocal.interop.hub.card.find_spec", lambda name: None)
        saved(small(), tmp_path, card=True, images=image())
        assert not (tmp_path / "spectra.png").exists()
        assert "spectra.png" not in (tmp_path / "README.md").read_text()


class Own(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.channels = channels

    def forward(self, x):
        return x


def other_head(network):
    network.fc2 = nn.Linear(64, 7)


def other_dropout(network):
    network.dropout.p = 0.1


def other_block(make):
    return lambda network: insert_blocks(network, {"layer1.0": make})


def without_unit_norm(channels):
    block = CGNL(channels)
    block.affinity.unit_norm = False
    return block


def of_the_block(change):
    return lambda network: change(inserted_blocks(network)[0].block)


BY_HAND = {
    "another head": (other_head, r"fc2 is .*out_features=7.*out_features=3.*arguments it was made with"),
    "another dropout": (other_dropout, r"dropout is .*p=0.1"),
    "a block of one's own": (other_block(Own), r"block at 'layer1.0' has no configuration: Own is none of"),
    "a composed filter": (
        other_block(partial(SNL, filter=lambda i, o: Chebyshev(i, o) @ Heat(0.5))),
        r"block at 'layer1.0' has no configuration: its part",
    ),
    "another norm": (other_block(partial(SNL, norm=nn.LazyBatchNorm1d)), "its norm .* is none of batch_norm"),
    "another activation": (
        other_block(partial(NonlocalBlock, activation=nn.GELU)),
        r"layer1.0.nonlocal_block.stages.0.activation is torch.*GELU.*ReLU",
    ),
    "another affinity's norm": (
        of_the_block(lambda block: setattr(block.affinity, "normalization", "random_walk")),
        r"layer3.1.nonlocal_block.affinity is .*random_walk.*symmetric",
    ),
    "an attribute that no text shows": (
        other_block(without_unit_norm),
        r"layer1.0.nonlocal_block.affinity is .*'unit_norm': False.*'unit_norm': True",
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_what_a_configuration_cannot_say_is_refused_at_once(name):
    change, message = BY_HAND[name]
    network = small()
    change(network)
    with pytest.raises(ValueError, match=message):
        HubNetwork(network, MODEL, {"num_classes": 3})


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        ("preresnet20", {}, "unknown model 'preresnet20'; it is <library>.<name> of torchvision, timm"),
        ("gsp_nonlocal.preresnet21", {}, "no model 'preresnet21'; near matches: preresnet20"),
        ("gsp_nonlocal.PreResNet", {}, "no model 'PreResNet'"),
        ("torchvision.resnet51", {}, "no model 'resnet51'; near matches: resnet"),
        ("timm.local-dir:/tmp", {}, "timm has no model"),
        ("timm.hf-hub:someone/network", {}, "timm has no model"),
        ("torchvision.resnet18", {"weights": "DEFAULT"}, "argument weights .* would read weights"),
        ("torchvision.resnet18", {"pretrained": True}, "argument pretrained .* would read weights"),
        ("timm.resnet18", {"checkpoint_path": "a.pth"}, "argument checkpoint_path .* would read weights"),
        ("timm.resnet18", {"pretrained_cfg": {"file": "a.pth"}}, "argument pretrained_cfg .* would read"),
        ("gsp_nonlocal.preresnet20", {"num_clases": 3}, "cannot be built: .*num_clases"),
        ("gsp_nonlocal.preresnet20", {"dropout": float("nan")}, "plain values, as JSON holds them"),
        ("gsp_nonlocal.preresnet20", {"block": SNL}, "plain values, as JSON holds them"),
    ],
)
def test_other_names_and_arguments_are_refused(model, arguments, message):
    with pytest.raises(ValueError, match=message):
        HubNetwork(preresnet20(3), model, arguments)


def block_record(config):
    return config["blocks"]["layer3.1"]


TAMPERED = {
    "format": (lambda c: c.update(format=2), "no configuration of format 1"),
    "a key more": (lambda c: c.update(auto_map="x"), "no configuration of format 1"),
    "path": (
        lambda c: c["blocks"].update({"layer3.7": block_record(c)}),
        "no module 'layer3.7'; near .*layer3",
    ),
    "block": (lambda c: block_record(c).update(block="snll"), "unknown block 'snll'; did you mean 'snl'"),
    "argument": (
        lambda c: block_record(c)["settings"].update(ordr=2),
        "unknown argument of the block 'snl' 'ordr'; did you mean 'order'",
    ),
    "device": (lambda c: block_record(c)["settings"].update(device="meta"), "unknown argument .* 'device'"),
    "filter": (
        lambda c: block_record(c)["settings"]["filter"].update(name="os.system"),
        "unknown filter 'os.system'",
    ),
    "a word for a filter": (
        lambda c: block_record(c)["settings"].update(filter="chebyshev"),
        'filter is {"name": …} with its settings',
    ),
    "the filter's setting": (
        lambda c: block_record(c)["settings"]["filter"].update(ordre=2),
        "unknown setting of the filter 'chebyshev' 'ordre'; did you mean 'order'",
    ),
    "norm": (
        lambda c: block_record(c)["settings"]["norm"].update(name="batchnorm"),
        "did you mean 'batch_norm'",
    ),
    "a value": (lambda c: block_record(c)["settings"].update(stages=0), "cannot be built: stages"),
    "layout": (lambda c: block_record(c)["layout"].update(name="tokns"), "did you mean 'tokens'"),
    "tokens": (lambda c: block_record(c)["layout"].update(name="tokens", prefix=-1), "prefix is a number"),
    "a record's key": (lambda c: block_record(c).pop("channels"), "has not block, channels, layout"),
    "channels": (lambda c: block_record(c).update(channels="64"), "channels"),
    "a list of blocks": (lambda c: c.update(blocks=[1]), "no configuration of format 1"),
    "no blocks": (lambda c: c.update(blocks=None), "no configuration of format 1"),
    "settings that are none": (
        lambda c: block_record(c).update(settings=3),
        "has not block, channels, layout",
    ),
    "arguments that are none": (lambda c: c.update(settings=[3]), "unknown model"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_configuration_with_something_else_in_it_is_refused(name, tmp_path):
    change, message = TAMPERED[name]
    saved(small(), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    change(config)
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=message):
        HubNetwork.from_pretrained(tmp_path)


def test_damaged_missing_and_foreign_weights_are_refused(tmp_path):
    path = saved(small(), tmp_path) / "model.safetensors"
    whole = path.read_bytes()
    state = {key: value.clone() for key, value in load_file(path).items()}  # the file is written over below
    torch.save(state, path)  # a pickle of that name
    with pytest.raises(ValueError, match=r"model.safetensors' is corrupt"):
        HubNetwork.from_pretrained(tmp_path)
    path.write_bytes(whole[:-100])
    with pytest.raises(ValueError, match=r"model.safetensors' is corrupt"):
        HubNetwork.from_pretrained(tmp_path)
    save_file({key: value for key, value in state.items() if key != "conv.weight"}, path)
    with pytest.raises(ValueError, match=r"another architecture \(missing: conv.weight\)"):
        HubNetwork.from_pretrained(tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match="there is no checkpoint"):
        HubNetwork.from_pretrained(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(ValueError, match=r"has no config.json"):
        HubNetwork.from_pretrained(tmp_path)


def test_a_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.delitem(sys.modules, "gsp_nonlocal.interop.hub.network")
    monkeypatch.setattr(hub, "network", hub.network)
    with pytest.raises(ImportError, match=r"pip install 'gsp-nonlocal\[hub\]'"):
        importlib.import_module("gsp_nonlocal.interop.hub.network")
