"""Insertion into CNNs by module path."""

import copy
import io
import pickle
from functools import partial

import pytest
import torch
import torchvision
from torch import nn

from gsp_nonlocal import SNL, insert_blocks
from gsp_nonlocal.models import PreResNet, preresnet20

CNNS = {
    "resnet18": (lambda: torchvision.models.resnet18(num_classes=5), ["layer3.0", "layer2"], (1, 3, 64, 64)),
    "resnet50": (lambda: torchvision.models.resnet50(num_classes=5), ["layer3.4"], (1, 3, 64, 64)),
    "mobilenet_v3": (
        lambda: torchvision.models.mobilenet_v3_small(num_classes=5),
        ["features.4"],
        (1, 3, 64, 64),
    ),
    "convnext": (lambda: torchvision.models.convnext_tiny(num_classes=5), ["features.3.1"], (1, 3, 64, 64)),
    "r3d_18": (
        lambda: torchvision.models.video.r3d_18(num_classes=5),
        ["layer3.0"],
        (1, 3, 4, 32, 32),
    ),
    "preresnet20": (lambda: preresnet20(5), ["layer3.1"], (1, 3, 32, 32)),
}


@pytest.mark.parametrize("name", CNNS)
def test_backbones_keep_their_keys_and_outputs(name):
    make, paths, shape = CNNS[name]
    torch.manual_seed(0)
    plain = make().eval()
    model = copy.deepcopy(plain)
    assert insert_blocks(model, dict.fromkeys(paths, partial(SNL, order=2))) is model
    x = torch.randn(shape)
    assert torch.equal(model(x), plain(x))
    old, new = set(plain.state_dict()), set(model.state_dict())
    assert old < new
    assert all("nonlocal_block" in key for key in new - old)

    missing = make()
    insert_blocks(missing, dict.fromkeys(paths, partial(SNL, order=2)))
    result = missing.load_state_dict(plain.state_dict(), strict=False)
    assert not result.unexpected_keys
    counters = {key for key in new if key.endswith("num_batches_tracked")}  # torch never misses these
    assert set(result.missing_keys) - counters == new - old - counters
    assert torch.equal(missing.eval()(x), plain(x))


@pytest.mark.parametrize("name", CNNS)
def test_channels_found_by_inspection_are_those_of_a_forward_pass(name):
    make, paths, shape = CNNS[name]
    static = insert_blocks(make(), dict.fromkeys(paths, SNL))
    measured = insert_blocks(make(), dict.fromkeys(paths, SNL), example=torch.randn(shape))
    channels = [
        {k: m.channels for k, m in model.named_modules() if k.endswith("nonlocal_block")}
        for model in (static, measured)
    ]
    assert channels[0] == channels[1]
    assert len(channels[0]) == len(paths)


def open_gates(model: nn.Module) -> nn.Module:
    for name, parameter in model.named_parameters():
        if name.endswith("gate"):
            nn.init.constant_(parameter, 0.5)
    return model


def test_the_result_survives_copy_pickle_and_disk():
    model = open_gates(preresnet20(5, block=SNL)).eval()
    x = torch.randn(1, 3, 16, 16)
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    copies = [
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
        torch.load(buffer, weights_only=False),  # our own file of this test
    ]
    for twin in copies:
        assert torch.equal(twin(x), model(x))
        block = twin.get_submodule("layer3.1.nonlocal_block")
        with torch.no_grad():
            block.stages[0].gate.zero_()  # the copy must run its own block, not the original's
        assert not torch.equal(twin(x), model(x))


def test_the_block_changes_the_network_once_its_gate_opens():
    model = insert_blocks(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), {"0": SNL, "": SNL})
    x = torch.randn(2, 3, 8, 8)
    before = model(x)
    assert not torch.equal(open_gates(model)(x), before)
    assert [n for n, _ in model.named_children()] == ["0", "1", "nonlocal_block"]


def test_placement_of_the_paper():
    for depth, units in ((20, 3), (56, 9), (110, 18)):
        network = PreResNet(depth, block=SNL)
        assert len(network.layer3) == units
        assert network.layer3[1].nonlocal_block.channels == 64


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        return self.conv(x), x


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: insert_blocks(preresnet20(), {"layer3.l": SNL}), r"no module 'layer3.l'; near.*layer3\.1"),
        (lambda: insert_blocks(preresnet20(block=SNL), {"layer3.1": SNL}), "has a nonlocal block already"),
        (lambda: insert_blocks(nn.ModuleDict({"a": nn.ReLU()}), {"": SNL}), "read item by item"),
        (lambda: insert_blocks(nn.Sequential(nn.ReLU()), {"0": SNL}), "pass example="),
        (lambda: insert_blocks(Pair(), {"": SNL})(torch.ones(1, 3, 4, 4)), "Pair returned tuple"),
        (
            lambda: insert_blocks(preresnet20(), {"fc2": SNL}, example=torch.ones(1, 3, 8, 8)),
            "Linear returned",
        ),
        (lambda: PreResNet(21), "depth must be 6 n"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_failing_insertion_leaves_the_model_as_it_was():
    model = preresnet20()
    keys = list(model.state_dict())
    with pytest.raises(ValueError, match="no module"):
        insert_blocks(model, {"layer3.0": SNL, "layer4": SNL})
    assert list(model.state_dict()) == keys
