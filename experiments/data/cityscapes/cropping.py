"""The part of a street scene that a training sees: scaled, cropped, mirrored, its colours changed."""

from typing import Any

import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import crop, pad, resize
from torchvision.tv_tensors import Mask

from experiments.data.cityscapes.classes import IGNORED

_MEAN = (124, 116, 104)  # of ImageNet, in bytes: 0 after the normalisation
_DRAWS = 10


def random_part(size: tuple[int, int], scale: tuple[float, float], most: float) -> v2.Transform:
    """A transform of ``(image, mask)`` by PyTorch's random numbers, as mmsegmentation trains on Cityscapes.

    The image is scaled by a factor drawn from ``scale``, cropped to ``size`` (an image that is smaller is
    padded with the mean colour, its labels with "ignored"), mirrored with probability 1/2, and its colours
    are changed. A crop in which one class has ``most`` of the judged pixels or more is drawn anew, ten times.
    """
    colours = v2.RandomPhotometricDistort(hue=(-0.1, 0.1))
    return v2.Compose([_Scaled(scale), _Cropped(size, most), v2.RandomHorizontalFlip(), colours])


class _Scaled(v2.Transform):
    def __init__(self, scale: tuple[float, float]) -> None:
        super().__init__()
        self._scale = scale

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        low, high = self._scale
        factor = low + (high - low) * float(torch.rand(()))
        return {"size": [max(round(factor * side), 1) for side in flat_inputs[0].shape[-2:]]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return resize(inpt, params["size"])  # the labels by their nearest neighbour


class _Cropped(v2.Transform):
    def __init__(self, size: tuple[int, int], most: float) -> None:
        super().__init__()
        self._size, self._most = size, most

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        mask: Tensor = flat_inputs[1]
        sides = [min(wanted, there) for wanted, there in zip(self._size, mask.shape, strict=True)]
        for _ in range(_DRAWS):
            box = [_place(there, side) for there, side in zip(mask.shape, sides, strict=True)] + sides
            if _largest_share(crop(mask, *box)) < self._most:
                break
        return {"box": box}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        part = crop(inpt, *params["box"])
        height, width = (wanted - side for wanted, side in zip(self._size, part.shape[-2:], strict=True))
        return pad(part, [0, 0, width, height], fill=IGNORED if isinstance(inpt, Mask) else _MEAN)


def _place(there: int, side: int) -> int:
    return int(torch.randint(there - side + 1, ()))


def _largest_share(mask: Tensor) -> float:
    """Part that the most frequent class has of the judged pixels; 1 where there are none."""
    counts = torch.bincount(mask.flatten())[:IGNORED]
    return float(counts.max() / counts.sum()) if int(counts.sum()) else 1.0
