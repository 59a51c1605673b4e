"""The symmetric ReLU-dot affinity in one pass: degrees, normalisation and gradient on its exact factors."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from filters.checks import require_some_node, require_tensor
from filters.export import apply_function
from filters.operators.by_hand import HandDifferentiated
from filters.operators.linear import symmetrised
from filters.operators.once import differentiable_once
from filters.operators.ranks import ALL_HERE, Ranks
from gsp_nonlocal.shifts import DenseShift, Form, LowRankShift, ShiftOperator, choose_form
from gsp_nonlocal.shifts.degrees import inverse_sqrt_degree
from gsp_nonlocal.shifts.form import require_room


def relu_dot_shift(embeddings: Tensor, form: Form = "auto", ranks: Ranks = ALL_HERE) -> ShiftOperator:
    r"""``Â = D^{-1/2} ½(q kᵀ + k qᵀ) D^{-1/2}`` with ``[q, k] = relu(embeddings)``, exactly.

    The degrees ``d = ½ (q (kᵀ1) + k (qᵀ1))`` take ``N r`` operations. With ``E = D^{-1/2} [q, k]`` and
    ``J = ½ [[0, I], [I, 0]]`` the affinity *is* low-rank: ``Â = E J Eᵀ``, one factor of size ``N × 2r``.
    Its eigenvalues lie in ``[−1, 1]``. The diagonal of ``q kᵀ`` stays, and counts in the degree. The scales
    of ``q`` and of ``k`` play no part: they may be any that the data type has.

    Args:
        embeddings: ``[X θ, X φ]`` side by side, ``(B, N, 2r)``.
        form: ``"low_rank"``, ``"dense"``, or ``"auto"`` for the cheaper one by counted FLOPs.
        ranks: the processes that hold the nodes; divided nodes have the low-rank form alone.

    Returns:
        A symmetric shift with spectral bound 1: a :class:`LowRankShift` or a :class:`DenseShift`.
        The low-rank factors are differentiable once; ``"dense"`` any number of times.

    Raises:
        TypeError: if the embeddings are no tensor of real floating-point numbers.
        ValueError: if their shape is another, or there is no node; for an unknown ``form``; for ``"dense"``
            and divided nodes, or a matrix that exceeds the memory of the device.

    References:
        Zhu et al. (2021) for the affinity; the factors are exact algebra, not an approximation.

    Example:
        >>> shift = relu_dot_shift(torch.rand(2, 1000, 16))
        >>> shift.rank, shift.is_symmetric, shift.spectral_bound
        (16, True, 1.0)
        >>> x = torch.rand(1, 50, 16)
        >>> same = relu_dot_shift(x, "low_rank").to_dense(), relu_dot_shift(x, "dense").to_dense()
        >>> torch.allclose(*same, atol=1e-6)
        True
    """
    nodes, rank = _require_embeddings(embeddings).shape[-2:]
    if choose_form(form, nodes, rank // 2, ranks) == "dense":
        require_room(embeddings)
        return DenseShift(_dense_affinity(embeddings.relu()), is_symmetric=True, spectral_bound=1.0)
    factor, *_ = apply_function(NormalisedReLU, embeddings, ranks)
    return LowRankShift(factor, core="halves", is_symmetric=True, spectral_bound=1.0, ranks=ranks)


def _require_embeddings(embeddings: Tensor) -> Tensor:
    width = embeddings.shape[-1] if require_tensor("embeddings", embeddings).dim() == 3 else 0
    if width == 0 or width % 2:
        raise ValueError(f"embeddings have shape (B, N, 2r), got {tuple(embeddings.shape)}")
    if not embeddings.dtype.is_floating_point:
        raise TypeError(f"embeddings must be real floating-point, got {embeddings.dtype}; use .float()")
    require_some_node(embeddings.shape[:2])
    return embeddings


def _dense_affinity(features: Float[Tensor, "B N R"]) -> Float[Tensor, "B N N"]:
    column, row = _scales(features, ALL_HERE)
    query, key = (features * column / row).chunk(2, dim=-1)
    symmetric = symmetrised(query @ key.mT)
    scale = row.sqrt() * inverse_sqrt_degree(symmetric @ row)
    return scale * symmetric * scale.mT


class NormalisedReLU(HandDifferentiated):
    r"""``E = D^{-1/2} F``, ``F = g relu(P)``, with ``d = ½ F o`` and ``o = swap(Fᵀ 1)``, halves swapped.

    ``Â`` does not depend on the scale ``g`` of each half, one number for every sample. With
    ``a = d^{-1/2}``, cotangent ``Ē``, ``w = −¼ a rowsum(Ē ∘ E)``, the gradient needs ``E``, ``a``, ``o`` and
    ``g``:

    .. math::
        \bar P = [E > 0] \circ g\,(a\,(\bar E + w\,o^\top) + 1\,\mathrm{swap}(E^\top w)^\top).

    Degrees are formed of rows that are divided by their greatest entry: nodes of any scale keep theirs.
    This takes half the passes over memory, and half the memory, of the same steps left to autograd. Where a
    node is isolated, ``E`` vanishes although ``F`` may not; the gradient is 0 there in truth: all ``F`` that
    such a node could meet are 0. What is summed over nodes, ``Fᵀ 1`` and ``Eᵀ w``, is summed over ranks.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(embeddings: Tensor, ranks: Ranks) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """``P (B, N, 2r) -> E (B, N, 2r), a (B, N, 1), o (B, 1, 2r), g (B, 1, 2r)``."""
        # PyTorch 2.11 compiles a gradient of zeros for a result that was changed in place
        times = torch.mul if torch.compiler.is_compiling() else Tensor.mul_
        features = embeddings.relu()
        column, row = _scales(features, ranks)
        features = times(times(features, column), row.reciprocal())
        opposite = _swap(ranks.sum(torch.bmm(row.mT, features)))
        degree, root = torch.bmm(0.5 * opposite, features.mT).mT, row.sqrt()  # d divided by the row's scale
        inverse = degree.rsqrt().masked_fill(degree == 0, 0.0)
        return times(features, inverse * root), inverse / root, opposite, column

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Tensor, Ranks], output: tuple[Tensor, Tensor, Tensor, Tensor]
    ) -> None:
        """Keep what :meth:`backward` reads."""
        ctx.save_for_backward(*output)
        ctx.ranks = inputs[1]
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)  # zeros for those three

    @staticmethod
    @differentiable_once('use form="dense" for it')
    def backward(ctx: Any, grad: Tensor | None, *ignored: None) -> tuple[Tensor | None, None]:
        """The gradient of the class's docstring."""
        if grad is None:
            return None, None
        factor, scale, opposite, column = ctx.saved_tensors
        weighted = -0.25 * scale * (grad * factor).sum(dim=-1, keepdim=True)
        total = torch.addcmul(grad, weighted, opposite).mul_(column).mul_(scale)
        total.add_(column * _swap(ctx.ranks.sum(torch.bmm(weighted.mT, factor))))
        return torch.ops.aten.threshold_backward(total, factor, 0.0), None


def _scales(
    features: Float[Tensor, "B N R"], ranks: Ranks
) -> tuple[Float[Tensor, "B 1 R"], Float[Tensor, "B N 1"]]:
    """Constants: ``g``, one for each half of a sample, and ``c > 0``, one for each node.

    The greatest entry of each half of ``g relu(P)`` is 1, unless all are 0; so is that of each row divided
    by ``c``.
    """
    tiny = torch.finfo(features.dtype).tiny
    halves = features.detach().chunk(2, dim=-1)  # reduced one by one: over both at once it is slow by columns
    greatest = torch.cat([half.amax(dim=-1, keepdim=True) for half in halves], dim=-1)
    most = ranks.greatest(greatest.amax(dim=1, keepdim=True))
    scales = most.clamp_min(tiny).reciprocal().masked_fill(most == 0, 1.0)
    rows = (scales * greatest).amax(dim=-1, keepdim=True).clamp_min(tiny)
    return scales.repeat_interleave(features.shape[-1] // 2, dim=-1), rows


def _swap(row: Tensor) -> Tensor:
    return row.roll(row.shape[-1] // 2, dims=-1)
