"""Less total variation on a graph: a primal-dual iteration, and the exact solution that it points to."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from filters.operators.solve import ConvergenceError
from gsp_nonlocal.signals.differences import Differences

TOLERANCE = 1e-8
"""Duality gap, as a share of ``½ ‖z‖²`` of a column, at which the iteration ends."""

MOST_STEPS = 20_000
_LOOK = 20  # steps between two looks at the gap


def least_variation(z: Tensor, gradient: Differences, strength: float, tolerance: float) -> Tensor:
    r"""``y = argmin ½ ‖y − z‖² + γ ‖∇y‖₁`` for each column of ``z (B, N, C)``, in float64.

    The dual is ``max_{|p| ≤ γ} ⟨∇z, p⟩ − ½ ‖∇ᵀp‖²``, with ``y = z − ∇ᵀp``; the gap
    ``γ ‖∇y‖₁ − ⟨p, ∇y⟩`` bounds ``½ ‖y − y*‖²``. Where the iteration ends, edges of ``|p| = γ`` cut the
    graph into pieces on which ``y`` is the (weighted) mean of ``z − γ ∇ᵀ sign p``. If its objective is not
    greater, it is what is returned: the solution itself, once all pieces are found. It carries the gradient,
    since pieces and signs are locally constant.

    Raises:
        ConvergenceError: if the gap does not fall to the tolerance.
    """
    with torch.no_grad():
        p = _dual(z, gradient, strength, tolerance)
        y = z - gradient.adjoint(p)
    exact = _pieced(z, gradient, p, strength)
    with torch.no_grad():
        worse = _objective(exact, z, gradient, strength) > _objective(y, z, gradient, strength)
        correction = torch.where(worse, y - exact, 0.0)
    return exact + correction


def _dual(z: Tensor, gradient: Differences, strength: float, tolerance: float) -> Tensor:
    """``p`` by accelerated primal-dual steps (Chambolle, Pock 2011, Algorithm 2)."""
    primal = dual = 1 / _norm_bound(gradient)
    y, ahead, p = z, z, torch.zeros_like(gradient(z))
    goal = tolerance * 0.5 * z.square().sum(dim=1)
    for step in range(MOST_STEPS):
        p = (p + dual * gradient(ahead)).clamp(-strength, strength)
        new = (y - primal * gradient.adjoint(p) + primal * z) / (1 + primal)
        speed = (1 + 2 * primal) ** -0.5
        primal, dual = primal * speed, dual / speed
        y, ahead = new, new + speed * (new - y)
        if step % _LOOK == 0 and bool((_gap(z, gradient, p, strength) <= goal).all()):
            return p
    left = float((_gap(z, gradient, p, strength) / (0.5 * z.square().sum(dim=1)).clamp_min(1e-300)).max())
    raise ConvergenceError(
        f"total variation did not come to a duality gap of {tolerance:.0e} in {MOST_STEPS} steps, but to "
        f"{left:.1e} of ½‖z‖²; raise tolerance, or lower strength"
    )


def _norm_bound(gradient: Differences) -> float:
    """A bound of ``‖∇‖``: ``‖∇‖² ≤ 2 max d``, and 2 where degrees divide it."""
    weight = gradient.root.square()
    both = torch.cat([gradient.first, gradient.second])
    degree = weight.new_zeros(len(gradient.scale)).index_add(0, both, weight.repeat(2))
    most = float((degree * gradient.scale.flatten().square()).max())
    return max(2 * most, 1e-300) ** 0.5


def _gap(z: Tensor, gradient: Differences, p: Tensor, strength: float) -> Tensor:
    """The duality gap at ``p`` of each column, ``(B, C)``."""
    steep = gradient(z - gradient.adjoint(p))
    return (strength * steep.abs() - p * steep).sum(dim=1)


def _objective(y: Tensor, z: Tensor, gradient: Differences, strength: float) -> Tensor:
    fit, rough = 0.5 * (y - z).square().sum(1, keepdim=True), gradient(y).abs().sum(1, keepdim=True)
    return fit + strength * rough


def _pieced(z: Tensor, gradient: Differences, p: Tensor, strength: float) -> Tensor:
    """The minimiser among signals of these pieces whose jumps have these signs."""
    jumps = p.sign() * (p.abs() == strength)
    target = z - strength * gradient.adjoint(jumps)
    shape = 1 / gradient.scale  # the signals without differences
    piece = _pieces(jumps, gradient).expand_as(target)
    above, below = (
        torch.zeros_like(target).scatter_add(1, piece, part.expand_as(target))
        for part in (shape * target, shape.square())
    )
    return shape * (above.gather(1, piece) / below.gather(1, piece))


def _pieces(jumps: Tensor, gradient: Differences) -> Tensor:
    """The number of the piece of every node ``(B, N, C)``, from 0 in each column."""
    batch, _, channels = jumps.shape
    nodes = len(gradient.scale)
    column, edge = (jumps == 0).transpose(1, 2).flatten(0, 1).cpu().numpy().nonzero()
    first, second = (end.cpu().numpy()[edge] + column * nodes for end in (gradient.first, gradient.second))
    size = batch * channels * nodes
    graph = coo_matrix((np.ones(len(first), dtype=bool), (first, second)), shape=(size, size))
    part = connected_components(graph, directed=False)[1].reshape(batch, channels, nodes)
    part = np.stack([[np.unique(one, return_inverse=True)[1] for one in own] for own in part])
    return torch.from_numpy(part.astype(np.int64)).to(jumps.device).transpose(1, 2)
