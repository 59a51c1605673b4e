"""Street scenes: what is read, which part a training sees, what is refused."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import tv_tensors

from experiments.data import Cityscapes
from experiments.data.cityscapes.classes import CLASS_OF_ID, COLOURS, NAMES
from experiments.data.cityscapes.cropping import random_part
from experiments.data.images.loading import BrokenImageError
from tests.experiments.made import write_cityscapes


@pytest.fixture
def root(tmp_path):
    return write_cityscapes(tmp_path / "data")


def street(root, **settings):
    return Cityscapes(str(root), **{"batch_size": 2, "val_share": 0.34, "crop_size": (32, 64), **settings})


def test_the_classes_are_those_of_the_benchmark():
    assert len(NAMES) == 19 and NAMES[0] == "road" and NAMES[13] == "car" and NAMES[18] == "bicycle"
    assert COLOURS[13].tolist() == [0, 0, 142]
    assert [CLASS_OF_ID[number] for number in (0, 7, 26, 33, 34, 255)] == [255, 0, 13, 18, 255, 255]


def test_a_whole_scene_has_the_classes_of_its_file(root):
    images, labels = next(iter(street(root).test_dataloader()))
    ids = np.asarray(Image.open(next((root / "gtFine/val").rglob("*0_000019_gtFine_labelIds.png"))))
    assert images.shape == (1, 3, 48, 96) and images.dtype == torch.float32
    assert np.array_equal(labels[0].numpy(), CLASS_OF_ID[ids]) and labels.dtype == torch.int64
    assert set(labels.unique().tolist()) == {0, 10, 13, 255}


def test_no_city_is_trained_on_and_validated(root):
    data = street(root)
    train, val = (np.array(data.sources.train.cities)[data.rows(split)] for split in ("train", "val"))
    assert len(train) == 4 and len(val) == 2 and not set(train) & set(val)
    assert len(street(root, val_from_test=True).rows("train")) == 6


@pytest.mark.parametrize("epoch", [0, 3])
def test_a_part_is_a_function_of_seed_epoch_and_index(root, epoch):
    first, again, other = (street(root, seed=seed).dataset("train") for seed in (5, 5, 6))
    a = first.__getitems__([(epoch, 0), (epoch, 1)])
    torch.manual_seed(77)
    b = again.__getitems__([(epoch, 1), (epoch, 0)])
    assert torch.equal(a.images, b.images.flip(0)) and torch.equal(a.labels, b.labels.flip(0))
    assert not torch.equal(a.images, other.__getitems__([(epoch, 0), (epoch, 1)]).images)
    assert not torch.equal(a.images, first.__getitems__([(epoch + 1, 0), (epoch + 1, 1)]).images)


def scene(height, width):
    """Bytes that say their own place, and labels that are a function of them."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    labels = ((rows // 4 + columns // 4) % 7).byte()
    image = torch.stack([30 * labels, rows.byte(), columns.byte()])
    return tv_tensors.Image(image), tv_tensors.Mask(labels)


def test_image_and_labels_are_cropped_and_mirrored_together():
    cut = random_part((16, 24), (1.0, 1.0), 0.75)
    cut.transforms = cut.transforms[:-1]  # the colours as they are
    mirrored = 0
    for seed in range(30):
        torch.manual_seed(seed)
        image, labels = cut(scene(40, 60))
        assert image.shape == (3, 16, 24) and labels.shape == (16, 24)
        assert torch.equal(image[0], 30 * labels)
        step = int(image[2, 0, 1]) - int(image[2, 0, 0])
        assert abs(step) == 1 and int(image[1, 1, 0]) - int(image[1, 0, 0]) == 1
        mirrored += step < 0
    assert 5 < mirrored < 25


def test_scales_are_drawn_evenly_and_what_is_missing_is_not_judged():
    cut = random_part((64, 64), (0.5, 2.0), 0.75)
    filled = []
    for seed in range(60):
        torch.manual_seed(seed)
        _, labels = cut(scene(32, 32))
        filled.append(float((labels != 255).double().mean()) ** 0.5 * 64 / 32)
    assert min(filled) >= 0.5 and max(filled) <= 2.0 and 1.1 < np.mean(filled) < 1.4


def test_the_padding_is_the_mean_colour():
    cut = random_part((8, 8), (1.0, 1.0), 1.0)
    cut.transforms = cut.transforms[:2]
    image, labels = cut(scene(4, 4))
    assert image[:, 5, 5].tolist() == [124, 116, 104] and labels[5, 5] == 255


def test_a_part_with_one_class_is_drawn_anew():
    labels = torch.zeros(64, 64, dtype=torch.uint8)
    labels[:, :10] = 1
    pair = tv_tensors.Image(labels.expand(3, 64, 64)), tv_tensors.Mask(labels)
    shares = {}
    for most in (0.75, 2.0):  # above 1 the first draw is taken
        cut = random_part((16, 16), (1.0, 1.0), most)
        found = []
        for seed in range(40):
            torch.manual_seed(seed)
            found.append(bool((cut(pair)[1] == 1).any()))
        shares[most] = np.mean(found)
    assert shares[0.75] > 2 * shares[2.0] > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crop_size": (0, 4)}, "a side of crop_size=0 is out of range"),
        ({"crop_size": (4,)}, r"crop_size=\(4,\) is no pair"),
        ({"scale": (2.0, 1.0)}, "greatest factor of scale=1.0 is out of range"),
        ({"most_of_a_class": 0.0}, "most_of_a_class=0.0 is out of range"),
    ],
)
def test_numbers_out_of_range_are_refused(settings, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        street(tmp_path, **settings)


def test_what_is_not_there_is_named(root, tmp_path):
    with pytest.raises(ValueError, match=r"no Cityscapes under root=.*leftImg8bit_trainvaltest.zip"):
        street(tmp_path / "none").rows("train")
    with pytest.raises(ValueError, match=r"3 cities leaves none to train on"):
        street(root, val_share=0.9).rows("train")
    missing = next((root / "gtFine/val").rglob("*labelIds.png"))
    missing.unlink()
    with pytest.raises(ValueError, match=f"is not whole: '{missing}' is missing"):
        street(root).rows("train")


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-40])


def _colour(path):
    Image.open(path).convert("RGB").save(path)


def _smaller(path):
    Image.open(path).resize((10, 10)).save(path)


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (_truncate, "its labels '.*labelIds.png': "),
        (_colour, "no grey bytes"),
        (_smaller, r"are \(10, 10\), not"),
    ],
)
def test_broken_labels_end_the_run_and_are_named(root, damage, cause):
    for split in ("train", "val"):
        for path in (root / "gtFine" / split).rglob("*labelIds.png"):
            damage(path)
    data = street(root)
    with pytest.raises(BrokenImageError, match=cause):
        next(iter(data.test_dataloader()))
    with pytest.raises(BrokenImageError, match=cause):
        next(iter(data.train_dataloader()))
