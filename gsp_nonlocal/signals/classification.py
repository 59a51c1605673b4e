"""Labels of all nodes from those of a few."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from filters.checks import require_tensor
from gsp_nonlocal.shifts import ShiftOperator, as_shift
from gsp_nonlocal.signals.interpolation import interpolate
from gsp_nonlocal.signals.known import known_nodes


class Classification(NamedTuple):
    """What :func:`classify` finds.

    Attributes:
        labels: ``(B, N)``, int64.
        scores: ``(B, N, K)``, one a class; differentiable in the shift.

    Example:
        >>> pair = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        >>> mask = torch.tensor([True, False, False, True])
        >>> found = classify(torch.tensor([0, -1, -1, 1]), mask, torch.block_diag(pair, pair))
        >>> found.labels, found.scores.shape
        (tensor([[0, 0, 1, 1]]), torch.Size([1, 4, 2]))
    """

    labels: Tensor
    scores: Tensor


def classify(
    labels: Tensor, mask: Tensor, shift: ShiftOperator | Tensor, alpha: float = 0.0
) -> Classification:
    r"""``argmax_k Y_ik`` with ``Y = argmin ‖M (Y − T)‖² + α tr(Yᵀ L Y)`` and ``T`` one-hot labels.

    Each class is a signal, 1 at its known nodes and 0 at the known ones of other classes, which
    :func:`interpolate` fills in. Of equal scores the first class counts.

    Args:
        labels: classes ``0 … K − 1`` of the nodes, ``(N,)`` or ``(B, N)``, integers; what stands outside the
            mask is not read. ``K − 1`` is the greatest under the mask.
        mask: ``(N,)`` or ``(B, N)``, boolean: the nodes that are known.
        shift: a symmetric shift, or a plain tensor.
        alpha: ``α ≥ 0``; with 0, known nodes keep their labels.

    Raises:
        TypeError: if labels are not integers.
        ValueError: for labels of another shape, or a negative one under the mask; and as :func:`interpolate`.

    References:
        Zhu, Ghahramani, Lafferty (2003). As PyGSP's ``classification_tikhonov``.

    Example:
        >>> pair = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        >>> shift = torch.block_diag(pair, pair)
        >>> mask = torch.tensor([True, False, False, True])
        >>> classify(torch.tensor([0, -1, -1, 1]), mask, shift).labels
        tensor([[0, 0, 1, 1]])
    """
    shift = as_shift(shift)
    known = known_nodes(mask, shift.shape[-1])[..., 0]
    classes = _known_classes(labels, known)
    one_hot = functional.one_hot(classes).to(shift.dtype)
    scores = interpolate(one_hot, mask, shift, alpha)
    return Classification(scores.argmax(dim=-1), scores)


def _known_classes(labels: Tensor, known: Tensor) -> Tensor:
    """Labels ``(B, N)``, 0 where nothing is known."""
    kind = require_tensor("labels", labels).dtype
    if kind.is_floating_point or kind.is_complex or kind == torch.bool:
        raise TypeError(f"labels are integers, got {kind}; convert them with .long()")
    if labels.dim() not in (1, 2) or labels.shape[-1] != known.shape[-1]:
        size = known.shape[-1]
        raise ValueError(f"labels have shape ({size},) or (B, {size}), got {tuple(labels.shape)}")
    classes = labels.reshape(-1, labels.shape[-1]).long().where(known, 0)
    if int(classes.min()) < 0:
        raise ValueError(f"label {int(classes.min())} under the mask is negative; classes count from 0")
    return classes
