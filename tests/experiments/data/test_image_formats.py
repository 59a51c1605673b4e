"""Each format is read as torchvision reads it, and split into disjoint parts with each class in its share."""

import gzip
import hashlib
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from lightning import LightningModule, Trainer
from PIL import Image
from torchvision import transforms

from experiments.data import CIFAR10, CIFAR100, CUB, FashionMNIST, ImageNet
from experiments.data.images.decoding import UnreadableImageError, read_rgb
from experiments.data.images.pickled import read_pickle
from tests.experiments import made

SMALL = {"image_size": 24, "resize": 28}
WRITERS = {
    "cifar10": (made.write_cifar10, CIFAR10, {"val_share": 0.2}),
    "cifar100": (made.write_cifar100, CIFAR100, {"val_share": 0.34}),
    "fashion": (made.write_fashion_mnist, FashionMNIST, {}),
    "imagenet": (made.write_imagenet_folders, ImageNet, SMALL | {"num_classes": 3, "val_share": 0.25}),
    "imagenet lists": (made.write_imagenet_lists, ImageNet, SMALL | {"num_classes": 3, "val_share": 0.25}),
    "cub": (made.write_cub_folder, CUB, SMALL | {"num_classes": 4, "val_share": 0.25}),
    "cub lists": (made.write_cub_lists, CUB, SMALL | {"num_classes": 4, "val_share": 0.25}),
}


@pytest.fixture(scope="module")
def roots(tmp_path_factory) -> dict[str, Path]:
    return {name: write(tmp_path_factory.mktemp("made") / name) for name, (write, *_) in WRITERS.items()}


@pytest.fixture
def make(roots):
    """Data module of a row of the table, with further arguments."""
    return lambda name, **more: WRITERS[name][1](
        str(roots[name]), **(WRITERS[name][2] | {"batch_size": 4} | more)
    )


def everything(loader) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = zip(*loader, strict=True)
    return torch.cat(images), torch.cat(labels)


@pytest.mark.parametrize("name", WRITERS)
def test_loaders_give_normalised_images_and_labels(make, name):
    data = make(name)
    for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        images, labels = next(iter(loader))
        assert images.shape == (4, data.in_channels, data.image_size, data.image_size)
        assert images.dtype == torch.float32 and labels.dtype == torch.int64 and labels.shape == (4,)
        assert -3 < images.min() < images.max() < 3 and labels.min() >= 0 and labels.max() < data.num_classes


@pytest.mark.parametrize("name", WRITERS)
def test_splits_are_disjoint_stratified_and_functions_of_the_seed(make, name):
    data, again, other = make(name), make(name), make(name, seed=1)
    train, val, labels = data.rows("train"), data.rows("val"), data.sources.train.labels
    assert not set(train) & set(val) and len(train) + len(val) == len(labels)
    counts = np.bincount(labels[val], minlength=data.num_classes)
    assert np.abs(counts - data.val_share * np.bincount(labels)).max() < 1
    assert np.array_equal(val, again.rows("val")) and not np.array_equal(val, other.rows("val"))
    assert len(data.rows("test")) == len(data.sources.test.labels)


@pytest.mark.parametrize("name", ["cifar10", "imagenet"])
def test_validation_from_the_test_data_trains_on_everything_and_says_so(make, name, capsys):
    data = make(name, val_from_test=True)
    assert len(data.rows("train")) == len(data.sources.train.labels)
    tested, validated = everything(data.test_dataloader()), everything(data.val_dataloader())
    assert all(torch.equal(a, b) for a, b in zip(tested, validated, strict=True))
    data.train_dataloader()
    data.train_dataloader()
    assert capsys.readouterr().out.count("validation is on the test data") == 1


def test_a_subset_is_stratified_and_leaves_the_validation_alone(make):
    data = make("cifar10", subset=40)
    rows = data.rows("train")
    assert (np.bincount(data.sources.train.labels[rows]) == 4).all()
    assert set(rows) < set(make("cifar10").rows("train"))
    assert np.array_equal(data.rows("val"), make("cifar10").rows("val"))


@pytest.mark.parametrize(("name", "official"), [("cifar10", "CIFAR10"), ("cifar100", "CIFAR100")])
def test_cifar_is_what_torchvision_reads(make, roots, monkeypatch, name, official):
    reader = getattr(torchvision.datasets, official)
    monkeypatch.setattr(reader, "_check_integrity", lambda self: True)
    monkeypatch.setattr(reader, "_load_meta", lambda self: None)
    data = make(name)
    for train, source in zip((True, False), data.sources, strict=True):
        expected = reader(str(roots[name]), train=train)
        assert np.array_equal(source.images.transpose(0, 2, 3, 1), expected.data)
        assert source.labels.tolist() == expected.targets
    inside = next(path for path in roots[name].iterdir())
    assert np.array_equal(type(data)(str(inside)).sources.train.images, data.sources.train.images)


def test_fashion_mnist_is_what_torchvision_reads_and_padded(make, tmp_path):
    made.write_fashion_mnist(tmp_path, zipped=False)
    expected = torchvision.datasets.FashionMNIST(str(tmp_path))
    for data in (make("fashion", padding=0), FashionMNIST(str(tmp_path), padding=0)):
        assert np.array_equal(data.sources.train.images[:, 0], expected.data)
        assert data.sources.train.labels.tolist() == expected.targets.tolist() and data.image_size == 28
    padded = make("fashion").sources.train.images
    assert padded.shape[1:] == (1, 32, 32) and not padded[..., :2, :].any() and not padded[..., -2:].any()
    assert np.array_equal(padded[:, 0, 2:-2, 2:-2], expected.data)


@pytest.mark.parametrize("place", ["", "usr/share/datasets/fashion-mnist", "fashion-mnist"])
def test_fashion_mnist_is_found_where_debian_and_users_put_it(roots, tmp_path, place):
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    for path in (roots["fashion"] / "FashionMNIST" / "raw").iterdir():
        (tmp_path / place / path.name).write_bytes(path.read_bytes())
    assert len(FashionMNIST(str(tmp_path)).sources.train.labels) == 100


def test_folders_and_lists_of_imagenet_are_one_data_set(make, roots):
    data, listed = make("imagenet"), make("imagenet lists")
    given = make(
        "imagenet lists",
        train_list="imagenet_train.list",
        val_list=str(roots["imagenet lists"] / "imagenet_val.list"),
    )
    for split, *sources in zip(("train", "val"), data.sources, listed.sources, given.sources, strict=True):
        expected = torchvision.datasets.ImageFolder(str(roots["imagenet"] / split)).samples
        assert [(sources[0].path(row), label) for row, label in enumerate(sources[0].labels)] == expected
        for source in sources[1:]:
            assert np.array_equal(source.labels, sources[0].labels)
            names = [Path(source.path(row)).name for row in range(len(source.labels))]
            assert names == [Path(path).name for path, _ in expected]


def test_a_hidden_folder_is_no_class(tmp_path):
    made.write_imagenet_folders(tmp_path)
    (tmp_path / "train" / ".ipynb_checkpoints").mkdir()
    data = ImageNet(str(tmp_path), num_classes=3)
    assert sorted({*data.sources.train.labels.tolist()}) == [0, 1, 2]


def test_folder_and_lists_of_cub_are_one_data_set(make):
    for one, two in zip(make("cub").sources, make("cub lists").sources, strict=True):
        assert np.array_equal(one.names, two.names) and np.array_equal(one.labels, two.labels)
        assert len(one.labels) == 16


def test_evaluated_files_are_transformed_as_the_authors_do(make):
    data = make("imagenet", num_classes=3)
    steps = [transforms.Resize(28), transforms.CenterCrop(24), transforms.ToTensor()]
    normalize = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    expected = transforms.Compose([*steps, normalize])
    images, labels = everything(data.test_dataloader())
    for row, image in enumerate(images):
        assert torch.equal(image, expected(Image.open(data.sources.test.path(row)).convert("RGB")))
    assert labels.tolist() == data.sources.test.labels.tolist()


class Told(LightningModule):
    """Predicts the labels that it is told."""

    def predict_step(self, batch, batch_idx):
        return batch[1]


def test_a_trainer_predicts_the_test_images(make, tmp_path):
    data = make("cifar10")
    trainer = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, default_root_dir=tmp_path)
    assert torch.cat(trainer.predict(Told(), data)).tolist() == data.sources.test.labels.tolist()


class Harmful:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_nothing_in_a_pickle_is_executed(tmp_path):
    (tmp_path / "batch").write_bytes(pickle.dumps({"data": Harmful(tmp_path / "harm")}, protocol=2))
    with pytest.raises(ValueError, match=r"batch' is no batch of CIFAR.*which no batch of CIFAR needs"):
        read_pickle(tmp_path / "batch")
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("order", "CF")
def test_pickles_written_anew_are_read(tmp_path, protocol, order):
    images = np.asarray(np.random.default_rng(0).integers(0, 256, (7, 12)), dtype=np.uint8, order=order)
    path = tmp_path / "batch"
    path.write_bytes(pickle.dumps({b"data": images, "labels": [1, 2]}, protocol=protocol))
    content = read_pickle(path)
    assert np.array_equal(content["data"], images) and content["labels"] == [1, 2]


@pytest.mark.parametrize("content", [b"", b"junk", pickle.dumps([1]), pickle.dumps({"a": np.ones(3)}, 2)])
def test_what_is_no_batch_is_refused(tmp_path, content):
    (tmp_path / "batch").write_bytes(content)
    with pytest.raises(ValueError, match=r"batch' is no batch of CIFAR.*get it anew"):
        read_pickle(tmp_path / "batch")


def test_cifar_is_downloaded_by_torchvision_whole_or_not_at_all(roots, tmp_path, monkeypatch):
    official, archive = torchvision.datasets.CIFAR10, tmp_path / "served.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(roots["cifar10"] / official.base_folder, official.base_folder)
    served = [archive]
    retrieve = "torchvision.datasets.utils._urlretrieve"
    monkeypatch.setattr(retrieve, lambda url, path: Path(path).write_bytes(served[0].read_bytes()))
    monkeypatch.setattr("torchvision.datasets.utils._get_redirect_url", lambda url, max_hops: url)
    root = tmp_path / "root"
    with pytest.raises(ValueError, match=r"CIFAR-10 cannot be downloaded .* put cifar-10-python.tar.gz of"):
        CIFAR10(str(root), download=True).prepare_data()
    assert list(root.iterdir()) == []
    monkeypatch.setattr(official, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    assert len(CIFAR10(str(root), download=True).sources.train.labels) == 100
    served[0] = tmp_path / "nowhere"
    assert len(CIFAR10(str(root), download=True).sources.train.labels) == 100
    other = tmp_path / "other"
    other.mkdir()
    archive.rename(other / official.filename)
    assert len(CIFAR10(str(other), download=True).sources.train.labels) == 100


def _saved(path: Path, image: Image.Image, **options) -> Path:
    image.save(path, **options)
    return path


RAMP = np.linspace(0, 255, 48 * 40).astype(np.uint8).reshape(48, 40)
COLOURS = Image.fromarray(np.stack([RAMP, RAMP[::-1], RAMP.copy()[:, ::-1]], axis=2))


@pytest.mark.parametrize("mode", ["L", "1", "RGBA", "LA", "P", "CMYK"])
def test_any_mode_becomes_rgb(tmp_path, mode):
    suffix = "tiff" if mode == "CMYK" else "png"
    image = COLOURS.convert(mode)
    found = np.asarray(read_rgb(_saved(tmp_path / f"image.{suffix}", image)))
    assert found.shape == (48, 40, 3)
    assert np.abs(found.astype(int) - np.asarray(image.convert("RGB"))).max() <= 1


def test_16_bits_are_reduced_not_clipped(tmp_path):
    deep = Image.fromarray(RAMP.astype(np.uint16) * 257)
    found = np.asarray(read_rgb(_saved(tmp_path / "image.png", deep)))
    assert np.array_equal(found, np.repeat(RAMP[..., None], 3, axis=2))


def test_transparent_palettes_keep_their_colours(tmp_path):
    palette = COLOURS.convert("P")
    path = _saved(tmp_path / "image.png", palette, transparency=bytes(range(256)))
    assert np.array_equal(np.asarray(read_rgb(path)), np.asarray(palette.convert("RGB")))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_as_exif_says(tmp_path, orientation):
    """Stored as the camera held it, shown as Pillow itself would show it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = _saved(tmp_path / "image.png", COLOURS, exif=exif)
    turned = {1: lambda a: a, 3: lambda a: a[::-1, ::-1], 6: lambda a: np.rot90(a, -1), 8: np.rot90}
    flipped = {2: lambda a: a[:, ::-1], 4: lambda a: a[::-1], 5: lambda a: a.swapaxes(0, 1)}
    across = {7: lambda a: a[::-1, ::-1].swapaxes(0, 1)}
    expected = (turned | flipped | across)[orientation](np.asarray(COLOURS))
    assert np.array_equal(np.asarray(read_rgb(path)), expected)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_beside_a_whole_image_is_no_damage(tmp_path):
    path = _saved(tmp_path / "image.jpg", COLOURS, exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert read_rgb(path).size == (40, 48)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (lambda whole: whole[:-20], "(?i)truncated"),
        (lambda whole: b"", "it is empty"),
        (lambda whole: b"<html>not found</html>", "it is no image of a known format"),
        (lambda whole: gzip.compress(whole), "it is no image of a known format"),
        (None, "No such file"),
    ],
)
def test_a_broken_image_is_told_with_its_cause(tmp_path, content, cause):
    path = tmp_path / "image.jpg"
    if content is not None:
        path.write_bytes(content(_saved(path, COLOURS).read_bytes()))
    with pytest.raises(UnreadableImageError, match=cause):
        read_rgb(path)
