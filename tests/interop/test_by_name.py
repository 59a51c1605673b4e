"""Blocks by name with plain settings; what stands in the way of mmsegmentation's heads without it."""

import sys
from importlib import import_module

import pytest
import torch
from torch import nn

import filters
from gsp_nonlocal.blocks import registry
from gsp_nonlocal.interop.by_name import block_by_name, filter_by_name


@pytest.mark.parametrize("name", registry.names())
def test_a_block_by_name_is_the_block(name):
    torch.manual_seed(0)
    expected = registry.get(name)(16, 4)
    torch.manual_seed(0)
    block = block_by_name(name, {"inner_channels": 4})(16)
    state = block.state_dict()
    assert type(block) is type(expected) and repr(block) == repr(expected)
    assert all(torch.equal(state[key], value) for key, value in expected.state_dict().items())


@pytest.mark.parametrize("name", filters.registry.names())
def test_a_filter_by_name_stands_in_snl(name):
    block = block_by_name("snl", {"filter": name})(16)
    assert type(block.units[0].filter) is filters.registry.get(name)


def test_an_order_reaches_the_filter_or_the_block():
    assert block_by_name("snl", {"filter": "cayley", "order": 2})(16).units[0].filter.order == 2
    assert block_by_name("snl", {"order": 3, "filter": None})(16).units[0].filter.order == 3


def test_a_norm_is_for_the_blocks_that_have_a_choice():
    for name in registry:
        units = block_by_name(name, {}, norm=nn.SyncBatchNorm)(16).units
        assert isinstance(units[0].norm, nn.SyncBatchNorm) == (name in {"snl", "nl", "ns", "a2", "dnl"})


class Lazy(filters.Filter):
    """A filter without an order."""

    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels, terms=1)


WRONG = [
    (lambda: block_by_name("snll", {}), "unknown block 'snll'; choose one of: a2"),
    (lambda: block_by_name("snl", {"filter": "cayly"}), "unknown filter 'cayly'; choose one of"),
    (lambda: block_by_name("cc", {"recurence": 3}), "takes no recurence .got 3.; did you mean recurrence"),
    (lambda: block_by_name("nl", {"norm": "batch"}), "takes no norm .*settings are inner_channels, stages"),
    (lambda: filter_by_name("lazy", 2), "'lazy' has no order .got order=2"),
]


@pytest.mark.parametrize("make, said", WRONG)
def test_an_unknown_name_is_told_with_what_there_is(make, said, monkeypatch):
    monkeypatch.setitem(filters.registry._entries, "lazy", Lazy)
    with pytest.raises(ValueError, match=said):
        make()


def test_without_mmsegmentation_its_heads_name_what_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "mmseg", None)
    monkeypatch.setitem(sys.modules, "mmengine", None)
    monkeypatch.delitem(sys.modules, "gsp_nonlocal.interop.mmseg", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r"mmengine is not installed: pip install mmsegmentation=="):
        import_module("gsp_nonlocal.interop.mmseg")
