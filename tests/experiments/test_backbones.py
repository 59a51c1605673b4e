"""Backbones by name, blocks in the papers' places, and weights to start from."""

import pytest
import torch
from torch import nn
from torchvision.models import get_model

from experiments.backbones import load_pretrained
from experiments.backbones.networks import build
from experiments.messages import hush
from experiments.tasks import Classification
from gsp_nonlocal import NL, NonlocalBlock

SMALL = {"in_channels": 3, "image_size": 32}
PLACES = [
    ({"backbone": "preresnet20"}, ["layer3.1"]),
    ({"backbone": "preresnet56", "layers": [1, 2, 3]}, ["layer1.1", "layer2.1", "layer3.1"]),
    ({"backbone": "preresnet83", "count": 1}, ["layer3.1"]),
    ({"backbone": "resnet50", "count": 1}, ["layer3.4"]),
    ({"backbone": "resnet50", "count": 5}, ["layer3.0", "layer3.2", "layer3.4", "layer4.0", "layer4.2"]),
    ({"backbone": "resnet50", "layers": [2, 3]}, ["layer2.2", "layer3.4"]),
    ({"backbone": "torchvision.resnet18", "at": ["layer1.1", "layer3.0"]}, ["layer1.1", "layer3.0"]),
    ({"backbone": "timm.resnet18"}, ["layer3.0"]),
    ({"backbone": "timm.convnext_atto", "at": ["stages.1"]}, ["stages.1"]),
    ({"backbone": "r3d_18"}, ["layer3.0"]),
]


@pytest.mark.parametrize(("settings", "places"), PLACES, ids=lambda value: str(value))
def test_blocks_stand_in_their_places_and_train(settings, places):
    torch.manual_seed(0)
    task = Classification(**SMALL, **settings, block="snl", gate=False)
    found = [k.removeprefix("network.").removesuffix(".nonlocal_block") for k, m in task.named_modules()
             if isinstance(m, NonlocalBlock)]  # fmt: skip
    assert found == places
    frames = [4] if settings["backbone"] == "r3d_18" else []
    task.loss(task(torch.randn(2, 3, *frames, 32, 32)), torch.tensor([1, 2])).backward()
    unit = next(m for m in task.modules() if isinstance(m, NonlocalBlock))
    assert all(p.grad is not None for p in unit.parameters())


@pytest.mark.parametrize(
    ("backbone", "before"), [("preresnet20", "layer3.2"), ("resnet50", "layer3.5"), ("r3d_18", "layer3.1")]
)
def test_the_block_runs_before_its_unit(backbone, before):
    task = Classification(backbone, **SMALL, count=1).eval()
    order: list[str] = []
    for path, module in task.network.named_modules():
        if isinstance(module, NonlocalBlock) or path == before:
            module.register_forward_pre_hook(lambda m, args, path=path: order.append(path))
    frames = [4] if backbone == "r3d_18" else []
    task(torch.zeros(1, 3, *frames, 32, 32))
    assert len(order) == 2 and order[0].endswith("nonlocal_block") and order[1] == before


@pytest.mark.parametrize(
    ("size", "kernel", "pooled"), [(32, 3, False), (64, 3, False), (65, 7, True), (224, 7, True)]
)
def test_a_resnet_for_small_images_has_a_small_stem_without_pooling(size, kernel, pooled):
    network = build("resnet50", 10, 3, size, 0.5)
    assert network.conv1.kernel_size == (kernel, kernel)
    assert isinstance(network.maxpool, nn.MaxPool2d) == pooled


REFUSED = [
    ({"backbone": "preresnet21"}, "unknown backbone 'preresnet21'.*preresnet20"),
    ({"backbone": "timm.resnet8"}, "timm.resnet8.*near matches.*timm.resnet18"),
    ({"backbone": "torchvision.resnet19"}, "torchvision.resnet19.*near matches.*torchvision.resnet18"),
    ({"backbone": "torchvision.resnet18", "in_channels": 1}, "3 channels.*in_channels=1"),
    ({"backbone": "torchvision.vit_b_16", "at": ["encoder"]}, r"does not take images of \(3, 32, 32\)"),
    ({"count": 5}, "'preresnet20' has no five places"),
    ({"count": 3}, "count=3.*choose 1 or 5"),
    ({"layers": [4]}, "no layer4.*layer1, layer2, layer3"),
    ({"layers": [3, 3]}, "one twice"),
    ({"layers": [1], "count": 1}, "count=1 and layers=.1. each say"),
    ({"at": ["layer3.9"]}, "no module 'layer3.9'; near matches: layer3"),
    ({"backbone": "timm.convnext_atto"}, "no layer3.*at="),
    ({"block": "none", "layers": [1]}, "choose a block, or leave layers out"),
    ({"block": "snk"}, "unknown block 'snk'"),
    ({"block": "nl", "filter": "cayley"}, "'nl' takes no filter"),
    ({"block": "nl", "symmetrization": "none"}, "'nl' takes no symmetrization"),
    ({"filter": "cayly"}, "cayly"),
    ({"symmetrization": "yes"}, "symmetrization='yes'.*none, average"),
    ({"normalization": "l2"}, "normalization='l2'.*random_walk"),
    ({"drop_epochs": [1, -2]}, "drop_epochs=-2"),
    ({"warmup_epochs": -1}, "warmup_epochs=-1"),
    ({"compile": True, "stable_penalty": 0.01}, "choose one of them"),
]


@pytest.mark.parametrize(("settings", "message"), REFUSED, ids=lambda value: str(value))
def test_what_a_network_lacks_is_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        Classification(**{**SMALL, **settings})


def test_filter_and_graph_of_snl_can_be_chosen():
    task = Classification(filter="arma", order=2, symmetrization="none", normalization="random_walk")
    block = next(m for m in task.modules() if isinstance(m, NonlocalBlock))
    assert "ARMA" in repr(block.stages[0].filter)
    assert block.affinity.symmetrization == "none" and block.affinity.normalization == "random_walk"


def test_no_block_is_said_in_two_ways():
    keys = [Classification(block=block).state_dict().keys() for block in (None, "none")]
    assert keys[0] == keys[1] and not any("nonlocal" in key for key in keys[0])


@pytest.fixture(scope="module")
def file_of_weights(tmp_path_factory):
    """A ResNet-18 as torchvision keeps it, of 1000 classes."""
    torch.manual_seed(3)
    network = get_model("resnet18", weights=None)
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(network.state_dict(), path)
    return path, network


def test_weights_of_a_backbone_load_but_for_the_classifier(file_of_weights):
    path, theirs = file_of_weights
    task = Classification("torchvision.resnet18", **SMALL, block="nl", pretrained=str(path))
    own, kept = task.network.state_dict(), theirs.state_dict()
    assert all(torch.equal(own[key], value) for key, value in kept.items() if not key.startswith("fc."))
    assert isinstance(task.network.layer3[0].nonlocal_block, NL)


def test_what_was_not_loaded_is_told(file_of_weights):
    network = get_model("resnet18", weights=None, num_classes=10)
    left = load_pretrained(network, file_of_weights[0])
    assert left == ["fc.bias is (1000,), not (10,)", "fc.weight is (1000, 512), not (10, 512)"]


def test_a_training_tells_what_was_not_loaded(file_of_weights, capsys):
    hush()
    task = Classification("torchvision.resnet18", **SMALL, block=None, pretrained=str(file_of_weights[0]))
    task.on_fit_start()
    assert "resnet18.pth' not loaded: fc.bias is (1000,), not (10,); fc.weight" in capsys.readouterr().out


def test_a_training_without_blocks_gives_weights_to_start_from(tmp_path):
    trained = Classification(**SMALL, block=None)
    torch.save({"state_dict": trained.state_dict()}, tmp_path / "best.ckpt")
    task = Classification(**SMALL, block="snl", pretrained=str(tmp_path / "best.ckpt"))
    own = task.state_dict()
    assert all(torch.equal(own[key], value) for key, value in trained.state_dict().items())


def test_weights_that_are_not_finite_are_refused(file_of_weights, tmp_path):
    broken = file_of_weights[1].state_dict() | {"bn1.bias": torch.full((64,), torch.nan)}
    torch.save(broken, tmp_path / "broken.pth")
    with pytest.raises(ValueError, match=r"has NaN or infinity in bn1\.bias"):
        load_pretrained(get_model("resnet18", weights=None), tmp_path / "broken.pth")


def test_weights_of_another_network_are_refused_with_the_keys_that_do_not_fit(file_of_weights):
    with pytest.raises(ValueError, match=r"of another network \(.*is missing.*in all"):
        Classification("torchvision.resnet34", **SMALL, pretrained=str(file_of_weights[0]))
    with pytest.raises(ValueError, match="no checkpoint 'nowhere'"):
        Classification("torchvision.resnet34", **SMALL, pretrained="nowhere")


def test_clips_of_a_video_count_as_one_sample():
    task = Classification("r3d_18", **SMALL, block=None, dropout=0.0).eval()
    clips = torch.randn(1, 2, 3, 4, 32, 32)
    each = torch.stack([task(clips[:, k]).softmax(-1) for k in range(2)])
    torch.testing.assert_close(task(clips).exp(), each.mean(0))


def test_channels_last_gives_the_same_numbers():
    torch.manual_seed(0)
    plain = Classification(in_channels=3, block="snl").eval()
    other = Classification(in_channels=3, block="snl", channels_last=True).eval()
    other.load_state_dict(plain.state_dict())
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(other(x), plain(x), atol=1e-5, rtol=1e-4)
    assert other.network.layer1[0].conv1.weight.is_contiguous(memory_format=torch.channels_last)
