"""Labels of all nodes from those of a few."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from filters.checks import require_flag, require_tensor
from gsp_nonlocal.shifts import ShiftOperator, as_shift
from gsp_nonlocal.signals.interpolation import interpolate
from gsp_nonlocal.signals.known import known_nodes, undirected
from gsp_nonlocal.signals.simplex import SimplexEnergy, least_on_simplex


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
    labels: Tensor,
    mask: Tensor,
    shift: ShiftOperator | Tensor,
    alpha: float = 0.0,
    *,
    simplex: bool = False,
) -> Classification:
    r"""``argmax_k Y_ik`` with ``Y = argmin ‖M (Y − T)‖² + α tr(Yᵀ L Y)`` and ``T`` one-hot labels.

    Each class is a signal, 1 at its known nodes and 0 at the known ones of other classes, which
    :func:`interpolate` fills in. Of equal scores the first class counts.

    With ``simplex=True`` the minimum is over ``Y`` whose rows are probabilities: ``Y_ik ≥ 0``,
    ``Σ_k Y_ik = 1``. Of a combinatorial Laplacian with positive weights they are so without it (``L 1 = 0``,
    and a maximum principle); of a normalised one, where nodes of small degree have small scores, they are
    not. Accelerated projected gradients find which scores are 0, one linear system then gives the others;
    products with ``S`` alone, to a duality gap of ``1e-13 N`` of the energy.

    Args:
        labels: classes ``0 … K − 1`` of the nodes, ``(N,)`` or ``(B, N)``, integers; what stands outside the
            mask is not read. ``K − 1`` is the greatest under the mask.
        mask: ``(N,)`` or ``(B, N)``, boolean: the nodes that are known.
        shift: a symmetric shift, or a plain tensor.
        alpha: ``α ≥ 0``; with 0, known nodes keep their labels.
        simplex: whether scores are to be probabilities.

    Returns:
        Labels and scores, the scores differentiable in the shift (with ``simplex`` where their zeros stay).

    Raises:
        TypeError: if labels are not integers, or ``simplex`` is neither ``True`` nor ``False``.
        ValueError: for labels of another shape, or a negative one under the mask; and as :func:`interpolate`;
            with ``simplex`` where an eigenvalue of ``S`` exceeds 1.
        ConvergenceError: if an iteration does not converge.

    References:
        Zhu, Ghahramani, Lafferty (2003). As PyGSP's ``classification_tikhonov``, and
        ``classification_tikhonov_simplex``; for its minimum Beck, Teboulle (2009), *A Fast Iterative
        Shrinkage-Thresholding Algorithm for Linear Inverse Problems*.

    Example:
        >>> pair = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        >>> shift = torch.block_diag(pair, pair)
        >>> mask = torch.tensor([True, False, False, True])
        >>> classify(torch.tensor([0, -1, -1, 1]), mask, shift).labels
        tensor([[0, 0, 1, 1]])
        >>> classify(torch.tensor([0, -1, -1, 1]), mask, shift, 0.5, simplex=True).scores.sum(-1)
        tensor([[1., 1., 1., 1.]])
    """
    require_flag("simplex", simplex)
    shift = as_shift(shift)
    known = known_nodes(mask, shift.shape[-1])[..., 0]
    classes = _known_classes(labels, known)
    one_hot = functional.one_hot(classes).to(shift.dtype)
    if simplex:
        scores = _probabilities(one_hot.double(), mask, shift, alpha)
    else:
        scores = interpolate(one_hot, mask, shift, alpha)
    return Classification(scores.argmax(dim=-1), scores)


def _probabilities(one_hot: Tensor, mask: Tensor, shift: ShiftOperator, alpha: float) -> Tensor:
    """The scores on the simplex, from those that need not lie there."""
    with torch.no_grad():
        free = interpolate(one_hot, mask, shift, alpha)
    known = known_nodes(mask, shift.shape[-1])
    target = one_hot.where(known, 0.0).expand_as(free)
    task = SimplexEnergy(undirected(shift).to(torch.float64), known, target, float(alpha))
    return least_on_simplex(task, free).to(shift.dtype)


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
