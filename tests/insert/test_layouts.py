"""Every layout is found, wired as by hand, the identity at closed gates; every trap is refused."""

import copy
from typing import NamedTuple

import pytest
import torch
from torch import nn

from gsp_nonlocal import SNL, insert_blocks, inserted_blocks, remove_blocks
from gsp_nonlocal.blocks import CC, GC
from gsp_nonlocal.insert import CHILD, ChannelsFirst, ChannelsLast, Tokens
from tests.cases.blocks import open_gates
from tests.insert import made
from tests.insert.made import C

IMAGE = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


class Case(NamedTuple):
    """A network, the layout after its body, the width; ``by_hand(block, y)``: the output that is wanted."""

    make: object
    layout: object
    by_hand: object
    width: int = C
    image: torch.Tensor = IMAGE


def first(block, y):
    return block(y)


def last(block, y):
    return block(y.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def after(prefix):
    return lambda block, y: torch.cat(
        [y[:, :prefix], block(y[:, prefix:].transpose(1, 2)).transpose(1, 2)], 1
    )


def linear():
    return nn.Linear(C, C)


CASES = {
    "channels first": Case(lambda: made.Net(nn.Conv2d(C, 4, 1)), ChannelsFirst(), first, 4),
    "items": Case(lambda: made.Net(nn.Sequential(nn.Conv2d(C, 4, 1), nn.ReLU())), ChannelsFirst(), first, 4),
    "branches": Case(lambda: made.Net(made.Branches()), ChannelsFirst(), first, 8),
    "halves": Case(lambda: made.Net(made.Halves()), ChannelsFirst(), first),
    "ghost": Case(lambda: made.Net(made.Ghost()), ChannelsFirst(), first, 8),
    "runs its children": Case(lambda: made.Net(made.Stage()), ChannelsFirst(), first, 4),
    "no weights": Case(lambda: made.Net(nn.ReLU()), ChannelsFirst(), first),
    "one position": Case(lambda: made.Net(nn.AdaptiveAvgPool2d(1)), ChannelsFirst(), first),
    "cubes of several sizes": Case(
        lambda: made.Net(nn.Identity()), ChannelsFirst(), first, image=torch.randn(2, 3, 12, 12)
    ),
    "head of one size": Case(lambda: made.HeadOfOneSize(nn.Conv2d(C, 8, 1)), ChannelsFirst(), first, 8),
    "one size": Case(lambda: made.OfOneSize(nn.ReLU(), last=False, size=8), ChannelsFirst(), first),
    "channels last": Case(lambda: made.ChannelsLastNet(linear()), ChannelsLast(), last),
    "channels last, items": Case(
        lambda: made.ChannelsLastNet(nn.Sequential(linear(), nn.GELU())), ChannelsLast(), last
    ),
    "channels last, one size": Case(
        lambda: made.OfOneSize(linear(), last=True, size=8), ChannelsLast(), last
    ),
    "tokens": Case(lambda: made.TokenNet(linear()), Tokens(0), after(0)),
    "tokens, items": Case(lambda: made.TokenNet(nn.Sequential(linear(), nn.GELU())), Tokens(0), after(0)),
    "class token": Case(lambda: made.TokenNet(linear(), prefix=1), Tokens(1), after(1)),
    "registers": Case(lambda: made.TokenNet(linear(), prefix=5), Tokens(5), after(5)),
}


def block_of(width):
    """The same weights at each call, gates closed."""
    torch.manual_seed(1)
    return SNL(width)


def network(case):
    torch.manual_seed(2)
    return case.make().eval()


@torch.no_grad()
@pytest.mark.parametrize("name", CASES)
def test_a_block_is_the_identity_at_first_and_then_as_wired_by_hand(name):
    case = CASES[name]
    plain, model = network(case), network(case)
    keys = list(model.state_dict())
    assert insert_blocks(model, {"body": block_of}, example=case.image) is model
    (record,) = inserted_blocks(model)
    assert (record.path, record.channels, record.layout) == ("body", case.width, case.layout)
    assert record.block is model.body.get_submodule(CHILD)
    assert [key for key in model.state_dict() if CHILD not in key] == keys
    assert torch.equal(model(case.image), plain(case.image))

    block, runs = open_gates(block_of(case.width)).eval(), []
    record.block.register_forward_hook(lambda *_: runs.append(1))
    wanted = plain.after(case.by_hand(block, plain.body(plain.before(case.image))))
    found = open_gates(model)(case.image)
    assert torch.allclose(found, wanted, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(found, plain(case.image), rtol=1e-4, atol=1e-5)
    assert len(runs) == 1


@torch.no_grad()
@pytest.mark.parametrize("name", CASES)
def test_removal_is_the_inverse(name):
    case = CASES[name]
    plain, model = network(case), network(case)
    finished = open_gates(block_of(case.width)).eval()
    insert_blocks(model, {"body": finished}, example=case.image)
    assert remove_blocks(model) is model
    assert list(model.state_dict()) == list(plain.state_dict())
    assert torch.equal(model(case.image), plain(case.image))
    assert not inserted_blocks(model)
    for module in (*model.modules(), finished):
        assert not module._forward_hooks and not module._forward_pre_hooks
    assert vars(model.body).keys() == vars(plain.body).keys()


@torch.no_grad()
@pytest.mark.parametrize("name", ["items", "channels last", "channels last, items", "class token"])
def test_the_result_is_copied_and_compiled_whole(name):
    case = CASES[name]
    model = insert_blocks(network(case), {"body": made.Shrink}, example=case.image)
    wanted = model(case.image)
    assert not torch.allclose(wanted, network(case)(case.image))
    assert torch.equal(copy.deepcopy(model)(case.image), wanted)
    assert torch.allclose(
        torch.compile(model, fullgraph=True, backend="eager")(case.image), wanted, rtol=1e-5
    )
    assert inserted_blocks(copy.deepcopy(model))[0].layout == case.layout


def test_insertion_leaves_modes_and_the_generator_alone():
    model = network(CASES["class token"]).train()
    model.body.eval()
    model.body.register_buffer("noise", torch.zeros(()))
    torch.manual_seed(5)
    insert_blocks(model, {"stem": nn.Identity()}, example=IMAGE)
    assert torch.equal(torch.rand(2), torch.rand(2, generator=torch.Generator().manual_seed(5)))
    assert (model.training, model.stem.training, model.body.training) == (True, True, False)


@pytest.mark.parametrize("name", ["channels first", "runs its children", "items"])
@torch.no_grad()
def test_without_an_example_what_two_witnesses_say_is_taken(name):
    case = CASES[name]
    model = insert_blocks(network(case), {"body": block_of})
    (record,) = inserted_blocks(model)
    assert (record.channels, record.layout) == (case.width, case.layout)
    runs = []
    record.block.register_forward_hook(lambda *_: runs.append(1))
    assert torch.equal(model(IMAGE), network(case)(IMAGE))
    assert len(runs) == 1


UNCERTAIN = {
    "branches": (made.Branches, "its last layer has 5 channels, and its output 8"),
    "halves": (made.Halves, "does not run by itself"),
    "ghost": (made.Ghost, "its last layer has 4 channels, and its output 8"),
    "linear": (lambda: nn.Linear(C, C), "does not run by itself"),
    "goes on after its children": (made.StageAndMore, "read item by item"),
    "goes on in place": (made.InPlace, "read item by item"),
    "runs items twice": (lambda: made.Twice(nn.Conv2d(C, C, 1)), "read item by item"),
    "list": (lambda: made.Returns(lambda y: [y, y]), "Returns returned list"),
    "no weights": (nn.ReLU, "no convolution"),
}


@pytest.mark.parametrize("name", UNCERTAIN)
def test_without_an_example_what_is_uncertain_is_refused(name):
    make, reason = UNCERTAIN[name]
    model = made.Net(make())
    keys = list(model.state_dict())
    with pytest.raises(ValueError, match=rf"'body'.*{reason}.*pass example="):
        insert_blocks(model, {"stem": SNL, "body": SNL})
    assert list(model.state_dict()) == keys and not hasattr(model.stem, CHILD)


def conv():
    return nn.Conv2d(C, 7, 1)


TRAPS = {
    "tuple": (lambda: made.Net(made.Returns(lambda y: (y, y))), "Returns returned tuple"),
    "mapping": (lambda: made.Net(made.Returns(lambda y: {"y": y})), "Returns returned dict"),
    "no positions": (lambda: made.Net(made.Returns(lambda y: y.mean((2, 3)))), r"Returns returned \(2, 4\)"),
    "called twice": (lambda: made.Loop(nn.Conv2d(C, C, 1)), "called 2 times"),
    "never called": (lambda: made.Around(nn.Sequential(conv(), nn.ReLU())), "never called"),
    "last item": (lambda: made.LastItem(nn.Sequential(conv(), conv_of_7())), "computes something else"),
    "goes on after its children": (lambda: made.Net(made.StageAndMore()), "runs it 1 times, not at its end"),
    "goes on in place": (lambda: made.Net(made.InPlace()), "runs it 1 times, not at its end"),
    "runs items twice": (lambda: made.Net(made.Twice(nn.Conv2d(C, C, 1))), "runs it 2 times"),
    "items of lists": (lambda: made.Net(made.Dense()), "name the item"),
    "cube": (
        lambda: made.OfOneSize(conv(), last=False, size=7),
        "7 and 7 of .2, 7, 7, 7. each may be.*layout=",
    ),
    "positions as wide as channels": (lambda: made.MixerNet(made.Mixer()), "64.*layout="),
    "no batch": (lambda: made.Batchless(linear()), "its first axis is no batch"),
    "tokens at the end": (lambda: made.TokenNet(linear(), 1, at_the_end=2), "some are at the end.*layout="),
    "class token before items": (
        lambda: made.TokenNet(nn.Sequential(linear(), nn.GELU()), prefix=1),
        "leading tokens too; name its last item, body.1",
    ),
    "another input": (lambda: made.Net(nn.Linear(5, 5)), "does not take the example of shape"),
}


def conv_of_7():
    return nn.Conv2d(7, 7, 1)


@pytest.mark.parametrize("name", TRAPS)
def test_traps_are_refused_at_the_call(name):
    make, message = TRAPS[name]
    model = make()
    keys = list(model.state_dict())
    example = torch.randn(2, 3, 14, 14) if name == "cube" else IMAGE
    with pytest.raises(ValueError, match=message):
        insert_blocks(model, {"body": SNL, "stem": SNL}, example=example)
    assert list(model.state_dict()) == keys
    assert all(not m._forward_hooks and not hasattr(m, CHILD) for m in model.modules())


@torch.no_grad()
@pytest.mark.parametrize("layout", [Tokens(1, grid=(8, 8)), "channels_first"])
def test_a_given_layout_goes_before_what_is_found(layout):
    model = network(CASES["class token"])
    wanted = model(IMAGE)
    insert_blocks(model, {"body": GC}, example=IMAGE, layout={"body": layout})
    record = inserted_blocks(model)[0]
    assert record.channels == (65 if layout == "channels_first" else C)
    assert torch.equal(model(IMAGE), wanted)


@torch.no_grad()
def test_blocks_on_grids_take_tokens_on_a_grid():
    plain, model = network(CASES["class token"]), network(CASES["class token"])
    insert_blocks(model, {"body": CC}, example=IMAGE, layout=Tokens(1, grid=(8, 8)))
    block = open_gates(model).body.get_submodule(CHILD)
    tokens = plain.body(plain.before(IMAGE))
    grid = block(tokens[:, 1:].mT.reshape(2, C, 8, 8)).flatten(2).mT
    assert torch.allclose(
        model(IMAGE), plain.after(torch.cat([tokens[:, :1], grid], 1)), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"layout": "chanels_last"}, ValueError, "did you mean 'channels_last'"),
        ({"layout": 1}, TypeError, "layout is an OutputLayout"),
        ({"layout": {"bodi": "tokens"}}, ValueError, "layout names 'bodi'"),
        ({"layout": Tokens(2, grid=(8, 8))}, ValueError, "65 tokens are not 2 and a grid"),
        ({"layout": Tokens(1), "block": CC}, ValueError, r"does not take the map \(1, 6, 64\).*grid="),
        ({"block": nn.Linear(64, 5)}, ValueError, "must keep the map"),
        ({"block": SNL(7)}, ValueError, "built for 7 channels"),
    ],
)
def test_what_does_not_fit_is_refused(options, error, message):
    block = options.pop("block", SNL)
    with pytest.raises(error, match=message):
        insert_blocks(network(CASES["class token"]), {"body": block}, example=IMAGE, **options)


@pytest.mark.parametrize("options", [{"prefix": -1}, {"prefix": True}, {"grid": (0, 3)}, {"grid": ()}])
def test_tokens_are_checked(options):
    with pytest.raises(ValueError, match=r"prefix is|grid is"):
        Tokens(**options)


def test_a_finished_block_is_not_bent_twice():
    block = SNL(C)
    items = [nn.Sequential(nn.Linear(C, C), nn.GELU()) for _ in range(2)]
    model = made.ChannelsLastNet(nn.Sequential(*items))
    insert_blocks(model, {"body.0": block}, example=IMAGE)
    with pytest.raises(ValueError, match="follows another module already"):
        insert_blocks(model, {"body.1": block}, example=IMAGE)
    with pytest.raises(ValueError, match="follows another module already"):
        insert_blocks(remove_blocks(model), {"body.0": block, "body.1": block}, example=IMAGE)
