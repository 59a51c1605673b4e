"""Laws of clips, and of UCF-101 in both of its formats, on made videos whose frames tell what they are."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning import Trainer
from PIL import Image
from torch import Tensor

from experiments.data import UCF101
from experiments.data.images.loading import BrokenImageError
from experiments.data.video.annotations import read_annotations
from experiments.data.video.clips import CentreClip, Choice, EvenClips, RandomClip
from experiments.data.video.dataset import KINETICS, ClipTransform, groups, random_crop
from experiments.data.video.decoding import check_decoder
from experiments.data.video.lists import read_lists
from experiments.tasks import Classification
from tests.experiments.made_video import CLASSES, brightness, write_frames, write_videos

SMALL = {"num_classes": 3, "image_size": 16, "frames": 4, "test_clips": 3, "val_share": 0.25, "batch_size": 6}
LENGTHS = [(40, 4, 1), (40, 4, 3), (7, 4, 2), (7, 4, 3), (4, 4, 1), (3, 4, 1), (1, 4, 2)]


def decoder_missing() -> str:
    try:
        check_decoder()
    except ValueError as error:
        return str(error)
    return ""


MISSING = decoder_missing()
needs_decoder = pytest.mark.skipif(bool(MISSING), reason=MISSING or "none")
FORMATS = ["frames", pytest.param("videos", marks=needs_decoder)]


@pytest.fixture(scope="module")
def roots(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("ucf")
    return {"frames": write_frames(folder / "frames"), "videos": write_videos(folder / "videos")}


@pytest.fixture
def make(roots) -> Callable[..., UCF101]:
    return lambda name, **more: UCF101(str(roots[name]), **(SMALL | more))


@pytest.fixture
def copied(roots, tmp_path) -> Path:
    """Frames that a test may spoil."""
    return shutil.copytree(roots["frames"], tmp_path / "spoilt")


def shown(clips: Tensor, labels: Tensor) -> Tensor:
    """The numbers of the frames that flat clips ``(B, …, 3, T, H, W)`` show, ``(B, …, T)``."""
    mean, deviation = (torch.tensor(values)[:, None, None, None] for values in KINETICS)
    grey = 255 * (clips * deviation + mean)
    assert (grey.amax((-4, -2, -1)) - grey.amin((-4, -2, -1))).max() < 3
    first = torch.tensor([brightness(label, 0) for label in labels.tolist()])
    numbers = (grey.mean((-4, -2, -1)) - first.view(-1, *[1] * (clips.ndim - 4))) / 4
    assert (numbers - numbers.round()).abs().max() < 0.45
    return numbers.round().long()


@pytest.mark.parametrize(("length", "frames", "stride"), LENGTHS)
@pytest.mark.parametrize("kind", [RandomClip, CentreClip, EvenClips])
def test_a_clip_is_equally_spaced_frames_of_the_video_looped_if_it_is_short(kind, length, frames, stride):
    clip = torch.atleast_2d(kind(frames, stride)(length))
    assert clip.shape[-1] == frames and clip.min() >= 0 and clip.max() < length
    assert (clip.diff(dim=-1).remainder(length) == stride % length).all()
    if (frames - 1) * stride < length:
        assert (clip.diff(dim=-1) == stride).all()


@pytest.mark.parametrize(("length", "frames", "stride"), LENGTHS)
def test_clips_lie_where_they_should(length, frames, stride):
    latest = max(length - (frames - 1) * stride - 1, 0)
    drawn = {int(RandomClip(frames, stride)(length)[0]) for _ in range(40 * (latest + 1))}
    assert drawn == set(range(latest + 1))
    assert CentreClip(frames, stride)(length)[0] == latest // 2
    begins = EvenClips(frames, stride, clips=5)(length)[:, 0]
    assert begins[0] == 0 and begins[-1] == latest and begins.diff().max() - begins.diff().min() <= 1
    assert torch.equal(EvenClips(frames, stride, clips=1)(length)[0], CentreClip(frames, stride)(length))


@dataclass(frozen=True)
class Still:
    """The same picture ``length`` times."""

    picture: Tensor
    length: int = 9
    path: Path = Path("still")

    def read(self, choose: Choice) -> tuple[Tensor, Tensor]:
        wanted, places = choose(self.length).unique(return_inverse=True)
        return self.picture.expand(len(wanted), *self.picture.shape), places


def test_all_frames_of_a_clip_are_cropped_and_mirrored_alike_and_clips_are_not():
    torch.manual_seed(0)
    picture = torch.randint(0, 256, (3, 24, 32), dtype=torch.uint8)
    transform = ClipTransform(RandomClip(12), random_crop(8, (0.25, 1.0)))
    clips = [transform(Still(picture)) for _ in range(20)]
    assert all(clip.shape == (12, 3, 8, 8) and (clip == clip[0]).all() for clip in clips)
    assert len({clip.numpy().tobytes() for clip in clips}) > 15
    ramp = torch.arange(32, dtype=torch.uint8).expand(3, 24, 32)
    slopes = [int(transform(Still(ramp))[0, 0, 0].int().diff().sum().sign()) for _ in range(40)]
    assert set(slopes) == {-1, 1}


def test_normalisation_is_by_channel_and_puts_the_channels_before_the_time():
    frames = torch.randint(0, 256, (2, 5, 3, 4, 6), dtype=torch.uint8)
    for batch in (frames, frames[:, None].expand(2, 7, 5, 3, 4, 6)):
        clips = KINETICS(batch)
        assert clips.dtype == torch.float32 and clips.shape[-4:] == (3, 5, 4, 6)
        red = (batch[..., 3, 0, :, :] / 255 - 0.43216) / 0.22803
        assert torch.allclose(clips[..., 0, 3, :, :], red, atol=1e-6)


def test_both_formats_name_the_same_videos_with_the_same_classes(roots):
    frames = read_annotations(roots["frames"] / "ucf101_01.json", roots["frames"])
    videos = read_lists(roots["videos"] / "ucfTrainTestlist", 1, roots["videos"])
    assert tuple(frames.classes) == tuple(videos.classes) == CLASSES
    for one, other in ((frames.train, videos.train), (frames.test, videos.test)):
        assert [(video.name, video.label) for video in one] == [(video.name, video.label) for video in other]
        assert all(video.footage.path.parent.name == CLASSES[video.label] for video in [*one, *other])
    assert (len(frames.train), len(frames.test)) == (24, 12)


@pytest.mark.parametrize("name", FORMATS)
def test_loaders_give_clips_that_show_frames_of_their_class(make, name):
    data = make(name)
    images, labels = next(iter(data.train_dataloader()))
    assert images.shape == (6, 3, 4, 16, 16) and images.dtype == torch.float32 and labels.dtype == torch.int64
    assert (shown(images, labels).diff(dim=-1) == 1).all()
    images, labels = next(iter(data.val_dataloader()))
    rows = data.rows("val")
    lengths = [len(list(Path(data.sources.train.path(row)).glob("*.jpg"))) for row in rows]
    if name == "frames":
        assert shown(images, labels)[:, 0].tolist() == [(length - 4) // 2 for length in lengths]
    images, labels = next(iter(data.test_dataloader()))
    assert images.shape == (2, 3, 3, 4, 16, 16) and labels.tolist() == data.sources.test.labels[:2].tolist()
    assert shown(images, labels)[..., 0].tolist() == [[0, 1, 3], [0, 2, 4]]


@needs_decoder
def test_a_decoded_video_shows_what_its_frames_show(make):
    frames, videos = make("frames"), make("videos")
    for one, other in zip(frames.test_dataloader(), videos.test_dataloader(), strict=True):
        assert torch.equal(one[1], other[1]) and (one[0] - other[0]).abs().max() < 0.04
    assert all(np.array_equal(frames.rows(split), videos.rows(split)) for split in ("train", "val", "test"))


def test_validation_is_whole_groups_of_each_class(make):
    data = make("frames")
    group = groups(data.sources.train.videos)
    train, val = data.rows("train"), data.rows("val")
    assert not set(group[train]) & set(group[val]) and len(train) + len(val) == len(group) == 24
    assert np.bincount(data.sources.train.labels[val]).tolist() == [2, 2, 2]
    assert sorted(np.bincount(group)) == [2] * 12
    with pytest.raises(ValueError, match=r"val_share=0.01 of 12 groups of training videos"):
        make("frames", val_share=0.01).rows("val")
    assert not np.array_equal(val, make("frames", seed=3).rows("val"))


def test_videos_of_other_names_are_groups_of_their_own(make):
    video = make("frames").sources.train.videos[0]
    others = [type(video)(name, label, video.footage) for name, label in (("abc", 0), ("abd", 0), ("abc", 1))]
    assert len(set(groups(others))) == 3


def test_a_clip_is_a_function_of_seed_epoch_and_index(make):
    first, again = (make("frames").dataset("train") for _ in range(2))
    torch.manual_seed(5)
    state = torch.get_rng_state()
    clips = [first[epoch, index][0] for epoch in (0, 1) for index in range(6)]
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    assert all(torch.equal(again[place // 6, place % 6][0], clip) for place, clip in enumerate(clips))
    other = make("frames", seed=1, val_from_test=True).dataset("train")
    same = make("frames", val_from_test=True).dataset("train")
    begins = [[int(64 * data[0, index][0].mean()) for index in range(24)] for data in (other, same)]
    assert begins[0] != begins[1]


def spoil(root: Path, split: str, data: UCF101) -> Path:
    """Empty every frame of one video."""
    folder = Path(data.sources.train.path(int(data.rows(split)[0])))
    for file in folder.iterdir():
        file.write_bytes(b"")
    return folder


def test_a_broken_frame_is_passed_over_in_training_up_to_the_share(copied, caplog):
    data = UCF101(str(copied), **(SMALL | {"broken_share": 0.1}))
    folder = spoil(copied, "train", data)
    assert sum(len(labels) for _, labels in data.train_dataloader()) == 18
    assert f"training video '{folder}'" in caplog.text and "1 of 1 let pass" in caplog.text
    with pytest.raises(
        BrokenImageError, match=r"1 of 18 training videos cannot be read.*image_0000\d.jpg: it is empty"
    ):
        list(UCF101(str(copied), **SMALL).train_dataloader())


def test_a_broken_frame_ends_a_validation(copied):
    data = UCF101(str(copied), **(SMALL | {"broken_share": 0.5}))
    folder = spoil(copied, "val", data)
    with pytest.raises(BrokenImageError, match=f"{folder.name}.*image_0000.*it is empty"):
        list(data.val_dataloader())


def test_frames_of_two_sizes_are_a_broken_video(copied):
    data = UCF101(str(copied), **SMALL)
    folder = Path(data.sources.test.path(0))
    Image.new("RGB", (20, 20)).save(folder / "image_00003.jpg")
    told = r"image_00003.jpg is of 20×20 pixels and image_00001.jpg of 32×24"
    with pytest.raises(BrokenImageError, match=told):
        list(data.test_dataloader())


@needs_decoder
def test_a_file_that_is_no_video_is_broken(roots, tmp_path):
    root = shutil.copytree(roots["videos"], tmp_path / "spoilt")
    data = UCF101(str(root), **SMALL)
    Path(data.sources.test.path(0)).write_bytes(b"RIFF no video at all")
    with pytest.raises(BrokenImageError, match=r"v_ApplyEyeMakeup_g01_c01.avi' cannot be read"):
        list(data.test_dataloader())


def test_annotations_without_segments_count_the_frames_of_the_folder(copied):
    whole = UCF101(str(copied), **SMALL).sources.test.videos
    path = copied / "ucf101_01.json"
    content = json.loads(path.read_text())
    for entry in content["database"].values():
        del entry["annotations"]["segment"]
    path.write_text(json.dumps(content))
    assert UCF101(str(copied), **SMALL).sources.test.videos == whole


def test_the_annotations_may_be_beside_root_or_named(roots, tmp_path):
    inside = shutil.copytree(roots["frames"], tmp_path / "jpg")
    (inside / "ucf101_01.json").rename(tmp_path / "ucf101_01.json")
    found = UCF101(str(inside), **SMALL).sources.train.labels
    shutil.move(tmp_path / "ucf101_01.json", tmp_path / "mine.json")
    named = UCF101(str(inside), annotations=str(tmp_path / "mine.json"), **SMALL).sources.train.labels
    assert np.array_equal(found, named) and len(found) == 24


def test_a_network_is_trained_on_clips_and_tested_on_videos(make):
    """Top-1 counts each of the 12 test videos once, by the mean of the probabilities of its clips."""
    data = make("frames", test_clips=2)
    task = Classification(
        "r3d_18", num_classes=3, in_channels=3, image_size=16, layers=[3], learning_rate=1e-3
    )
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = Trainer(
        max_steps=1, limit_val_batches=1, enable_model_summary=False, accelerator="cpu", **quiet
    )
    trainer.fit(task, data)
    assert trainer.global_step == 1
    accuracy = trainer.test(task, data, verbose=False)[0]["test/accuracy"]
    hits = []
    task.eval()
    with torch.no_grad():
        for clips, labels in data.test_dataloader():
            each = torch.stack([task(clip).softmax(-1) for clip in clips.unbind(1)])
            hits += (each.mean(0).argmax(-1) == labels).tolist()
    assert len(hits) == 12 and accuracy == pytest.approx(sum(hits) / 12)
