"""Patterns of module paths, the order of insertion, the table and removal by path."""

import pytest
import torch
from torch import nn

from gsp_nonlocal import NL, SNL, insert_blocks, inserted_blocks, remove_blocks
from gsp_nonlocal.models import preresnet20


def paths(model):
    return [record.path for record in inserted_blocks(model)]


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (["layer3.*"], ["layer3.0", "layer3.1", "layer3.2"]),
        (["layer?.1"], ["layer1.1", "layer2.1", "layer3.1"]),
        (["layer[13].0", "layer2"], ["layer1.0", "layer2", "layer3.0"]),
        (["layer3.*.conv[12]"], [f"layer3.{unit}.conv{n}" for unit in range(3) for n in (1, 2)]),
    ],
)
def test_a_pattern_names_modules_of_its_own_depth(patterns, found):
    model = preresnet20()
    insert_blocks(model, dict.fromkeys(patterns, SNL))
    assert paths(model) == found


def test_blocks_are_made_in_the_order_of_the_mapping_then_of_the_model():
    order = []

    def make(channels):
        order.append(channels)
        return SNL(channels)

    insert_blocks(preresnet20(), {"layer3.0": make, "layer?": make, "layer2.1": make})
    assert order == [64, 16, 32, 64, 32]


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ({"layer4.*": SNL}, r"no module 'layer4\.\*'; near matches: layer"),
        ({"layer3.*": SNL, "layer3.1": NL}, r"'layer3.1' is named by 'layer3.\*' and by 'layer3.1'"),
        ({"layer3.*": SNL(64)}, "one finished block would be shared by all; give a factory"),
    ],
)
def test_patterns_that_do_not_fit_are_refused(blocks, message):
    with pytest.raises(ValueError, match=message):
        insert_blocks(preresnet20(), blocks)


def test_one_module_at_two_paths_is_named_once():
    conv = nn.Conv2d(4, 4, 1)
    with pytest.raises(ValueError, match="'0' and '1' are one module"):
        insert_blocks(nn.Sequential(conv, conv), {"*": SNL})


def test_a_pattern_leaves_inserted_blocks_out():
    model = insert_blocks(preresnet20(), {"layer3.1": SNL})
    insert_blocks(model, {"layer3.1.*": SNL})
    assert all("nonlocal_block" not in path for path in paths(model))


def test_the_table_says_what_is_where():
    model = insert_blocks(preresnet20(), {"layer2": NL, "layer3.1": SNL})
    assert str(inserted_blocks(model)).splitlines() == [
        "path      block  channels  layout",
        "layer2    NL     32        ChannelsFirst()",
        "layer3.1  SNL    64        ChannelsFirst()",
    ]
    assert "'layer2', NL, channels=32" in repr(inserted_blocks(model))
    assert not inserted_blocks(preresnet20())


def test_blocks_are_removed_by_path_and_pattern():
    model = insert_blocks(preresnet20(), {"layer2": SNL, "layer3.*": SNL})
    remove_blocks(model, "layer3.1")
    assert paths(model) == ["layer2", "layer3.0", "layer3.2"]
    remove_blocks(model, ["layer3.*"])
    assert paths(model) == ["layer2"]
    insert_blocks(remove_blocks(model), {"layer2": SNL})
    assert paths(model) == ["layer2"]


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ("layer3.2", ValueError, "no block was inserted at 'layer3.2'; blocks follow 'layer3.1'"),
        (["layer3.1", "layer9.*"], ValueError, "no block was inserted at 'layer9"),
        ([3], TypeError, "got 3"),
    ],
)
def test_removal_of_what_is_not_there_is_refused(asked, error, message):
    model = insert_blocks(preresnet20(), {"layer3.1": SNL})
    with pytest.raises(error, match=message):
        remove_blocks(model, asked)
    assert paths(model) == ["layer3.1"]


def test_removal_without_blocks():
    model = preresnet20()
    assert remove_blocks(model) is model
    with pytest.raises(ValueError, match="has no inserted block"):
        remove_blocks(model, "layer3.1")


def test_several_inputs_are_an_example_as_well():
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)

        def forward(self, x, y):
            return self.conv(x) + y

    x, y = torch.randn(1, 3, 5, 5), torch.randn(1, 4, 5, 5)
    for example in ((x, y), {"x": x, "y": y}):
        model = insert_blocks(Sum(), {"conv": SNL}, example=example)
        assert inserted_blocks(model)[0].channels == 4
