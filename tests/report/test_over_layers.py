"""Rollout and relevance among the maps of the page, where there are any."""

import pytest
import torch
from torch import nn
from torchvision.models import VisionTransformer

from gsp_nonlocal import SNL
from gsp_nonlocal.attribution import relevance, rollout
from gsp_nonlocal.blocks import NL
from gsp_nonlocal.probe import SpectralProbe
from gsp_nonlocal.report import analyze
from gsp_nonlocal.spectral import attention_map

ROLLOUT, RELEVANCE = "all layers: rollout", "all layers: relevance for class 2"


def transformer(layers=2):
    torch.manual_seed(0)
    model = VisionTransformer(32, 8, layers, 2, 16, 16, num_classes=3)
    nn.init.normal_(model.heads.head.weight)
    return model


def images():
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def greatest(view, image):
    """Of each patch's row and of the class token's, the greatest weight on a patch."""
    return torch.tensor(view.pictures[image].greatest)


def weights(matrix):
    """Those of the patches in each row, the class token's last."""
    rows = matrix[:, [*range(1, 17), 0], 1:]
    return rows.gather(-1, rows.abs().argmax(-1, keepdim=True)).squeeze(-1)


def test_maps_over_all_layers_stand_beside_the_blocks():
    model = transformer().eval()
    views = analyze(model, images(), target=2).views
    assert list(dict.fromkeys(view.path for view in views))[-2:] == [ROLLOUT, RELEVANCE]
    found = {view.path: view for view in views if view.path in (ROLLOUT, RELEVANCE)}
    with SpectralProbe(model) as probe, torch.no_grad():
        model(images())
    expected = {
        ROLLOUT: weights(rollout(probe).to_dense()),
        RELEVANCE: weights(relevance(model, images(), 2).to_dense() - torch.eye(17)),
    }
    for path, view in found.items():
        assert (view.graph, view.grid, view.tokens) == ("", (1, 4, 4), ("class token",))
        for image in range(2):
            assert torch.allclose(greatest(view, image), expected[path][image], rtol=0.01, atol=1e-7)
    assert "nothing of the output" in found[ROLLOUT].note and "score of the class" in found[RELEVANCE].note
    assert attention_map(rollout(probe), 0).shape == (2, 17)


def test_a_target_is_asked_for_and_changes_no_block():
    plain, asked = (analyze(transformer(), images(), target=target).views for target in (None, 2))
    assert [view.path for view in plain] == [view.path for view in asked][:-1]
    assert all(one == other for one, other in zip(plain, asked, strict=False))


@pytest.mark.parametrize(
    "model",
    [transformer(1), nn.Sequential(NL(3), NL(3)), nn.Sequential(SNL(3), nn.AvgPool2d(2), SNL(3))],
    ids=["one layer", "blocks with features of their own", "two sizes"],
)
def test_there_is_no_rollout_of_what_does_not_follow_each_other(model):
    size = 32 if isinstance(model, VisionTransformer) else 8
    views = analyze(model, images()[..., :size, :size]).views
    assert views and not any("all layers" in view.path for view in views)


def test_a_target_that_cannot_be_shown_is_refused_before_any_work():
    with pytest.raises(ValueError, match="from 0 to 2, got 7"):
        analyze(transformer(), images(), target=7)
    with pytest.raises(ValueError, match="0 is read by its class"):
        analyze(nn.Sequential(SNL(3), nn.Flatten(), nn.Linear(3 * 64, 2)), torch.rand(1, 3, 8, 8), target=1)
