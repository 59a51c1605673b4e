"""Insertion into real backbones: every named block, weights that load, and a step of training."""

import copy
import io
from functools import cache
from itertools import cycle, islice

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from gsp_nonlocal import insert_blocks, inserted_blocks
from gsp_nonlocal.blocks import registry
from gsp_nonlocal.cli.networks import library_model
from gsp_nonlocal.insert import Tokens
from gsp_nonlocal.models import preresnet20
from tests.cases.blocks import BLOCKS, open_gates

IMAGE = (2, 3, 64, 64)
MODELS = {
    "torchvision resnet50": (["layer1.2.conv2", "layer2", "layer3.4"], IMAGE),
    "torchvision mobilenet_v3_small": (["features.2.block", "features.4", "features.8.block.1"], IMAGE),
    "torchvision convnext_tiny": (["features.1", "features.3.1", "features.4"], IMAGE),
    "torchvision r3d_18": (["layer1.1", "layer2.0.conv1", "layer3"], (2, 3, 4, 32, 32)),  # one frame is left
    "timm resnet18": (["layer1.0.bn1", "layer2.1", "layer3.0.bn2"], IMAGE),
    "timm convnext_atto": (["stem", "stages.1", "stages.2.blocks.3"], IMAGE),
    "timm efficientnet_lite0": (["blocks.1.0", "blocks.2", "blocks.3.1.bn1"], IMAGE),
    "timm mobilenetv3_small_050": (["blocks.0", "blocks.1.1.bn3", "blocks.2.0"], IMAGE),
    "timm densenet121": (["features.norm0", "features.denseblock1.denselayer3", "features.norm5"], IMAGE),
    "timm mobilevit_xxs": (["stages.1", "stages.2.1", "stages.3.1.conv_kxk"], IMAGE),
    "preresnet20": (["layer1.0", "layer2", "layer3.1"], (2, 3, 32, 32)),
}
"""Paths of modules of all kinds that return maps, some before an in-place sum; and the shape of an input."""
NAMES = registry.names()
TRIOS = [" ".join(islice(cycle(NAMES), start, start + 3)) for start in range(0, len(NAMES), 3)]
"""All blocks, one at each path."""
ON_GRIDS = {case.kind for case in BLOCKS.values() if case.on_grid}
PAIRS = list(zip(MODELS, cycle(TRIOS), strict=False))
"""Every model, and every block in several of them."""


@cache
def plain(name: str, seed: int = 0) -> nn.Module:
    """A backbone as after training: norms that do not start at 0, statistics of data. Not to be changed."""
    source, _, model = name.rpartition(" ")
    torch.manual_seed(seed)
    network = {
        "torchvision": lambda: torchvision.models.get_model(model, weights=None, num_classes=5),
        "timm": lambda: timm.create_model(model, pretrained=False, num_classes=5),
        "": lambda: preresnet20(5),
    }[source]()
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(image(name))
    return network.eval()


def inserted(network: nn.Module, name: str, trio: str) -> nn.Module:
    paths, shape = MODELS[name]
    blocks = dict(zip(paths, map(registry.get, trio.split()), strict=True))
    if len(shape) != 4:
        blocks = {path: block for path, block in blocks.items() if block not in ON_GRIDS}
    torch.manual_seed(2)
    return insert_blocks(network, blocks)


def gates(network: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in network.named_parameters() if name.endswith("gate")}


def image(name: str) -> Tensor:
    return torch.randn(MODELS[name][1], generator=torch.Generator().manual_seed(3))


@torch.no_grad()
@pytest.mark.parametrize(("name", "trio"), PAIRS)
def test_pretrained_weights_load_before_insertion_and_after(name, trio):
    """The network starts as the pretrained one, and is the same either way once its gates open."""
    pretrained, x = plain(name, seed=1), image(name)
    state, expected = pretrained.state_dict(), pretrained(x)
    before, after = copy.deepcopy(pretrained), copy.deepcopy(plain(name))
    assert inserted(before, name, trio) is before
    result = inserted(after, name, trio).load_state_dict(state, strict=False)

    own = before.state_dict()
    new = own.keys() - state.keys()
    assert new == own.keys() ^ state.keys()
    assert all(".nonlocal_block." in key for key in new)
    assert not result.unexpected_keys
    counters = {key for key in new if key.endswith("num_batches_tracked")}  # torch never misses these
    assert set(result.missing_keys) - counters == new - counters
    assert all(torch.equal(own[key], value) for key, value in state.items())

    assert torch.equal(before(x), expected)
    assert torch.equal(after(x), expected)
    changed = open_gates(before)(x)
    assert not torch.equal(changed, expected)
    assert torch.equal(open_gates(after)(x), changed)


@torch.no_grad()
@pytest.mark.parametrize(("name", "trio"), PAIRS)
def test_the_result_survives_copy_and_disk(name, trio):
    network, x = open_gates(inserted(copy.deepcopy(plain(name)), name, trio)), image(name)
    buffer = io.BytesIO()
    torch.save(network.state_dict(), buffer)
    buffer.seek(0)
    loaded = inserted(copy.deepcopy(plain(name, seed=1)), name, trio)
    loaded.load_state_dict(torch.load(buffer, weights_only=True))
    for twin in (loaded, copy.deepcopy(network)):
        assert torch.equal(twin(x), network(x))


@pytest.mark.parametrize(("name", "trio"), PAIRS)
def test_the_gates_learn_from_the_first_step(name, trio):
    network, x = inserted(copy.deepcopy(plain(name)), name, trio).train(), image(name)
    nn.functional.cross_entropy(network(x), torch.tensor([0, 1])).backward()
    grads = {key: p.grad for key, p in network.named_parameters() if p.grad is not None}
    assert all(grad.isfinite().all() for grad in grads.values())
    assert all(grads[key] != 0 for key in gates(network))


@pytest.mark.parametrize("name", MODELS)
def test_channels_found_by_inspection_are_those_of_a_forward_pass(name):
    found = []
    for example in (None, image(name)):
        network = copy.deepcopy(plain(name))
        insert_blocks(network, dict.fromkeys(MODELS[name][0], registry.get("snl")), example=example)
        found.append([network.get_submodule(f"{p}.nonlocal_block").channels for p in MODELS[name][0]])
    assert found[0] == found[1]


def test_the_command_line_finds_layouts_by_an_image_of_the_library():
    network = library_model("timm.test_vit", {}, ["blocks.1=snl"], None)
    (record,) = inserted_blocks(network.model)
    assert (record.channels, record.layout) == (64, Tokens(prefix=1))
