"""Insertion by module path; into whole backbones: test_insert_models.py."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn

from gsp_nonlocal import SNL, insert_blocks
from gsp_nonlocal.models import PreResNet, preresnet20
from tests.cases.blocks import open_gates


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


class Pooling(nn.Sequential):
    """As torchvision's ASPPPooling, HRNet's and VoVNet's lists: it runs its items by itself."""

    def forward(self, x):
        for item in self:
            x = item(x)
        return x + 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: insert_blocks(preresnet20(), {"layer3.l": SNL}), r"no module 'layer3.l'; near.*layer3\.1"),
        (lambda: insert_blocks(preresnet20(block=SNL), {"layer3.1": SNL}), "has a nonlocal block already"),
        (lambda: insert_blocks(nn.ModuleDict({"a": nn.ReLU()}), {"": SNL}), "read item by item"),
        (lambda: insert_blocks(Pooling(nn.Conv2d(3, 4, 1)), {"": SNL}), "Pooling.* read item by item"),
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
