"""Data sets: digits and scenes, which need no download, and the images of the paper's experiments."""

from experiments.data.cued_scenes import CuedScenes
from experiments.data.digits import Digits
from experiments.data.images import CIFAR10, CIFAR100, CUB, FashionMNIST, ImageData, ImageNet

__all__ = ["CIFAR10", "CIFAR100", "CUB", "CuedScenes", "Digits", "FashionMNIST", "ImageData", "ImageNet"]
