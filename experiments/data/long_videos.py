"""Long videos for segmentation across frames, made of cued scenes; each process has some of the frames."""

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from experiments.data.divided import DividedData, Part, own_parts
from experiments.data.samples import SIDE, Split
from experiments.data.scenes import FRAME_SIDE, Cue, Scene, Scenes
from experiments.settings import check_whole


class Videos(Dataset[tuple[Tensor, Tensor]]):
    """``(clip (3, F, H, H), mask (F, H, H))``: the digits of a scene, each in a frame of its own.

    The framed cue is in one frame and its match in another: which digit is meant, no frame tells alone.
    Other frames are empty.

    Args:
        scenes: The digits; one scene a video.
        frames: Number of frames ``F`` of a whole video, at least as many as there are digits.
        canvas: Height and width ``H`` of a frame in pixels.
        part: Number of the process and of processes: frames ``F · i / P`` to ``F · (i + 1) / P`` are given.

    Raises:
        ValueError: If there are fewer frames than processes.
    """

    def __init__(self, scenes: Scenes, frames: int, canvas: int, part: Part) -> None:
        self.scenes, self.frames, self.canvas = scenes, frames, canvas
        self._own = own_parts(frames, part)

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        layout = self.scenes.layout(index)
        rng = np.random.Generator(np.random.Philox(key=index))
        items = rng.permutation(self.frames)  # of a frame; there are fewer digits than numbers
        corners = rng.integers(1, self.canvas - SIDE, size=layout.corners.shape)  # with room for the frame
        shown = [self._frame(layout._replace(corners=corners), items[frame]) for frame in self._own]
        images, masks = zip(*shown, strict=True)
        return torch.stack(images, dim=1), torch.stack(masks)

    def _frame(self, layout: Scene, item: int) -> tuple[Tensor, Tensor]:
        image = np.zeros((3, self.canvas, self.canvas), dtype=np.float32)
        mask = np.zeros((self.canvas, self.canvas), dtype=np.float32)
        if item < len(layout.tints):
            self.scenes.paint(layout, item, image, mask)
        return torch.from_numpy(image), torch.from_numpy(mask)


class LongVideos(DividedData):
    """Batches of :class:`Videos`: clips ``(B, 3, F, H, H)``, masks ``(B, F, H, H)``, divided by frames.

    All processes of a training see the same videos, and each its own frames, in any division: set
    ``trainer.use_distributed_sampler`` to ``false``.

    Args:
        cue: ``"colour"`` or ``"class"``: what cue and match share.
        frames: Number of frames ``F``; at least as many as there are processes.
        canvas: Height and width ``H`` of a frame in pixels.
        train_videos: Number of training videos; an epoch.
        eval_videos: Number of validation videos, and of test videos.
        batch_size: Videos a batch.
        seed: Seed of the training videos.

    Raises:
        ValueError: If a number is out of range, or there are fewer frames than processes.
    """

    def __init__(
        self,
        cue: Cue = "colour",
        frames: int = 8,
        canvas: int = 14,
        train_videos: int = 6400,
        eval_videos: int = 64,
        batch_size: int = 8,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, seed)
        check_whole("frames", frames, 5)
        check_whole("canvas", canvas, FRAME_SIDE)
        lengths: dict[Split, int] = {"train": train_videos, "val": eval_videos, "test": eval_videos}
        self.scenes = {
            split: Scenes(split, length, cue=cue, seed=seed if split == "train" else 0)
            for split, length in lengths.items()
        }
        self._video = frames, canvas

    def samples(self, split: Split, part: Part) -> Videos:
        """The videos of a split, with the frames of one process."""
        return Videos(self.scenes[split], *self._video, part)
