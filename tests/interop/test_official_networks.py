"""The authors' ResNets for ImageNet: states in their keys give what their modules compute, in their order."""

import copy

import pytest
import torch
from torch import nn
from torchvision.models import get_model

from gsp_nonlocal import CC
from gsp_nonlocal.interop.official import kinds, load_block, load_network
from gsp_nonlocal.interop.translation import translate_back
from gsp_nonlocal.models import PreResNet
from tests.cases.signals import relative

ONE = {"resnet50": {"layer3": [5]}, "resnet101": {"layer3": [22]}, "resnet152": {"layer3": [35]}}
FIVE = {"layer3": [1, 4, 7], "layer4": [1, 4]}
"""Places in their sequences of units and blocks, as their code numbers them."""
WIDTHS = {"layer3": 1024, "layer4": 2048}


def block_state(kind, channels, seed):
    """A state of one block in the authors' keys, with numbers as after training."""
    torch.manual_seed(seed)
    shape = (8, channels, 1, 1)
    keys = {"t.weight": shape, "p.weight": shape, "stages.0.g.weight": shape}
    keys |= {
        f"stages.0.{name}.weight": (channels, 8, 1, 1)
        for name in ("w_1", "w_2")
        if (kind, name) != ("nl", "w_1")
    }
    state = {name: 0.05 * torch.randn(size) for name, size in keys.items()}
    numbers = {name: 1 + 0.1 * torch.rand(channels) for name in ("weight", "running_var")}
    numbers |= {name: 0.1 * torch.randn(channels) for name in ("bias", "running_mean")}
    return {**state, **{f"stages.0.bn.{name}": value for name, value in numbers.items()}}


def authors(name, places, kind="snl", classes=7):
    """Their network as modules in their order, and its state under their keys."""
    torch.manual_seed(0)
    network = get_model(name, weights=None, num_classes=classes).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.normal_(module.running_mean, std=0.1)
    state = {k: v for k, v in network.state_dict().items() if not k.startswith(("layer3.", "layer4."))}
    for stage in ("layer3", "layer4"):
        modules = list(getattr(network, stage))
        for place in places.get(stage, []):
            modules.insert(place, block_state(kind, WIDTHS[stage], place))
        for index, one in enumerate(modules):
            own = one if isinstance(one, dict) else one.state_dict()
            state |= {f"{stage}.{index}.{key}": value for key, value in own.items()}
        built = [load_block(kind, one) if isinstance(one, dict) else one for one in modules]
        setattr(network, stage, nn.Sequential(*built).eval())
    return network, state


@pytest.mark.parametrize("name", ONE)
def test_one_block_stands_before_the_last_unit_of_layer_3(name):
    theirs, state = authors(name, ONE[name])
    ours, x = load_network(state).eval(), torch.randn(1, 3, 64, 64)
    assert relative(ours(x), theirs(x)) < 1e-6
    place = ONE[name]["layer3"][0] - 1
    assert [k for k, m in ours.named_modules() if k.endswith("nonlocal_block")] == [
        f"layer3.{place}.nonlocal_block"
    ]


@pytest.mark.parametrize("kind", ["snl", "nl"])
def test_five_blocks_stand_in_layers_3_and_4(kind):
    theirs, state = authors("resnet50", FIVE, kind)
    ours, x = load_network(state, kind).eval(), torch.randn(1, 3, 64, 64)
    assert relative(ours(x), theirs(x)) < 1e-6
    found = [k for k, _ in ours.named_modules() if k.endswith("nonlocal_block")]
    assert found == [f"layer3.{i}.nonlocal_block" for i in (0, 2, 4)] + [
        f"layer4.{i}.nonlocal_block" for i in (0, 2)
    ]


def test_no_block_is_torchvisions_network():
    theirs, state = authors("resnet50", {})
    ours = load_network(state).eval()
    assert set(ours.state_dict()) == set(state)
    x = torch.randn(1, 3, 64, 64)
    assert relative(ours(x), theirs(x)) < 1e-6


def test_chains_of_blocks_are_read():
    """Criss-cross and pyramid blocks stand in a sequence of their own, one a stage."""
    torch.manual_seed(0)
    blocks = [CC(1024, 8, recurrence=1) for _ in range(2)]
    state = authors("resnet50", {})[1]
    chain = {}
    for index, block in enumerate(blocks):
        own = translate_back(_rules_of_cc(block), block.state_dict())
        chain |= {f"layer3.5.{index}.{key}": value for key, value in own.items()}
    last = {k.replace("layer3.5.", "layer3.6."): v for k, v in state.items() if k.startswith("layer3.5.")}
    state = {k: v for k, v in state.items() if not k.startswith("layer3.5.")} | chain | last
    found = load_network(state, "cc").layer3[4].nonlocal_block
    assert [type(one) for one in found] == [CC, CC]
    x = torch.randn(1, 1024, 4, 4)
    assert relative(found.eval()(x), nn.Sequential(*blocks).eval()(x)) < 1e-6


def _rules_of_cc(block):
    shape = {"query_conv.weight": torch.zeros(8, 1024, 1, 1)}
    return kinds.get("cc")(shape)[1]


@pytest.fixture(scope="module")
def state():
    return authors("resnet50", ONE["resnet50"])[1]


def without(state, prefix):
    return {k: v for k, v in state.items() if not k.startswith(prefix)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: without(s, "layer4.2."), r"\(3, 4, 6, 2\) residual units"),
        (lambda s: without(s, "conv1.weight"), "missing conv1.weight"),
        (lambda s: without(s, "layer3.5.p.weight"), "missing p.weight"),
        (lambda s: without(s, "layer2.1.bn2.bias"), "missing layer2.1.bn2.bias"),
        (lambda s: {**s, "extra.weight": torch.ones(1)}, "surplus extra.weight"),
        (lambda s: {**s, "layer3.5.t.weight": torch.ones(8, 512, 1, 1)}, "shape"),
    ],
)
def test_states_that_do_not_fit_are_named(change, said, state):
    with pytest.raises(ValueError, match=said):
        load_network(change(copy.copy(state)))


def test_the_authors_preresnet_56_has_bottleneck_units():
    """Their key scheme for CIFAR: units and the block of stage 3 numbered in one sequence."""
    torch.manual_seed(0)
    network = PreResNet(29, 10, bottleneck=True).eval()
    block = block_state("snl", 256, 1)
    state = {k: v for k, v in network.state_dict().items() if not k.startswith("layer3.")}
    for place, unit in zip((0, 1, 3), network.layer3, strict=True):
        state |= {f"layer3.{place}.{key}": value for key, value in unit.state_dict().items()}
    state |= {f"layer3.2.{key}": value for key, value in block.items()}
    ours, x = load_network(state).eval(), torch.randn(1, 3, 32, 32)
    units = list(network.layer3)
    network.layer3 = nn.Sequential(*units[:2], load_block("snl", block).eval(), units[2])
    assert relative(ours(x), network(x)) < 1e-6
    assert [k for k, _ in ours.named_modules() if k.endswith("nonlocal_block")] == ["layer3.1.nonlocal_block"]
