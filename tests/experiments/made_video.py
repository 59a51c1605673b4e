"""Small UCF-101-like data sets in the two formats that people have, for tests: the same files each time.

Frame ``t`` (from 0) of a video is flat and grey, ``brightness(label, t)``, so that a clip tells which video,
and which frames of it, it shows.
"""

import io
import json
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("ApplyEyeMakeup", "HandstandPushups", "YoYo")
GROUPS, TEST_GROUPS = 6, 2
HEIGHT, WIDTH = 24, 32


def brightness(label: int, frame: int) -> int:
    """Grey of a frame."""
    return 4 * frame + 80 * label


def videos() -> Iterator[tuple[str, str, int, int, bool]]:
    """Yield class, name, label, number of frames and whether it is of the test, of two clips a group."""
    for label, name in enumerate(CLASSES):
        for group in range(1, GROUPS + 1):
            for clip in (1, 2):
                video = f"v_{name}_g{group:02d}_c{clip:02d}"
                yield name, video, label, 5 + group + clip, group <= TEST_GROUPS


def write_frames(root: Path) -> Path:
    """Write ``<class>/<video>/image_00001.jpg`` and ``ucf101_01.json`` as the 3D-ResNets framework does."""
    database = {}
    for name, video, label, frames, is_test in videos():
        (root / name / video).mkdir(parents=True)
        for frame in range(frames):
            _image(label, frame).save(root / name / video / f"image_{frame + 1:05d}.jpg", quality=95)
        subset = "validation" if is_test else "training"
        annotations = {"label": name, "segment": [1, frames + 1]}
        database[video] = {"subset": subset, "annotations": annotations}
    content = {"labels": list(CLASSES), "database": database}
    (root / "ucf101_01.json").write_text(json.dumps(content))
    return root


def write_videos(root: Path) -> Path:
    """Write ``<class>/v_….avi`` and ``ucfTrainTestlist`` as UCF-101 comes."""
    lists = root / "ucfTrainTestlist"
    lists.mkdir(parents=True)
    lines: dict[bool, list[str]] = {True: [], False: []}
    for name, video, label, frames, is_test in videos():
        (root / name).mkdir(exist_ok=True)
        pictures = [_image(label, frame) for frame in range(frames)]
        (root / name / f"{video}.avi").write_bytes(motion_jpeg(pictures))
        lines[is_test].append(f"{name}/{video}.avi" + ("" if is_test else f" {label + 1}"))
    (lists / "trainlist01.txt").write_text("\r\n".join(lines[False]) + "\r\n")
    (lists / "testlist01.txt").write_text("\n".join(lines[True]) + "\n")
    classes = [f"{number} {name}" for number, name in enumerate(CLASSES, start=1)]
    (lists / "classInd.txt").write_text("\n".join(classes) + "\n\n")
    return root


def motion_jpeg(pictures: list[Image.Image], rate: int = 25) -> bytes:
    """Return an AVI file of JPEG frames: RIFF lists of a header, the frames and an index."""
    width, height = pictures[0].size
    count = len(pictures)
    main = struct.pack("<14I", 1_000_000 // rate, 0, 0, 0x10, count, 0, 1, 0, width, height, 0, 0, 0, 0)
    timing = (0, 0, 0, 1, rate, 0, count, 0, 2**32 - 1, 0)
    stream = struct.pack("<4s4s10I4H", b"vids", b"MJPG", *timing, 0, 0, width, height)
    bitmap = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, 24, b"MJPG", 3 * width * height, 0, 0, 0, 0)
    frames = [_chunk(b"00dc", _jpeg(picture)) for picture in pictures]
    offsets = np.cumsum([4, *map(len, frames)])
    sizes = [struct.unpack("<I", frame[4:8])[0] for frame in frames]
    entries = zip(offsets[:-1], sizes, strict=True)
    index = [struct.pack("<4s3I", b"00dc", 0x10, *entry) for entry in entries]
    header = _list(b"strl", _chunk(b"strh", stream), _chunk(b"strf", bitmap))
    content = _list(b"hdrl", _chunk(b"avih", main), header), _list(b"movi", *frames)
    return _chunk(b"RIFF", b"AVI " + b"".join(content) + _chunk(b"idx1", b"".join(index)))


def _image(label: int, frame: int) -> Image.Image:
    return Image.new("RGB", (WIDTH, HEIGHT), (brightness(label, frame),) * 3)


def _jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=95)
    return file.getvalue()


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _list(name: bytes, *chunks: bytes) -> bytes:
    return _chunk(b"LIST", name + b"".join(chunks))
