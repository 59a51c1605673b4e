"""The annotations of the 3D-ResNets framework, and frames in the folders that it makes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.data.video.frames import FrameFolder
from experiments.data.video.video import Listing, Video, check_present, class_index

_SUBSETS = {"training": "train", "validation": "test"}


def read_annotations(path: str | Path, root: str | Path) -> Listing:
    """Read ``ucf101_01.json`` as the framework's ``util_scripts/ucf101_json.py`` writes it.

    ``{"labels": [...], "database": {video: {"subset": "training" | "validation", "annotations": {"label": …,
    "segment": [first, end]}}}}``. A class is the place of its label in the list. The frames are
    ``root/<label>/<video>/image_00001.jpg`` and so on, from ``first`` to ``end - 1``; an entry may have
    another folder as its ``video_path``.
    Of files without segments, as other tools write them, all frames of a folder count. The framework's
    ``validation`` is UCF-101's test list: it is the test set here. Other subsets are left out.

    Args:
        path: The JSON file.
        root: Folder of the folders of classes.

    Raises:
        ValueError: If the file is no such JSON (the key that is missing, and where), a label is unknown, a
            folder is not there, or has fewer frames than its segment says.
    """
    content = _parsed(Path(path))
    labels = _of_kind(content, "labels", list, f"'{path}'")
    database = _of_kind(content, "database", dict, f"'{path}'")
    classes = {label: index for index, label in enumerate(labels)}
    found: dict[str, list[Video]] = {"train": [], "test": []}
    for name, entry in database.items():
        subset = _SUBSETS.get(_of_kind(entry, "subset", str, f"video {name!r} of '{path}'"))
        if subset is not None:
            found[subset].append(_video(name, entry, classes, Path(path), Path(root)))
    _check_folders([*found["train"], *found["test"]], Path(path))
    counted = {subset: [_counted(video) for video in videos] for subset, videos in found.items()}
    _check_frames([*counted["train"], *counted["test"]], Path(path))
    return Listing(labels, counted["train"], counted["test"])


def _parsed(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read the annotations '{path}': {error}; {_REMEDY}") from error


def _of_kind(content: Any, key: str, kind: type, where: str) -> Any:
    """The value of a key, of the kind that the format has there."""
    if not isinstance(content, Mapping) or key not in content:
        raise ValueError(f"{where} has no key {key!r}; {_REMEDY}")
    if not isinstance(content[key], kind):
        said = repr(content[key])
        raise ValueError(f"{key!r} of {where} is {said[:60]}, no {kind.__name__}; {_REMEDY}")
    return content[key]


_REMEDY = (
    "the annotations are the JSON that the 3D-ResNets framework's util_scripts/ucf101_json.py writes "
    "(labels, database → subset, annotations → label, segment)"
)


def _video(name: str, entry: Any, classes: Mapping[str, int], path: Path, root: Path) -> Video:
    where = f"video {name!r} of '{path}'"
    annotations = _of_kind(entry, "annotations", dict, where)
    label = _of_kind(annotations, "label", str, where)
    folder = root / entry.get("video_path", Path(label) / name)
    first, end = _segment(annotations, where)
    index = class_index(label, classes, where, "its list of labels")
    return Video(name, index, FrameFolder(folder, first, end - first))


def _segment(annotations: Mapping[str, Any], where: str) -> tuple[int, int]:
    """First frame and the one after the last; ``(1, 1)`` where all frames of the folder count."""
    if "segment" not in annotations:
        return 1, 1
    segment = annotations["segment"]
    whole = isinstance(segment, list) and len(segment) == 2 and all(type(n) is int for n in segment)
    if not whole or not 1 <= segment[0] < segment[1]:
        raise ValueError(
            f"the segment of {where} is {segment!r}; it is [first frame, the one after the last], and frames "
            "count from 1"
        )
    return segment[0], segment[1]


def _counted(video: Video) -> Video:
    """The video with the number of its frames, where the annotations give none."""
    folder = video.footage
    if not isinstance(folder, FrameFolder) or folder.count:
        return video
    return Video(video.name, video.label, FrameFolder(folder.path, 1, _frames_in(folder.path)))


def _frames_in(folder: Path) -> int:
    return sum(1 for _ in folder.glob("image_*.jpg"))


def _check_folders(videos: Sequence[Video], path: Path) -> None:
    absent = [video.footage.path for video in videos if not video.footage.path.is_dir()]
    remedy = (
        f"the annotations '{path}' name them; make the frames with the 3D-ResNets framework's "
        "util_scripts/generate_video_jpgs.py, or give --data.root the folder of the folders of classes"
    )
    check_present(absent, len(videos), "folders of frames", remedy)


def _check_frames(videos: Sequence[Video], path: Path) -> None:
    """Look for the last frame of each video alone: two million files are not looked for."""
    lasting = [(video, video.footage) for video in videos if isinstance(video.footage, FrameFolder)]
    short = [pair for pair in lasting if not pair[1].count or not pair[1].file(pair[1].count - 1).is_file()]
    if short:
        video, folder = short[0]
        said = f"frames {folder.first} to {folder.first + folder.count - 1}" if folder.count else "frames"
        raise ValueError(
            f"{len(short)} of {len(videos)} videos have fewer frames than the annotations '{path}' say; the "
            f"first is {video.name!r}: {said} are wanted and '{folder.path}' has {_frames_in(folder.path)}; "
            "make its frames and the annotations anew"
        )
