"""What is wrong with data is told with value and remedy; broken images are passed over in training only."""

import gzip
import logging
import shutil
from functools import partial
from pathlib import Path

import pytest
import torch

from experiments.data import CIFAR10, CIFAR100, CUB, FashionMNIST, ImageNet
from experiments.data.images import BrokenImageError
from experiments.data.resumable import epoch_order
from tests.experiments import made

NET = partial(ImageNet, batch_size=4, num_classes=3, image_size=24, resize=28, val_share=0.25)
BIRDS = partial(CUB, batch_size=4, num_classes=4, image_size=24, resize=28, val_share=0.25)


def replaced(name: str, old: str, new: str, write=made.write_imagenet_lists):
    """A writer whose file ``name`` has something else in it."""

    def write_it(root: Path) -> None:
        write(root)
        text = (root / name).read_text()
        assert old in text
        (root / name).write_text(text.replace(old, new, 1))

    return write_it


def without(name: str, write):
    """A writer of a data set that lacks a file or folder."""

    def write_it(root: Path) -> None:
        write(root)
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return write_it


def moved(name: str, to: str, write):
    def write_it(root: Path) -> None:
        write(root)
        (root / name).rename(root / to)

    return write_it


def cut(name: str, write):
    """A writer of a data set of which a file ends in the middle."""

    def write_it(root: Path) -> None:
        write(root)
        content = (root / name).read_bytes()
        (root / name).write_bytes(content[: len(content) // 2])

    return write_it


def nothing(root: Path) -> None:
    """An empty folder."""


NAME = made.CLASS_NAMES
LINE = f"data/train/{NAME[0]}/{NAME[0]}_1.JPEG,0\n"
TABLES = "CUB_200_2011/"
BATCH = "cifar-10-batches-py/data_batch_3"
IDX = "FashionMNIST/raw/t10k-labels-idx1-ubyte.gz"
BAD = {
    "no cifar": (
        nothing,
        CIFAR10,
        "no CIFAR-10 under root='.*': looked for data_batch_1.* unpack cifar-10-python",
    ),
    "half a cifar": (
        without(BATCH, made.write_cifar10),
        CIFAR10,
        "is not whole: data_batch_3 missing; unpack",
    ),
    "cut batch": (cut(BATCH, made.write_cifar10), CIFAR10, "data_batch_3' is no batch of CIFAR, or damaged"),
    "other cifar": (made.write_cifar10, CIFAR100, "no CIFAR-100 under .*looked for train, test"),
    "coarse labels": (
        lambda root: made._write_batch(
            made.write_cifar10(root) / BATCH, "", made._rows(made.pictures([1], 32, 32))
        ),
        CIFAR10,
        "data_batch_3' holds no data .* get CIFAR-10 anew",
    ),
    "label of cifar": (
        lambda root: made._write_batch(
            made.write_cifar10(root) / BATCH, "", made._rows(made.pictures([1, 2], 32, 32)), labels=[3, 10]
        ),
        CIFAR10,
        "label 10 of entry 2 of .*data_batch_3 is beyond the classes 0 to 9",
    ),
    "batch": (made.write_cifar10, partial(CIFAR10, batch_size=91), "90 training images are no batch.*<= 90"),
    "small share": (
        made.write_cifar10,
        partial(CIFAR10, val_share=0.02),
        "val_share=0.02 of 100 .* choose another",
    ),
    "subset": (made.write_cifar10, partial(CIFAR10, subset=91), "subset=91 is no .* choose from 10 to 80"),
    "few": (made.write_cifar10, partial(CIFAR10, subset=9), "subset=9 is no .* choose from 10 to 80"),
    "class of one": (
        lambda root: [
            path.unlink() for path in made.write_imagenet_folders(root).glob(f"train/{NAME[0]}/*[1-9].JPEG")
        ],
        partial(NET, val_from_test=True, subset=6),
        "subset=6 cannot be taken .*only 1 member.*leave subset out",
    ),
    "no fashion": (nothing, FashionMNIST, "no Fashion-MNIST under .*dataset-fashion-mnist and give root="),
    "half a fashion": (
        without(IDX, made.write_fashion_mnist),
        FashionMNIST,
        "t10k-labels-idx1-ubyte missing",
    ),
    "cut idx": (cut(IDX, made.write_fashion_mnist), FashionMNIST, "t10k-labels.*gz' cannot be read .*anew"),
    "no imagenet": (nothing, NET, "no ImageNet under .*looked for train, val in .*train/<class>/"),
    "no val": (without("val", made.write_imagenet_folders), NET, "is not whole: val missing"),
    "class counts": (
        made.write_imagenet_folders,
        partial(NET, num_classes=9),
        "3 classes .*--data.num_classes 3",
    ),
    "class of val": (
        moved(f"val/{NAME[1]}", "val/n01440799", made.write_imagenet_folders),
        NET,
        r"n01440799' is no class of .*did you mean n0",
    ),
    "no class of val": (
        without(f"val/{NAME[1]}", made.write_imagenet_folders),
        NET,
        f"class {NAME[1]} .*add it",
    ),
    "flat val": (
        lambda root: (
            [path.unlink() for path in made.write_imagenet_folders(root).glob("val/*/*")]
            and [path.rmdir() for path in root.glob("val/*")]
        ),
        NET,
        "val' has no folders of classes; sort",
    ),
    "empty class": (
        lambda root: [path.unlink() for path in made.write_imagenet_folders(root).glob(f"train/{NAME[2]}/*")],
        NET,
        f"{NAME[2]}' holds no image .*put the class's images there",
    ),
    "no comma": (replaced("imagenet_train.list", LINE, "abc\n"), NET, "train.list' line 2: 'abc' is no 'rel"),
    "no label": (
        replaced("imagenet_train.list", LINE, "a.jpg,x\n"),
        NET,
        "line 2: 'a.jpg,x' is no .*mend the line",
    ),
    "negative": (replaced("imagenet_train.list", LINE, "a.jpg,-1\n"), NET, "line 2: 'a.jpg,-1' is no"),
    "beyond": (
        replaced("imagenet_val.list", ",2\n", ",3\n"),
        NET,
        "val.list' line 7: label 3 is beyond the classes 0 to 2; .*--data.num_classes 4",
    ),
    "not there": (
        replaced("imagenet_train.list", LINE, "\nx.jpg,1\n"),
        NET,
        "train.list' line 3 names '.*x.jpg', which is not there .1 of 24 images",
    ),
    "empty list": (replaced("imagenet_val.list", "", "", lambda root: _emptied(root)), NET, "names no image"),
    "shared": (
        replaced("imagenet_val.list", f"val/{NAME[0]}/", f"train/{NAME[0]}/"),
        NET,
        r"_0.JPEG' is in the list of training and in that of validation .1 such",
    ),
    "huge idx": (
        lambda root: (made.write_fashion_mnist(root) / IDX).write_bytes(
            gzip.compress(b"\0\0\x08\x03" + b"\xff" * 12)
        ),
        FashionMNIST,
        "values are announced.; get the file anew",
    ),
    "one list": (
        made.write_imagenet_lists,
        partial(NET, train_list="a"),
        "val_list=None: one list alone is half",
    ),
    "no list": (
        made.write_imagenet_lists,
        partial(NET, train_list="a.list", val_list="imagenet_val.list"),
        "no list file 'a.list', nor",
    ),
    "half the lists": (
        without("imagenet_val.list", made.write_imagenet_lists),
        NET,
        "imagenet_val.list missing",
    ),
    "no cub": (nothing, BIRDS, "no CUB under .*looked for images.txt, .*unpack CUB_200_2011 there"),
    "half a cub": (
        without(f"{TABLES}train_test_split.txt", made.write_cub_folder),
        BIRDS,
        "split.txt missing",
    ),
    "bird list": (
        replaced("cub_val.list", ",1\n", ",7\n", made.write_cub_lists),
        BIRDS,
        "val.list' line 5: label 7",
    ),
    "bird class": (
        replaced(f"{TABLES}image_class_labels.txt", "9 2\n", "9 5\n", made.write_cub_folder),
        BIRDS,
        "class 5 of image 9 .* beyond the classes 1 to 4",
    ),
    "bird part": (
        replaced(f"{TABLES}train_test_split.txt", "9 1\n", "9 2\n", made.write_cub_folder),
        BIRDS,
        "'2' of image 9 .* is neither 1 .training. nor 0",
    ),
    "bird twice": (
        replaced(f"{TABLES}images.txt", "9 ", "8 ", made.write_cub_folder),
        BIRDS,
        r"images.txt' line 9: .* is no new number",
    ),
    "bird lost": (
        replaced(f"{TABLES}image_class_labels.txt", "9 2\n", "", made.write_cub_folder),
        BIRDS,
        "image 9 is not both in",
    ),
}


def _emptied(root: Path) -> None:
    made.write_imagenet_lists(root)
    (root / "imagenet_val.list").write_text("\n")


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_with_a_data_set_is_told_before_any_work(tmp_path, name):
    write, kind, message = BAD[name]
    write(tmp_path)
    with pytest.raises(ValueError, match=message):
        kind(str(tmp_path)).train_dataloader()


def test_a_root_that_is_no_folder_is_told_down_to_where_it_exists(tmp_path):
    with pytest.raises(ValueError, match=rf"which is no folder \(there is '{tmp_path}'\)"):
        CIFAR10(str(tmp_path / "a" / "b")).train_dataloader()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (CIFAR10, {"batch_size": 0}),
        (CIFAR10, {"num_workers": -1}),
        (CIFAR10, {"seed": -1}),
        (CIFAR10, {"val_share": 0}),
        (CIFAR10, {"val_share": 1.0}),
        (CIFAR10, {"subset": 0}),
        (FashionMNIST, {"padding": -1}),
        (ImageNet, {"num_classes": 1}),
        (ImageNet, {"resize": 100}),
        (CUB, {"image_size": 0}),
        (CUB, {"broken_share": 0.6}),
        (CUB, {"scale": (0.5, 0.2)}),
        (CUB, {"scale": (0, 0.2)}),
        (CUB, {"download": True}),
    ],
)
def test_arguments_out_of_range_are_refused(kind, options):
    ((name, value),) = options.items()
    told = {(0.5, 0.2): "greatest area of scale=0.2", (0, 0.2): "least area of scale=0"}.get(
        value, f"{name}={value}"
    )
    with pytest.raises(ValueError, match=told):
        kind("nowhere", **options)


@pytest.fixture
def broken(tmp_path) -> Path:
    """ImageNet's folders; of 24 training images two are broken side by side in epoch 0, and the last."""
    made.write_imagenet_folders(tmp_path)
    data = NET(str(tmp_path), val_from_test=True)
    order = epoch_order(24, 0, 0).tolist()
    for place, content in ((5, b""), (6, b"text"), (23, b"")):
        Path(data.sources.train.path(order[place])).write_bytes(content)
    return tmp_path


def test_broken_training_images_are_named_counted_and_replaced_by_the_next(broken, caplog):
    data = NET(str(broken), val_from_test=True, broken_share=0.2)
    order, loader = epoch_order(24, 0, 0).tolist(), data.train_dataloader()
    with caplog.at_level(logging.WARNING):
        batches = [list(loader), list(loader)][0]
    labels = torch.cat([labels for _, labels in batches]).tolist()
    shown = [order[{5: 7, 6: 7, 23: 0}.get(place, place)] for place in range(24)]
    assert labels == data.sources.train.labels[shown].tolist()
    named = [Path(data.sources.train.path(order[place])) for place in (5, 6, 23)]
    assert list(map(Path, loader.broken)) == named
    messages = [record.message for record in caplog.records]
    assert len(messages) == 3 and f"'{named[0]}' cannot be read (it is empty)" in messages[0]
    assert messages[2].endswith("3 of 4 let pass")


def test_broken_images_are_replaced_alike_in_any_process(broken):
    loaders = [
        NET(str(broken), val_from_test=True, broken_share=0.2, num_workers=workers).train_dataloader()
        for workers in (0, 2)
    ]
    for (one, _), (two, _) in zip(*loaders, strict=True):
        assert torch.equal(one, two)
    assert loaders[0].broken == loaders[1].broken


@pytest.mark.parametrize(("share", "found"), [(0.01, 1), (0.05, 2), (0.1, 3)])
def test_more_broken_images_than_the_share_stop_a_training(broken, share, found):
    loader = NET(str(broken), val_from_test=True, broken_share=share).train_dataloader()
    with pytest.raises(BrokenImageError, match=rf"{found} of 24 training images .*--data.broken_share"):
        list(loader)


def test_a_data_set_without_a_whole_image_stops_at_once(tmp_path):
    for path in made.write_imagenet_folders(tmp_path).glob("train/*/*"):
        path.write_bytes(b"")
    for share in (0.0, 0.5):
        loader = NET(str(tmp_path), val_from_test=True, broken_share=share).train_dataloader()
        with pytest.raises(BrokenImageError, match="of 24 training images cannot be read"):
            next(iter(loader))


@pytest.mark.parametrize("workers", [0, 1])
def test_one_broken_image_stops_a_validation(tmp_path, workers):
    path = next(made.write_imagenet_folders(tmp_path).glob("val/*/*_1.JPEG"))
    path.write_bytes(path.read_bytes()[:300])
    data = NET(str(tmp_path), num_workers=workers)
    with pytest.raises(BrokenImageError, match=rf"^image '{path}' cannot be read"):
        list(data.test_dataloader())
