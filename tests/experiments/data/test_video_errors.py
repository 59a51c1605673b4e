"""What is wrong with UCF-101 on disk, or with its arguments, is refused with value and remedy."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from experiments.data import UCF101
from experiments.data.video.lists import read_lists
from tests.experiments.made_video import write_frames, write_videos

SMALL: dict[str, Any] = {"num_classes": 3, "image_size": 16, "frames": 4, "val_share": 0.25, "batch_size": 6}


@pytest.fixture(scope="module")
def roots(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("ucf")
    return {"frames": write_frames(folder / "frames"), "videos": write_videos(folder / "videos")}


@pytest.fixture
def copied(roots, tmp_path) -> Path:
    return shutil.copytree(roots["frames"], tmp_path / "spoilt")


Spoiling = Callable[[Path], object]


def json_with(edit: Callable[[dict[str, Any]], object]) -> Spoiling:
    """Edit the annotations."""

    def spoil(root: Path) -> None:
        path = root / "ucf101_01.json"
        content = json.loads(path.read_text())
        edit(content)
        path.write_text(json.dumps(content))

    return spoil


def first_with(edit: Callable[[dict[str, Any]], object]) -> Spoiling:
    """Edit what they say of the first video."""
    return json_with(lambda content: edit(content["database"][FIRST]))


FIRST = "v_ApplyEyeMakeup_g01_c01"
JSON, FIFTH = "ucf101_01.json", "YoYo/v_YoYo_g05_c0"
SPOILT: list[tuple[Spoiling, str]] = [
    (lambda root: (root / JSON).write_text("{"), "cannot read the annotations .*line 1"),
    (lambda root: (root / JSON).unlink(), "no annotations.*looked for.*ucfTrainTestlist"),
    (json_with(lambda c: c.pop("labels")), "has no key 'labels'; .*ucf101_json.py"),
    (json_with(lambda c: c.pop("database")), "has no key 'database'"),
    (json_with(lambda c: c.update(labels=3)), "'labels' of .* is 3, no list"),
    (
        json_with(lambda c: c["labels"].append("Archery")),
        "4 classes and num_classes=3; give .*num_classes 4",
    ),
    (first_with(lambda v: v.pop("subset")), f"video '{FIRST}' of .* has no key 'subset'"),
    (first_with(lambda v: v["annotations"].pop("label")), f"video '{FIRST}' of .* has no key 'label'"),
    (
        first_with(lambda v: v["annotations"].update(label="ApplyMakeup")),
        "has the label 'ApplyMakeup', .* none of the 3 labels .*near matches: ApplyEyeMakeup",
    ),
    (
        first_with(lambda v: v["annotations"].update(segment=[0, 3])),
        r"the segment of .* is \[0, 3\]; .* count from 1",
    ),
    (
        lambda root: [shutil.rmtree(root / f"{FIFTH}{clip}") for clip in (1, 2)],
        "2 of 36 folders of frames are not there, the first is '.*v_YoYo_g05_c01'; .*generate_video_jpgs",
    ),
    (
        lambda root: (root / f"{FIFTH}2" / "image_00012.jpg").unlink(),
        "1 of 36 videos have fewer frames .* 'v_YoYo_g05_c02': frames 1 to 12 .* has 11",
    ),
]


@pytest.mark.parametrize(("spoil", "message"), SPOILT)
def test_bad_frames_are_refused_with_value_and_remedy(copied, spoil, message):
    spoil(copied)
    with pytest.raises(ValueError, match=message):
        UCF101(str(copied), **SMALL).train_dataloader()


BAD_LISTS = [
    (
        "trainlist01.txt",
        "ApplyEyeMakup/v_x.avi 1",
        "line 25 .*'ApplyEyeMakup', .*labels of classInd.txt .*: ApplyEyeMakeup",
    ),
    ("trainlist01.txt", "YoYo/v_x.avi 2", "line 25 .*'YoYo/v_x.avi 2'; .*3 for 'YoYo'"),
    (
        "trainlist01.txt",
        "YoYo/v_x.avi 3",
        "1 of 37 videos are not .* is '.*YoYo/v_x.avi'; .*--data.root",
    ),
    ("classInd.txt", "5 Archery", "line 5 of .* is '5 Archery'; it is '4 <name"),
]


@pytest.mark.parametrize(("file", "line", "message"), BAD_LISTS)
def test_bad_lists_are_refused_with_the_number_of_the_line(roots, tmp_path, file, line, message):
    lists = shutil.copytree(roots["videos"] / "ucfTrainTestlist", tmp_path / "lists")
    with (lists / file).open("a") as opened:
        opened.write(line + "\n")
    with pytest.raises(ValueError, match=message):
        read_lists(lists, 1, roots["videos"])
    with pytest.raises(ValueError, match=r"cannot read the list '.*trainlist02.txt'"):
        read_lists(roots["videos"] / "ucfTrainTestlist", 2, roots["videos"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": 4}, "split=4 .* from 1 to 3"),
        ({"frames": 0}, "frames=0 .*at least 1"),
        ({"stride": 0}, "stride=0"),
        ({"test_clips": 0}, "test_clips=0"),
        ({"resize": 8}, "resize=8 .*at least 16"),
        ({"annotations": "none.json"}, "looked for 'none.json', '.*frames/none.json'"),
        ({"download": True}, "download=True: UCF101 has to be got"),
    ],
)
def test_bad_arguments_are_refused(roots, options, message):
    with pytest.raises(ValueError, match=message):
        UCF101(str(roots["frames"]), **(SMALL | options)).train_dataloader()


def no_ffmpeg(path: object) -> None:
    raise RuntimeError("Could not load libtorchcodec. Likely causes:\n  1. FFmpeg is not properly installed")


@pytest.mark.parametrize(
    ("decoder", "message"),
    [(None, r"pip install 'gsp-nonlocal\[video\]'"), (no_ffmpeg, "finds no FFmpeg.*: conda install ffmpeg")],
)
def test_videos_without_a_decoder_are_refused_before_any_work(roots, monkeypatch, decoder, message):
    fake = ModuleType("torchcodec.decoders")
    fake.VideoDecoder = decoder  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchcodec", ModuleType("torchcodec") if decoder else None)
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", fake if decoder else None)
    with pytest.raises(ValueError, match=message):
        UCF101(str(roots["videos"]), **SMALL).train_dataloader()
