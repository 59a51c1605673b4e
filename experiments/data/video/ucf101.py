"""UCF-101, as folders of frames or as files of video."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from experiments.data.images.base import Sources, Split
from experiments.data.images.file_data import FileData
from experiments.data.images.files import EvaluationFiles, Transform
from experiments.data.images.splitting import carved
from experiments.data.video.annotations import read_annotations
from experiments.data.video.clips import CentreClip, EvenClips, RandomClip
from experiments.data.video.dataset import KINETICS, ClipTransform, Videos, centre_crop, groups, random_crop
from experiments.data.video.decoding import check_decoder
from experiments.data.video.lists import read_lists
from experiments.data.video.video import Footage, Listing
from experiments.settings import check_whole

LISTS = "ucfTrainTestlist"


class UCF101(FileData[Videos, Footage]):
    """UCF-101: 13,320 videos of 101 actions, as clips ``(B, 3, T, H, W)`` in float32 with labels ``(B,)``.

    A clip is ``frames`` frames: in training from a random place of the video, a random part of the picture,
    mirrored every other time; in validation the middle of both. A video that is too short is looped. The test
    gives ``test_clips`` evenly spaced clips of each video, ``(B, clips, 3, T, H, W)``:
    :class:`experiments.tasks.Classification` averages the probabilities over them, so that accuracy counts
    videos. Mean and deviation are those of torchvision's networks (Kinetics-400).

    Formats, for which ``annotations`` is

    - a JSON file of the 3D-ResNets framework (``ucf101_01.json``), and the frames it makes,
      ``root/<class>/<video>/image_00001.jpg``;
    - the folder of UCF-101's own lists (``ucfTrainTestlist``: ``classInd.txt``, ``trainlist01.txt``,
      ``testlist01.txt``), and the videos, ``root/<class>/v_….avi``, decoded by torchcodec (``pip install
      'gsp-nonlocal[video]'`` and FFmpeg).

    HMDB-51 and Kinetics fit in the first format, with another ``num_classes``.

    The videos kept for validation are whole groups, all clips of one recording (``…_g08_c01``, ``…_c02``):
    clips of one recording look alike, and an accuracy on them would be that of training.

    Args:
        root: Folder of the folders of classes.
        batch_size: The effective batch, in clips.
        num_workers: Loader processes.
        download: Refused: UCF-101 has to be got at its site.
        val_share: Part of the groups of the training videos kept for validation.
        val_from_test: Validate on the test videos.
        subset: Number of training videos in use; all by default.
        seed: Of split, order and augmentation.
        num_classes: Number of classes.
        image_size: Height and width of a clip.
        resize: Shorter side of the frames whose middle is taken; ``image_size`` by default, as the framework
            does (torchvision's weights are reported with 128).
        scale: Least and greatest area of a training part, of that of the frame.
        broken_share: Part of the training videos that may be broken.
        annotations: JSON file, or folder of lists; by default ``ucf101_0<split>.json`` or
            ``ucfTrainTestlist``, the first that is in ``root`` or beside it.
        split: Division into training and test, 1, 2 or 3, where ``annotations`` is no file.
        frames: Frames of a clip.
        stride: A clip takes every ``stride``-th frame.
        test_clips: Clips of a test video.

    Raises:
        ValueError: If an argument is out of range, the annotations or a video of them is not there, a video
            has fewer frames than they say, or videos cannot be decoded here.
        BrokenImageError: If too many videos are broken.
    """

    normalization = KINETICS
    kind = "video"

    def __init__(
        self,
        root: str,
        batch_size: int = 128,
        num_workers: int = 0,
        download: bool = False,
        val_share: float = 0.1,
        val_from_test: bool = False,
        subset: int | None = None,
        seed: int = 0,
        num_classes: int = 101,
        image_size: int = 112,
        resize: int | None = None,
        scale: tuple[float, float] = (0.25, 1.0),
        broken_share: float = 0.01,
        annotations: str | None = None,
        split: int = 1,
        frames: int = 16,
        stride: int = 1,
        test_clips: int = 10,
    ) -> None:
        super().__init__(
            *(root, batch_size, num_workers, download, val_share, val_from_test, subset, seed),
            *(num_classes, image_size, image_size if resize is None else resize, scale, broken_share),
        )
        check_whole("split", split, 1, 3)
        for name, value in {"frames": frames, "stride": stride, "test_clips": test_clips}.items():
            check_whole(name, value, 1)
        self.annotations, self.split = annotations, split
        self.frames, self.stride, self.test_clips = frames, stride, test_clips

    def read(self) -> Sources[Videos]:
        """Read the annotations, and look for every video."""
        place = self._annotations()
        listing = self._listing(place)
        if len(listing.classes) != self.num_classes:
            raise ValueError(
                f"'{place}' has {len(listing.classes)} classes and num_classes={self.num_classes}; give "
                f"--data.num_classes {len(listing.classes)} (and so the model), or other annotations"
            )
        return Sources(Videos(listing.train), Videos(listing.test))

    def carve(self, source: Videos) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Keep whole groups for validation."""
        group = groups(source.videos)
        _, first = np.unique(group, return_index=True)
        kept = carved(source.labels[first], self.val_share, self.seed, "groups of training videos")
        train, val = (np.flatnonzero(np.isin(group, part)) for part in kept)
        return train, val

    def dataset(self, split: Split) -> Dataset[Any]:
        """Return a split; a sample of the test is all clips of a video."""
        if split != "test":
            return super().dataset(split)
        clips = EvenClips(self.frames, self.stride, self.test_clips)
        transform = ClipTransform(clips, centre_crop(self.image_size, self.resize))
        return EvaluationFiles(self.sources.test, self.rows("test"), transform, self.normalization)

    def evaluation_batch(self, split: Split, batch_size: int) -> int:
        """As many videos as have ``batch_size`` clips, at least one."""
        return max(batch_size // self.test_clips, 1) if split == "test" else batch_size

    def random_part(self) -> Transform[Footage]:
        """A random clip, a random part of its frames."""
        return ClipTransform(RandomClip(self.frames, self.stride), random_crop(self.image_size, self.scale))

    def middle_part(self) -> Transform[Footage]:
        """The clip in the middle, the middle of its frames."""
        return ClipTransform(CentreClip(self.frames, self.stride), centre_crop(self.image_size, self.resize))

    def _listing(self, place: Path) -> Listing:
        if place.is_dir():
            check_decoder()
            return read_lists(place, self.split, self.root)
        return read_annotations(place, self.root)

    def _annotations(self) -> Path:
        """The file or the folder of the annotations, given or found."""
        name = f"ucf101_0{self.split}.json"
        if self.annotations is None:
            wanted = [self.root / name, self.root.parent / name, self.root / LISTS, self.root.parent / LISTS]
        else:
            given = Path(self.annotations).expanduser()
            wanted = [given, self.root / given]
        found = next((place for place in wanted if place.exists()), None)
        if found is None:
            looked = ", ".join(f"'{place}'" for place in wanted)
            raise ValueError(
                f"no annotations of UCF-101: looked for {looked}; give --data.annotations the JSON of the "
                f"3D-ResNets framework (frames), or the folder of {LISTS} (videos)"
            )
        return found
