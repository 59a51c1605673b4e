"""What stands where a position of an image is taken away."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from filters.operators.linear import require_real_floating


def mean_color(images: Tensor) -> Tensor:
    r"""``x̄_c = 1/(H W) Σ_p x_cp`` at every position, channel by channel: ``(B, C, H, W)``.

    Args:
        images: ``(B, C, H, W)``, real floating-point.

    Raises:
        TypeError: if images are not real floating-point.
        ValueError: for another number of dimensions, or no pixel.

    References:
        Petsiuk, Das, Saenko (2018), *RISE*, for curves of deletion. Deviation: the mean of each channel takes
        the place of deleted pixels, where they put 0.

    Example:
        >>> import torch
        >>> mean_color(torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]]))
        tensor([[[[1.5000, 1.5000],
                  [1.5000, 1.5000]]]])
    """
    return _require_images(images).mean(dim=(-2, -1), keepdim=True).expand_as(images)


def blurred(images: Tensor) -> Tensor:
    """The images without what is smaller than about an eighth of them, ``(B, C, H, W)``.

    A box of ``2 ⌊H/16⌋ + 1`` by ``2 ⌊W/16⌋ + 1`` pixels, at least 3 by 3, three times, which is close to a
    Gaussian; borders are means of the pixels that are there.

    Args:
        images: ``(B, C, H, W)``, real floating-point.

    Raises:
        TypeError: if images are not real floating-point.
        ValueError: for another number of dimensions, or no pixel.

    References:
        Petsiuk, Das, Saenko (2018), *RISE*, whose insertion begins with blurred images. Deviation: three
        boxes in place of a Gaussian.

    Example:
        >>> import torch
        >>> bool((blurred(torch.ones(1, 3, 32, 48)) == 1).all())
        True
    """
    reach = [max(1, size // 16) for size in _require_images(images).shape[-2:]]
    for _ in range(3):
        images = functional.avg_pool2d(
            images, [2 * r + 1 for r in reach], stride=1, padding=reach, count_include_pad=False
        )
    return images


def _require_images(images: Tensor) -> Tensor:
    require_real_floating(images, "images")
    if images.dim() != 4 or 0 in images.shape[1:]:
        one = "; of one image give images.unsqueeze(0)" if images.dim() == 3 else ""
        raise ValueError(f"images are (B, C, H, W) of at least one pixel, got {tuple(images.shape)}{one}")
    return images
