"""Made slides: any division of the tiles is the same slide, labels fit the pixels, wrong numbers are told."""

import pytest
import torch

from experiments.data import LongVideos, Slides
from experiments.data.divided import own_parts
from experiments.data.scenes import PALETTE
from experiments.data.slides import SlideTiles
from experiments.data.tiles import PATCH, Tile, nuclei, paint
from experiments.tasks import SlideSegmentation


def slides(part=(0, 1), tiles=7, marked=2, side=64, split="train"):
    return SlideTiles(split, 3, tiles, side, marked, part)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_parts_of_all_processes_are_the_slide(size):
    for index in range(3):
        whole = slides()[index]
        parts = zip(*(slides((place, size))[index] for place in range(size)), strict=True)
        assert all(torch.equal(torch.cat(own), of_all) for own, of_all in zip(parts, whole, strict=True))


def test_what_is_sought_has_the_tint_of_the_marked_tiles():
    for index in range(3):
        tiles, masks = slides()[index]
        kinds = [Tile(*row) for row in tiles.tolist()]
        (sought,) = {tile.tint for tile in kinds if tile.marked}
        assert sum(tile.marked for tile in kinds) == 2
        assert masks.any()
        for tile, mask in zip(kinds, masks, strict=True):
            assert torch.equal(mask, nuclei(tile) * float(tile.tint == sought and not tile.marked))


@pytest.mark.parametrize("marked", [0, 1])
def test_a_tile_is_painted_where_its_nuclei_are(marked):
    tile = Tile(0, 0, 5, 3, tint=1, marked=marked, side=128)
    pixels, places = paint(tile), nuclei(tile).bool()
    assert torch.equal(pixels, paint(tile))
    assert not torch.equal(pixels, paint(tile._replace(number=4)))
    middles = pixels[:, PATCH // 2 :: PATCH, PATCH // 2 :: PATCH].float()
    colour, around = 191 * torch.from_numpy(PALETTE[1]), torch.full((3,), 0.0 if marked else 192.0)
    for which, expected in ((places, colour), (~places, around)):
        least = middles[:, which] - expected[:, None].floor()
        assert which.any()
        assert (least >= 0).all()
        assert (least < 64).all()


def test_splits_and_slides_differ():
    tiles = [slides(split=split)[index][0] for split in ("train", "val", "test") for index in range(3)]
    assert len({tuple(one[:, 4:6].flatten().tolist()) for one in tiles}) == len(tiles)


def test_tiles_taken_together_do_not_change_the_result():
    torch.manual_seed(0)
    task = SlideSegmentation(channels=4).double()
    tiles = slides()[0][0][None]
    found = []
    for together in (1, 3, 7):
        task.hparams["tiles_at_once"] = together
        task.zero_grad()
        logits = task(tiles)
        logits.square().sum().backward()
        found.append([logits.detach(), *(weight.grad.clone() for weight in task.backbone.parameters())])
    for other in found[1:]:
        assert all(torch.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in zip(found[0], other, strict=True))


def test_no_more_tiles_are_painted_at_once_than_wanted(monkeypatch):
    """Each of them is painted for the values, and once more for the gradient."""
    painted = []
    monkeypatch.setattr(
        "experiments.tasks.slide_segmentation.paint", lambda tile: painted.append(tile) or paint(tile)
    )
    sizes = []
    task = SlideSegmentation(channels=4, tiles_at_once=2)
    task.backbone.register_forward_pre_hook(lambda _, args: sizes.append(len(args[0])))
    task(slides()[0][0][None]).sum().backward()
    assert max(sizes) == 2
    assert len(painted) == 14


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"side": 40}, "side=40 must be a multiple of 32"),
        ({"tiles": 1}, "tiles=1 is out of range"),
        ({"tiles": 4, "marked": 4}, "marked=4 is out of range"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"train_slides": 0}, "train_slides=0"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_wrong_numbers_of_slides_are_told(wrong, words):
    with pytest.raises(ValueError, match=words):
        Slides(**wrong)


@pytest.mark.parametrize("wrong", [{"tiles_at_once": 0}, {"warmup": 1.0}, {"channels": 6}, {"order": -1}])
def test_wrong_numbers_of_the_task_are_told(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"{name}={value}"):
        SlideSegmentation(**wrong)


def test_each_process_has_a_frame_or_tile():
    assert [list(own_parts(5, (place, 2))) for place in range(2)] == [[0, 1], [2, 3, 4]]
    for data in (Slides(tiles=7, marked=1), LongVideos(frames=7)):
        with pytest.raises(ValueError, match="7 frames or tiles cannot be divided over 8 processes"):
            data.samples("train", (0, 8))
