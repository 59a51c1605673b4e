"""Street scenes with a class at each pixel, in the folders of Cityscapes."""

from experiments.data.cityscapes.cityscapes import Cityscapes

__all__ = ["Cityscapes"]
