"""Training batches are functions of seed, epoch and index alone, and augmented as the authors do."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from PIL import Image
from torchvision import transforms
from torchvision.transforms import functional

from experiments.data import CIFAR10, FashionMNIST, ImageNet
from experiments.data.batches import divided
from experiments.data.images.random_draws import seeded, table
from experiments.data.resumable import epoch_order
from tests.experiments import made


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """Data modules on small sets."""
    root = tmp_path_factory.mktemp("made")
    for write in (made.write_cifar10, made.write_fashion_mnist, made.write_imagenet_folders):
        write(root)
    small = {"num_classes": 3, "image_size": 24, "resize": 28, "val_from_test": True}
    options = {CIFAR10: {}, FashionMNIST: {}, ImageNet: small}
    return lambda kind, **more: kind(str(root), **({"batch_size": 4} | options[kind] | more))


def part_of(world_size: int, rank: int, accumulate: int) -> SimpleNamespace:
    """What a data module asks of the trainer of a process."""
    return SimpleNamespace(
        world_size=world_size,
        global_rank=rank,
        accumulate_grad_batches=accumulate,
        callbacks=[],
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
    )


def epoch(loader, number: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    loader.sampler.set_epoch(number)
    return list(loader)


def equal(one, two) -> bool:
    return len(one) == len(two) and all(
        torch.equal(a, b) for pair in zip(one, two, strict=True) for a, b in zip(*pair, strict=True)
    )


@pytest.mark.parametrize("kind", [CIFAR10, FashionMNIST])
def test_crops_and_mirrorings_are_those_of_torchvision_at_the_drawn_places(make, kind):
    data = make(kind, seed=3)
    rows, source = data.rows("train"), data.sources.train
    steps = [transforms.ToTensor(), transforms.Normalize(*data.normalization)]
    normal, size = transforms.Compose(steps), data.image_size
    for epoch_number, index in ((0, 0), (0, 7), (1, 7), (5, 89)):
        image, label = data.dataset("train")[epoch_number, index]
        top, left, mirrored = table(3, epoch_number, len(source.labels), (9, 9, 2))[rows[index]]
        pixels = source.images[rows[index]].transpose(1, 2, 0)
        padded = functional.pad(Image.fromarray(pixels.squeeze()), 4)
        expected = functional.crop(padded, int(top), int(left), size, size)
        assert torch.equal(image, normal(functional.hflip(expected) if mirrored else expected))
        assert label == source.labels[rows[index]]


def test_places_and_mirrorings_are_uniform_and_independent():
    """162 outcomes, 400 of each expected: chi-squared within five deviations."""
    drawn = table(0, 0, 162 * 400, (9, 9, 2))
    counts = np.bincount(np.ravel_multi_index(drawn.T, (9, 9, 2)), minlength=162)
    statistic = ((counts - 400) ** 2 / 400).sum()
    assert abs(statistic - 161) < 5 * np.sqrt(2 * 161)


def test_draws_differ_by_seed_and_epoch_and_do_not_depend_on_the_length():
    one = table(1, 2, 50, (9, 9, 2))
    assert np.array_equal(one, table(1, 2, 80, (9, 9, 2))[:50])
    for other in (table(1, 3, 50, (9, 9, 2)), table(2, 2, 50, (9, 9, 2)), table(2, 1, 50, (9, 9, 2))):
        assert (one == other).all(axis=1).mean() < 0.1


def test_random_parts_are_those_of_the_authors_transforms(make):
    data = make(ImageNet, seed=4)
    crop = transforms.RandomResizedCrop(24, scale=(0.08, 1.25))
    normalize = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    theirs = transforms.Compose([crop, transforms.RandomHorizontalFlip(), transforms.ToTensor(), normalize])
    images = []
    for epoch_number in range(4):
        image, label = data.dataset("train")[epoch_number, 9]
        with seeded(4, epoch_number, int(data.rows("train")[9])):
            expected = theirs(Image.open(data.sources.train.path(9)).convert("RGB"))
        assert torch.equal(image, expected) and label == 1
        images.append(image)
    assert not any(torch.equal(images[0], image) for image in images[1:])


def test_parts_of_a_scale_above_one_are_never_larger_than_the_image():
    crop = transforms.RandomResizedCrop(24, scale=(0.08, 1.25))
    image = Image.new("RGB", (60, 40))
    torch.manual_seed(0)
    parts = np.array([crop.get_params(image, crop.scale, crop.ratio) for _ in range(300)])
    top, left, height, width = parts.T
    assert (top + height <= 40).all() and (left + width <= 60).all() and (parts >= 0).all()
    areas = height * width / 2400
    assert areas.min() < 0.15 and areas.max() > 0.85


@pytest.mark.parametrize("kind", [CIFAR10, ImageNet])
def test_batches_do_not_depend_on_the_processes_and_leave_the_generators_alone(make, kind):
    loaders = [make(kind, num_workers=workers).train_dataloader() for workers in (0, 2)]
    torch.manual_seed(7), np.random.seed(7), random.seed(7)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    epochs = [[epoch(loader, number) for number in range(2)] for loader in loaders]
    for number in range(2):
        assert equal(epochs[0][number], epochs[1][number])
    assert not equal(epochs[0][0], epochs[0][1])
    assert torch.equal(before[0], torch.get_rng_state()) and before[2] == random.getstate()
    assert before[1] == np.random.get_state()[1].tolist()


@pytest.mark.parametrize("kind", [CIFAR10, ImageNet])
def test_a_resumed_epoch_goes_on_with_the_same_batches(make, kind):
    whole = epoch(make(kind).train_dataloader(), 3)
    stopped = make(kind).train_dataloader()
    stopped.sampler.set_epoch(3)
    running = iter(stopped)
    begun = [next(running) for _ in range(2)]
    resumed = make(kind).train_dataloader()
    resumed.load_state_dict(stopped.state_dict())
    assert equal(begun + list(resumed), whole)


@pytest.mark.parametrize(("world_size", "accumulate"), [(2, 1), (1, 2), (2, 2), (4, 2)])
def test_a_step_sees_the_same_images_however_it_is_divided(make, world_size, accumulate):
    """Ninety images in steps of 16: five steps, the rest of ten images is dropped."""
    steps = [
        set(map(_pixels, images)) for images, _ in epoch(make(CIFAR10, batch_size=16).train_dataloader(), 1)
    ]
    found = [set() for _ in steps]
    for rank in range(world_size):
        data = make(CIFAR10, batch_size=16)
        data.trainer = part_of(world_size, rank, accumulate)
        batches = epoch(data.train_dataloader(), 1)
        assert len(batches) == len(steps) * accumulate == 5 * accumulate
        for number, (images, _) in enumerate(batches):
            assert len(images) == 16 // world_size // accumulate
            found[number // accumulate] |= set(map(_pixels, images))
    assert found == steps and all(len(step) == 16 for step in steps)


def _pixels(image: torch.Tensor) -> bytes:
    return image.numpy().tobytes()


def test_an_epoch_sees_each_image_once_in_the_order_of_the_epoch(make):
    data = make(CIFAR10, batch_size=9, seed=5)
    labels = torch.cat([labels for _, labels in epoch(data.train_dataloader(), 2)])
    rows = data.rows("train")[epoch_order(90, 5, 2).numpy()]
    assert labels.tolist() == data.sources.train.labels[rows].tolist()


def test_the_effective_batch_is_said_once_and_kept(make, capsys):
    data = make(CIFAR10, batch_size=24)
    data.trainer = part_of(2, 0, 3)
    assert data.train_dataloader().batch_size == data.train_dataloader().batch_size == 4
    assert data.val_dataloader().batch_size == 4
    said = capsys.readouterr().out
    assert said == (
        "CIFAR10: 90 train, 10 val, 30 test images; effective batch size 24 = 2 processes × 3 accumulated "
        "batches × 4\n"
    )


def test_a_batch_that_does_not_divide_or_changes_is_refused():
    with pytest.raises(ValueError, match=r"batch_size=10 .*2 processes × 2 .* choose 8 or 12, or other"):
        divided(10, part_of(2, 0, 2))
    with pytest.raises(ValueError, match=r"batch_size=3 .* choose 4, or other"):
        divided(3, part_of(2, 0, 2))
    quiet = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
    trainer = Trainer(accelerator="cpu", callbacks=[GradientAccumulationScheduler({0: 1, 4: 2})], **quiet)
    with pytest.raises(ValueError, match=r"schedule \{0: 1, 4: 2\} gives a batch that changes"):
        divided(8, trainer)


class Linear(LightningModule):
    """The least network; keeps what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3 * 32 * 32, 10)
        self.seen: list[tuple[int, ...]] = []

    def training_step(self, batch, batch_idx):
        images, labels = batch
        self.seen.append(tuple(images.shape))
        return torch.nn.functional.cross_entropy(self.layer(images.flatten(1)), labels)

    def validation_step(self, batch, batch_idx):
        self.training_step(batch, batch_idx)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 1e-3)


def test_a_trainer_makes_whole_steps_of_accumulated_batches(make, tmp_path):
    data, model = make(CIFAR10, batch_size=16, val_from_test=True), Linear()
    quiet = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
    settings = {"accumulate_grad_batches": 2, "max_epochs": 2, "num_sanity_val_steps": 0}
    trainer = Trainer(accelerator="cpu", default_root_dir=tmp_path, **quiet, **settings)
    trainer.fit(model, data)
    assert trainer.global_step == 2 * (100 // 16)
    assert model.seen.count((8, 3, 32, 32)) >= 24 and {shape[1:] for shape in model.seen} == {(3, 32, 32)}
