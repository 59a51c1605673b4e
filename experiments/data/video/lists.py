"""UCF-101's own lists of a split, and its files of video."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from experiments.data.video.decoding import VideoFile
from experiments.data.video.video import Listing, Video, check_present, class_index


def read_lists(folder: str | Path, split: int, root: str | Path) -> Listing:
    """Read ``classInd.txt``, ``trainlist0<split>.txt`` and ``testlist0<split>.txt``.

    A line of the first is ``1 ApplyEyeMakeup``, of a list ``ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1``,
    or without the number. A video's class is its folder; the video is ``root/<folder>/<file>``.

    Args:
        folder: Of the three files (``ucfTrainTestlist``).
        split: 1, 2 or 3.
        root: Folder of the folders of classes.

    Raises:
        ValueError: If a file is missing, a line is bad (its number), or a video is not there.
    """
    folder, root = Path(folder), Path(root)
    classes = _classes(folder / "classInd.txt")
    train, test = (_videos(folder / f"{part}list0{split}.txt", classes, root) for part in ("train", "test"))
    absent = [video.footage.path for video in [*train, *test] if not video.footage.path.is_file()]
    remedy = f"the lists in '{folder}' name them; give --data.root the folder of the folders of classes"
    check_present(absent, len(train) + len(test), "videos", remedy)
    return Listing(list(classes), train, test)


def _classes(path: Path) -> dict[str, int]:
    """From the name of a class to its index: the number of its line less 1."""
    numbered: dict[str, int] = {}
    for where, line in _lines(path):
        number, _, name = line.partition(" ")
        if number != str(len(numbered) + 1) or not name.strip():
            raise ValueError(f"{where} is {line!r}; it is '{len(numbered) + 1} <name of the class>'")
        numbered[name.strip()] = len(numbered)
    return numbered


def _videos(path: Path, classes: Mapping[str, int], root: Path) -> list[Video]:
    videos = []
    for where, line in _lines(path):
        relative = Path(line.split(" ")[0])
        index = class_index(relative.parts[0], classes, where, "classInd.txt")
        if len(relative.parts) != 2 or line.split(" ")[1:] not in ([], [str(index + 1)]):
            raise ValueError(
                f"{where} is {line!r}; it is '<class>/<file of video>', and a list for training adds the "
                f"number of the class, {index + 1} for {relative.parts[0]!r}"
            )
        videos.append(Video(relative.stem, index, VideoFile(root / relative)))
    return videos


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each line that is not empty, and words that say which one it is."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ValueError(
            f"cannot read the list '{path}': {error}; the lists are in "
            "UCF101TrainTestSplits-RecognitionTask.zip of the data set's own page"
        ) from error
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield f"line {number} of '{path}'", " ".join(line.split())
