"""Curves on a network of which it is known which patch it looks at, and against a plain loop."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional

from gsp_nonlocal.attribution import blurred, deletion_curve, insertion_curve, mean_color, relevance, rollout
from gsp_nonlocal.probe import SpectralProbe
from gsp_nonlocal.spectral import attention_map

GRID, PATCH, IMAGES = 5, 4, 24


class Marked(nn.Module):
    """A token attends to the patch that is blue, and its class is whether that patch is red too.

    Channels of a patch: red, green, blue. Green decides nothing, but its patches are attended to by a second
    head, whose values are 0.
    """

    def forward(self, images):
        patches = functional.avg_pool2d(images, PATCH).flatten(2).mT  # (B, P, 3)
        tokens = torch.cat([torch.ones_like(patches[:, :1]) * torch.tensor([0.0, 0.0, -2.0]), patches], dim=1)
        query = torch.ones(len(images), 2, tokens.shape[1], 1)
        key = torch.stack([tokens[..., 2:], tokens[..., 1:2]], dim=1) * 6
        value = torch.stack([tokens[..., :1], 0 * tokens[..., :1]], dim=1)
        seen = functional.scaled_dot_product_attention(query, key, value, scale=1.0)[:, 0, 0]
        return torch.cat([-4 * seen + 2, 4 * seen - 2], dim=-1)


def planted():
    """Images, and where the deciding patch and the decoy are ``(B, h, w)``."""
    dice = torch.Generator().manual_seed(0)
    marks = torch.stack([torch.randperm(GRID**2, generator=dice)[:2] for _ in range(IMAGES)])
    right, decoy = (functional.one_hot(mark, GRID**2).float() for mark in marks.unbind(1))
    colors = torch.stack([right, 2 * decoy, 2 * right], dim=1).unflatten(-1, (GRID, GRID))
    images = functional.interpolate(colors, scale_factor=PATCH)
    return images, right.unflatten(-1, (GRID, GRID)), decoy.unflatten(-1, (GRID, GRID))


def on_patches(shift):
    return attention_map(shift, 0)[:, 1:].unflatten(-1, (GRID, GRID))


@pytest.mark.parametrize("curve", [deletion_curve, insertion_curve])
def test_a_curve_tells_the_right_map_from_a_wrong_one(curve):
    model, (images, right, decoy) = Marked(), planted()
    said = {
        name: curve(model, images, scores, 1, steps=GRID**2, baseline=mean_color)
        for name, scores in {"right": right, "wrong": -right, "decoy": decoy}.items()
    }
    assert said["right"].says_something and said["right"].advantage > 0.2
    assert not said["wrong"].says_something and said["wrong"].advantage < -0.2
    assert not said["decoy"].says_something
    assert "says something" in str(said["right"]) and "not told from chance" in str(said["decoy"])
    better = torch.gt if said["right"].rises else torch.lt
    assert better(said["right"].area, said["right"].random_area).double().mean() > 0.9


def test_relevance_finds_what_decides_and_rollout_what_is_looked_at():
    model, (images, right, decoy) = Marked(), planted()
    found = on_patches(relevance(model, images, 1))
    assert torch.equal(found.flatten(1).argmax(1), right.flatten(1).argmax(1))
    assert deletion_curve(model, images, found, 1).says_something
    with SpectralProbe(model) as probe:
        model(images)
    looked = on_patches(rollout(probe)).flatten(1)
    chosen = decoy.flatten(1).bool()
    assert (looked[chosen] > 10 * found.flatten(1)[chosen]).all()


def test_a_curve_is_what_a_loop_over_its_steps_gives():
    model, (images, _, _) = Marked(), planted()
    images, scores = images[:3], torch.rand(3, GRID, GRID, generator=torch.Generator().manual_seed(1))
    classes = torch.tensor([1, 0, 1])
    falls = deletion_curve(model, images, scores, classes, steps=5, orders=2)
    rises = insertion_curve(model, images, scores, classes, steps=5, orders=2)
    for b in range(3):
        order = scores[b].flatten().argsort(descending=True)
        for step in range(6):
            gone = torch.zeros(GRID**2, dtype=torch.bool)
            gone[order[: 5 * step]] = True
            gone = gone.view(GRID, GRID).repeat_interleave(PATCH, 0).repeat_interleave(PATCH, 1)
            for curve, empty in ((falls, mean_color), (rises, blurred)):
                parts = (empty(images)[b], images[b])
                mixed = torch.where(gone, *(parts if curve is falls else parts[::-1]))
                expected = model(mixed[None])[0].softmax(-1)[classes[b]]
                assert abs(float(curve.probability[b, step] - expected)) < 1e-5
    assert torch.equal(falls.fractions, torch.linspace(0, 1, 6, dtype=torch.float64))
    assert torch.equal(falls.classes, classes)


def test_the_ends_are_the_same_in_every_order_and_areas_are_of_trapezes():
    images, right, _ = planted()
    curve = deletion_curve(Marked(), images, right, steps=3, orders=3)
    assert curve.random.shape == (3, IMAGES, 4)
    for end in (0, -1):
        assert (curve.random[..., end] - curve.probability[:, end]).abs().max() < 1e-6
    widths, heights = curve.fractions.diff(), (curve.probability[:, 1:] + curve.probability[:, :-1]) / 2
    assert torch.allclose(curve.area, (widths * heights).sum(-1))
    assert curve.advantage == pytest.approx(float(curve.random_area.mean() - curve.area.mean()))


def test_a_seed_and_no_batch_size_decides():
    images, right, _ = planted()
    one, other, third = (
        deletion_curve(Marked(), images, right, steps=4, orders=2, batch_size=size, seed=seed).random
        for size, seed in ((7, 3), (100, 3), (100, 4))
    )
    assert (one - other).abs().max() < 1e-6 < (other - third).abs().max()


class OfLogits(nn.Module):
    """As a model of transformers returns them."""

    def __init__(self):
        super().__init__()
        self.inner, self.drop = Marked(), nn.Dropout(0.9)

    def forward(self, images):
        return SimpleNamespace(logits=self.drop(self.inner(images)))


def test_models_return_logits_by_name_and_keep_their_mode():
    images, right, _ = planted()
    model = OfLogits().train()
    found = deletion_curve(model, images, right, steps=4, orders=2)
    assert torch.equal(
        found.probability, deletion_curve(Marked(), images, right, steps=4, orders=2).probability
    )
    assert model.training


def test_baselines_keep_the_mean_of_a_constant_and_of_each_channel():
    images, _, _ = planted()
    assert torch.allclose(mean_color(images).mean((-2, -1)), images.mean((-2, -1)))
    assert (blurred(torch.full((1, 3, 40, 9), 0.7)) - 0.7).abs().max() < 1e-6
    assert (blurred(images).std((-2, -1)) < images.std((-2, -1))).sum() > 0


REFUSED = {
    "no images": (lambda i, s: (i[:, 0], s, {}), ValueError, r"\(B, C, H, W\), got \(24, 20, 20\)"),
    "whole numbers": (lambda i, s: (i.long(), s, {}), TypeError, "images"),
    "a row with tokens": (lambda i, s: (i, s.flatten(1), {}), ValueError, "leave the tokens out"),
    "of fewer images": (lambda i, s: (i, s[:2], {}), ValueError, "here B = 24"),
    "finer than pixels": (lambda i, s: (i, torch.ones(24, 21, 5), {}), ValueError, r"\(20, 20\)"),
    "not finite": (lambda i, s: (i, s / 0, {}), ValueError, "no order"),
    "too many steps": (lambda i, s: (i, s, {"steps": 26}), ValueError, "at most 25"),
    "one order": (lambda i, s: (i, s, {"orders": 1}), ValueError, "orders is at least 2"),
    "no batch": (lambda i, s: (i, s, {"batch_size": 0}), ValueError, "batch_size is at least 1"),
    "half a step": (lambda i, s: (i, s, {"steps": 2.5}), TypeError, "whole number, got 2.5"),
    "another class": (lambda i, s: (i, s, {"target": 2}), ValueError, "from 0 to 1, got 2"),
    "a smaller baseline": (lambda i, s: (i, s, {"baseline": lambda x: x[:1]}), ValueError, "images' shape"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_named(name):
    make, error, said = REFUSED[name]
    images, right, _ = planted()
    images, scores, kwargs = make(images, right)
    with pytest.raises(error, match=said):
        deletion_curve(Marked(), images, scores, **{"steps": 4, **kwargs})


def test_another_output_is_named():
    images, right, _ = planted()
    for model, error, said in (
        (nn.Identity(), ValueError, r"shape \(B, K\), got \(24, 3, 20, 20\)"),
        (nn.Sequential(Marked(), nn.LSTM(2, 2)), TypeError, "logits .* got tuple"),
    ):
        with pytest.raises(error, match=said):
            deletion_curve(model, images, right, steps=4)
