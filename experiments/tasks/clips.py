"""Networks on several clips of a video: one answer a video."""

import math
from collections.abc import Callable

from torch import Tensor


def clip_average(network: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    r"""``log(1/n Σ_clips softmax(network(clip)))``, so that its softmax is the mean of those of the clips.

    Args:
        network: From images ``(B, C, …)`` to logits ``(B, classes)``.
        images: Clips of videos ``(B, clips, C, T, H, W)``. Anything else, such as images ``(B, C, H, W)`` and
            single clips ``(B, C, T, H, W)``, goes to the network as it is.

    Returns:
        Logits ``(B, classes)``.

    Example:
        >>> import torch
        >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 2 * 4 * 4, 5))
        >>> clip_average(network, torch.zeros(2, 10, 3, 2, 4, 4)).shape
        torch.Size([2, 5])
    """
    if images.ndim != 6:
        return network(images)
    logits = network(images.flatten(0, 1)).unflatten(0, images.shape[:2])
    return logits.log_softmax(dim=-1).logsumexp(dim=1) - math.log(images.shape[1])
