"""What a shift is made of: its tensors, its matrix where it is small enough, a small matrix like it."""

from __future__ import annotations

import torch
from torch import Tensor

from gsp_nonlocal.shifts import ShiftOperator
from gsp_nonlocal.shifts.structure import factored

DENSE_NODES = 4096
"""Greatest number of nodes of which an ``N × N`` matrix is formed by default: 128 MiB in float64."""


def stored_tensors(shift: ShiftOperator) -> list[Tensor]:
    """The tensors that hold the shift."""
    held: list[Tensor] = []

    def note(part: Tensor) -> Tensor:
        held.append(part)
        return part

    shift.mapped(note)
    return held


def require_finite(shift: ShiftOperator) -> None:
    """Raise a ``ValueError`` that counts the NaN and infinite entries of a shift, and says where."""
    tensors = stored_tensors(shift)
    if any(tensor.is_meta for tensor in tensors):
        raise ValueError("a shift on the meta device holds no numbers; use a real device")
    if shift.shape[0] == 0:
        raise ValueError(f"an empty batch holds no graph, got a shift of shape {tuple(shift.shape)}")
    wrong = sum(int((~tensor.isfinite()).sum()) for tensor in tensors)
    if wrong:
        place, shape = next((_first(tensor), tuple(tensor.shape)) for tensor in tensors if _first(tensor))
        raise ValueError(
            f"{wrong} of the {sum(tensor.numel() for tensor in tensors)} entries of the shift are NaN or "
            f"infinite, the first at {place} of a {shape} tensor (batch first), and such a graph has no "
            "spectrum; look for the first layer whose output fails "
            "torch.isfinite(output).all(), and compute the affinity in float32"
        )


def finite_product(found: Tensor) -> Tensor:
    """``found``, a product of a shift, in the data type in which it was computed.

    Raises:
        ValueError: if it is NaN or infinite: what a shift is made of may be finite, and its weights not.
    """
    if not found.isfinite().all():
        raise ValueError(
            f"products of the shift in {found.dtype} are NaN or infinite, though what it is made of is "
            "finite: its exponents or products overflow; pass shift.to(torch.float64), or scale it down"
        )
    return found


def _first(tensor: Tensor) -> list[int]:
    """Where the first entry is that is not finite; empty if there is none."""
    wrong = (~tensor.isfinite()).nonzero()
    return wrong[0].tolist() if len(wrong) else []


def dense_matrix(shift: ShiftOperator, max_nodes: int = DENSE_NODES) -> Tensor:
    """``S`` as a tensor ``(B, N, N)``.

    Raises:
        ValueError: beyond ``max_nodes``; names the budget and the remedies.
    """
    nodes = shift.shape[-1]
    if nodes > max_nodes:
        raise ValueError(
            f"a graph of {nodes} nodes is beyond the budget of {max_nodes}: its matrix would take "
            f"{8 * nodes**2 / 2**30:.1f} GiB. Ask spectrum for some eigenvalues, for example k=20, or "
            "spectral_density for the whole; or raise max_nodes"
        )
    matrix = shift.to_dense()
    return matrix if matrix.isfinite().all() else _wide(shift)


def _wide(shift: ShiftOperator) -> Tensor:
    """The matrix once more, in float64: where finite factors overflow in their own precision."""
    matrix = shift.to(torch.float64).to_dense()
    wrong = int((~matrix.isfinite()).sum())
    if wrong:
        raise ValueError(
            f"{wrong} of the {matrix.numel()} entries of the shift's matrix are NaN or infinite, though what "
            "it is made of is finite: its exponents or products overflow; scale queries and keys down"
        )
    return matrix


@torch.no_grad()
def compression(shift: ShiftOperator, max_nodes: int = DENSE_NODES) -> Tensor:
    r"""``M = Qᵀ S Q (B, K, K)`` in float64 with orthonormal ``Q (N × K)`` and ``S = Q M Qᵀ``: a compression.

    What does not change under rotations is that of ``S``, but for zeros: singular values, norms, eigenvalues,
    ``S − Sᵀ``, ``S Sᵀ − Sᵀ S``. Of a low-rank shift ``Q`` spans both factors, ``K = min(N, 2 R)`` (``R``,
    where there is one); of others ``Q = I``.

    Raises:
        ValueError: for a graph of more than ``max_nodes`` nodes without factors, or entries that are not
            finite.
    """
    require_finite(shift)
    factors = factored(shift)
    if factors is None:
        return dense_matrix(shift, max_nodes).double()
    return factors.mapped(Tensor.double).rotated()
