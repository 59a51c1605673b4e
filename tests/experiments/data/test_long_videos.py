"""Long videos: what their frames show, however they are divided."""

import pytest
import torch

from experiments.data import LongVideos
from experiments.tasks import VideoSegmentation


def test_the_match_has_the_tint_of_the_framed_digit_and_each_digit_a_frame():
    videos = LongVideos(train_videos=8).samples("train", (0, 1))
    for clip, mask in (videos[index] for index in range(len(videos))):
        assert (clip.shape, mask.shape) == ((3, 8, 14, 14), (8, 14, 14))
        shown = clip.amax(dim=(0, 2, 3)) > 0
        assert shown.sum() == 5
        (cue,) = (clip == 1).all(dim=0).flatten(1).any(dim=1).nonzero().flatten().tolist()  # the white frame
        (match,) = mask.flatten(1).any(dim=1).nonzero().flatten().tolist()
        assert cue != match
        coloured = (clip[:, cue] > 0) & (clip[:, cue] < 1).any(dim=0)
        assert torch.equal(tint(clip[:, cue] * coloured), tint(clip[:, match]))
        others = [frame for frame in shown.nonzero().flatten().tolist() if frame not in (cue, match)]
        assert not any(torch.equal(tint(clip[:, other]), tint(clip[:, match])) for other in others)


def tint(frame: torch.Tensor) -> torch.Tensor:
    """Of the digit in a frame, to a hundredth of its strongest channel."""
    strongest = frame.flatten(1).amax(dim=1)
    return (strongest / strongest.max() * 100).round()


def test_parts_are_those_of_the_whole():
    data = LongVideos(train_videos=2)
    clip, mask = data.samples("train", (0, 1))[1]
    parts = [data.samples("train", (place, 3))[1] for place in range(3)]
    assert torch.equal(torch.cat([part[0] for part in parts], dim=1), clip)
    assert torch.equal(torch.cat([part[1] for part in parts]), mask)


@pytest.mark.parametrize("wrong", [{"frames": 4}, {"canvas": 9}, {"batch_size": 0}])
def test_wrong_numbers_of_videos_are_told(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"{name}={value}"):
        LongVideos(**wrong)


@pytest.mark.parametrize("wrong", [{"warmup": 1.0}, {"channels": 6}, {"learning_rate": 0.0}])
def test_wrong_numbers_of_the_task_are_told(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"{name}={value}"):
        VideoSegmentation(**wrong)
