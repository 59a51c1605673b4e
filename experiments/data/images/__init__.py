"""Image classification data sets in the formats that people have them in."""

from experiments.data.images.base import ImageData
from experiments.data.images.cifar import CIFAR10, CIFAR100
from experiments.data.images.cub import CUB
from experiments.data.images.fashion_mnist import FashionMNIST
from experiments.data.images.imagenet import ImageNet
from experiments.data.images.loading import BrokenImageError

__all__ = ["CIFAR10", "CIFAR100", "CUB", "BrokenImageError", "FashionMNIST", "ImageData", "ImageNet"]
