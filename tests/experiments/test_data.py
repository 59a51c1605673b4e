"""Laws of the data sets: splits share no sample, scenes are functions of their index, masks are exact."""

import numpy as np
import pytest
import torch

from experiments.data import CuedScenes, Digits
from experiments.data.resumable import ResumableLoader
from experiments.data.samples import SPLITS, digit_samples
from experiments.data.scenes import INK, PALETTE, Scenes

SCENES = 60


def test_splits_are_disjoint_by_sample_complete_and_stratified():
    ids = {split: set(digit_samples(split).ids.tolist()) for split in SPLITS}
    assert sum(map(len, ids.values())) == len(set().union(*ids.values())) == 1797
    for split in SPLITS:
        labels = digit_samples(split).labels
        assert np.bincount(labels, minlength=10).min() > 0.08 * len(labels)


@pytest.mark.parametrize("cue", ["colour", "class"])
def test_scenes_of_different_splits_use_different_samples(cue):
    used = {}
    for split in SPLITS:
        scenes = Scenes(split, SCENES, cue=cue)
        rows = np.concatenate([scenes.layout(index).samples for index in range(SCENES)])
        used[split] = set(scenes.sample_ids[rows].tolist())
        assert used[split] <= set(digit_samples(split).ids.tolist())
    assert not used["train"] & used["test"] and not used["val"] & used["test"]


@pytest.mark.parametrize("cue", ["colour", "class"])
def test_a_scene_is_a_function_of_seed_split_and_index(cue):
    first, again = (Scenes("train", SCENES, cue=cue, seed=3) for _ in range(2))
    for index in (7, 2, 59, 7):
        assert all(torch.equal(a, b) for a, b in zip(first[index], again[index], strict=True))
    others = [Scenes("train", SCENES, cue=cue, seed=4)[7], first[8]]
    assert not any(torch.equal(first[7][0], image) for image, _ in others)


@pytest.mark.parametrize("cue", ["colour", "class"])
def test_the_mask_is_the_ink_of_the_match_and_nothing_else(cue):
    scenes, table = Scenes("val", SCENES, cue=cue), digit_samples("val")
    images = dict(zip(table.ids.tolist(), table.images, strict=True))
    for index in range(SCENES):
        layout, (image, mask) = scenes.layout(index), scenes[index]
        top, left = layout.corners[1]
        expected = torch.zeros_like(mask)
        ink = images[int(scenes.sample_ids[layout.samples[1]])] >= INK
        expected[top : top + 8, left : left + 8] = torch.from_numpy(ink).float()
        assert torch.equal(mask, expected) and ink.any()
        shown = image[:, mask.bool()].numpy()
        tint = PALETTE[layout.tints[1]]
        assert np.allclose(shown / shown.max(axis=0), (tint / tint.max())[:, None], atol=1e-5)


@pytest.mark.parametrize("cue", ["colour", "class"])
def test_items_do_not_overlap_and_lie_on_the_canvas(cue):
    scenes = Scenes("train", SCENES, cue=cue)
    for index in range(SCENES):
        corners = scenes.layout(index).corners
        count = np.zeros((36, 36), dtype=int)
        for item, (top, left) in enumerate(corners):
            edge = 1 if item == 0 else 0
            window = count[top - edge : top + 8 + edge, left - edge : left + 8 + edge]
            assert window.shape == (8 + 2 * edge,) * 2
            window += 1
        assert count.max() == 1


def test_exactly_one_object_has_the_tint_of_a_colour_cue():
    scenes = Scenes("train", SCENES, cue="colour")
    for index in range(SCENES):
        tints = scenes.layout(index).tints
        assert tints[1] == tints[0] and tints[0] not in tints[2:]
        assert len(set(tints[1:])) == len(tints) - 1


def test_exactly_one_object_has_the_class_of_a_class_cue_and_it_is_another_sample():
    scenes = Scenes("train", SCENES, cue="class", classes=5)
    for index in range(SCENES):
        samples = scenes.layout(index).samples
        labels = scenes.labels[samples]
        assert labels[1] == labels[0] and labels[0] not in labels[2:] and labels.max() < 5
        assert samples[0] != samples[1]


def test_tints_tell_nothing_about_a_class_cue():
    """The match has the cue's tint as often as any distractor has, and as often as chance."""
    scenes = Scenes("train", 3000, cue="class")
    tints = np.stack([scenes.layout(index).tints for index in range(3000)])
    agreement = (tints[:, 1:] == tints[:, :1]).mean(axis=0)
    assert np.abs(agreement - 1 / len(PALETTE)).max() < 0.03


def test_the_place_of_the_match_is_uniform_over_the_objects_cells():
    scenes = Scenes("train", 3000, cue="colour")
    cells = np.stack([scenes.layout(index).corners[1] // 12 for index in range(3000)])
    share = np.bincount(3 * cells[:, 0] + cells[:, 1], minlength=9) / 3000
    assert np.abs(share - 1 / 9).max() < 0.03


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cue": "smell"}, "unknown cue 'smell'; choose one of colour, class"),
        ({"objects": 9}, "objects=9 does not fit a canvas of 36×36 pixels.* 2 to 8"),
        ({"canvas": 15}, "objects=4 does not fit a canvas of 15×15"),
        ({"canvas": 100, "objects": 5}, "objects=5 needs as many distinct tints"),
        ({"classes": 11}, "classes=11 is out of range; choose 2 to 10"),
        ({"classes": 1}, "classes=1 is out of range"),
        ({"train_scenes": 0}, "a split of 0 scenes is empty"),
        ({"batch_size": 0}, "batch_size=0"),
    ],
)
def test_bad_arguments_are_refused_with_value_and_remedy(options, message):
    with pytest.raises(ValueError, match=message):
        CuedScenes(**options)


def test_digits_are_whole_images_and_the_training_shift_moves_them_only():
    digits = Digits(size=16, batch_size=32, shift=2)
    images, labels = digits.tensors("train")
    assert images.shape == (1078, 1, 16, 16) and images.min() >= 0 and images.max() <= 1
    moved, label = digits.train_dataloader().dataset[0, 5]
    places = torch.nn.functional.pad(images[5], (2,) * 4).unfold(1, 16, 1).unfold(2, 16, 1)
    assert label == labels[5]
    assert any(torch.equal(moved[0], place) for place in places[0].flatten(0, 1))


def test_how_digits_move_is_a_function_of_seed_epoch_and_index():
    def moved(seed, epoch):
        return torch.stack(
            [Digits(size=16, seed=seed).train_dataloader().dataset[epoch, i][0] for i in range(9)]
        )

    first = moved(3, 1)
    torch.manual_seed(99)
    assert torch.equal(moved(3, 1), first)
    assert not torch.equal(moved(3, 2), first) and not torch.equal(moved(4, 1), first)


@pytest.mark.parametrize("options", [{"size": 4}, {"shift": -1}, {"shift": 32}, {"batch_size": 0}])
def test_bad_arguments_of_digits_are_refused(options):
    (name, value), *_ = options.items()
    with pytest.raises(ValueError, match=f"{name}={value} .*choose"):
        Digits(**options)


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_loader_resumed_in_the_middle_hands_out_the_rest(shuffle):
    def loader() -> ResumableLoader:
        return ResumableLoader(range(23), 4, shuffle=shuffle, seed=5)

    whole, stopped, resumed = loader(), loader(), loader()
    whole.sampler.set_epoch(2)
    stopped.sampler.set_epoch(2)
    batches = [batch.tolist() for batch in whole]
    running = iter(stopped)
    assert [next(running).tolist() for _ in range(3)] == batches[:3]
    resumed.load_state_dict(stopped.state_dict())
    assert [batch.tolist() for batch in resumed] == batches[3:]
    assert [batch.tolist() for batch in resumed] == batches
