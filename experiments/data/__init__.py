"""Data sets: digits and scenes, which need no download, and those of the paper's experiments."""

from experiments.data.cityscapes import Cityscapes
from experiments.data.cued_scenes import CuedScenes
from experiments.data.digits import Digits
from experiments.data.images import CIFAR10, CIFAR100, CUB, FashionMNIST, ImageData, ImageNet
from experiments.data.long_videos import LongVideos
from experiments.data.slides import Slides
from experiments.data.video import UCF101

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "CUB",
    "UCF101",
    "Cityscapes",
    "CuedScenes",
    "Digits",
    "FashionMNIST",
    "ImageData",
    "ImageNet",
    "LongVideos",
    "Slides",
]
