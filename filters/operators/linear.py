"""What shifts have in common on plain tensors, real and complex: products, linear systems, checks."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from filters.checks import common_batch, require_tensor
from filters.export import is_exporting, is_transformed
from filters.operators.by_hand import HandDifferentiated
from filters.operators.signal import S, on_tensor


def on_parts(function: Callable[[Tensor], Tensor], z: S) -> S:
    """A real linear ``function`` applied to a tensor that may be complex, part by part.

    Raises:
        TypeError: for a lazy signal.
    """

    def apply(z: Tensor) -> Tensor:
        return torch.complex(function(z.real), function(z.imag)) if z.is_complex() else function(z)

    return on_tensor(apply, z)


def matmul_real(matrix: Tensor, z: Tensor) -> Tensor:
    """``matrix @ z`` for a real matrix and a real or complex ``z``, without a complex copy."""
    return on_parts(lambda part: product(matrix, part), z)


def product(matrix: Tensor, z: Tensor) -> Tensor:
    """``matrix @ z``; of two batches without the views of ``@``, each of which takes as long as a kernel."""
    if not matrix.dim() == z.dim() == 3:
        return matrix @ z
    if matrix.shape[0] != z.shape[0]:
        batch = common_batch(matrix, z)
        matrix, z = matrix.expand(batch, -1, -1), z.expand(batch, -1, -1)
    return torch.bmm(matrix, z)


def factorised(system: Tensor) -> Callable[[Tensor], Tensor]:
    """``z ↦ system⁻¹ z``: one LU factorisation ``(B, R, R)``, any number of right sides ``(B, R, C)``.

    Differentiable any number of times, in the system and in the right sides.

    Raises:
        TypeError: for a half-precision system.
        ValueError: if a system is singular; not in compiled code, where entries become infinite or NaN.
    """
    if torch.finfo(system.dtype).bits < 32:
        raise TypeError(
            f"a resolvent needs float32 or better, got {system.dtype}; call shift.to(torch.float32) first"
        )
    if system.is_complex() and torch.compiler.is_compiling():
        return _factorised_as_real(system)
    if is_exporting() or is_transformed():
        return _orthogonalised(system)
    with torch.no_grad():
        factors, pivots = lu_factor(system.detach())

    def solve(z: Tensor) -> Tensor:
        if z.is_complex() and not system.is_complex():
            return on_parts(solve, z)
        batch = common_batch(z, system)
        matrix, lu = (part.expand(batch, -1, -1) for part in (system, factors))
        right = z.to(matrix.dtype).expand(batch, -1, -1)
        return _Solve.apply(matrix, lu, pivots.expand(batch, -1), right, False)

    return solve


def _orthogonalised(system: Tensor) -> Callable[[Tensor], Tensor]:
    """The same by ``system = Q R``, for any number of systems at once.

    One LU at a time, see :func:`lu_factor`, is a loop over the batch, which an exported program cannot have.
    Under ``torch.func.vmap`` no entry can be checked, and PyTorch's ``lu_solve(adjoint=True)`` is wrong on
    expanded factors.
    """
    q, r = torch.linalg.qr(system)

    def solve(z: Tensor) -> Tensor:
        if z.is_complex() and not system.is_complex():
            return on_parts(solve, z)
        return torch.linalg.solve_triangular(r, q.mH @ z.to(system.dtype), upper=True)

    return solve


def inverse(matrix: Tensor) -> Tensor:
    """``matrix⁻¹`` for ``(B, N, N)``; a ``ValueError`` if one is singular."""
    return factorised(matrix)(torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)[None])


def lu_factor(system: Tensor) -> tuple[Tensor, Tensor]:
    """``LU (B, R, R)`` and pivots ``(B, R)``, without a gradient.

    One matrix at a time on a CPU: PyTorch's batched factorisation is wrong there with several threads, from
    about 150 rows on (pytorch#142815: threads swap rows of one another). LAPACK takes them in turn anyway.
    """
    has_numbers = not (torch.compiler.is_compiling() or system.is_meta)
    if has_numbers and not system.isfinite().all():
        wrong = (~system.isfinite()).nonzero()[0].tolist()
        raise ValueError(
            f"the system aI + bS of a resolvent is NaN or infinite, first at {wrong} (batch first); look for "
            "the first layer whose output fails torch.isfinite(output).all()"
        )
    if system.device.type != "cpu" or len(system) <= 1:
        factors, pivots, info = torch.linalg.lu_factor_ex(system)
    else:
        found = [torch.linalg.lu_factor_ex(one) for one in system]
        factors, pivots, info = (torch.stack(parts) for parts in zip(*found, strict=True))
    if has_numbers and bool(info.any()):
        raise ValueError(
            f"system {int(info.nonzero()[0])} of {len(system)}, of size {system.shape[-1]}, is singular: for "
            "(aI + bS)⁻¹, −a/b must be no eigenvalue of S; choose other a and b"
        )
    return factors, pivots


class _Solve(HandDifferentiated):
    """``y = A⁻¹ z`` or ``A⁻ᴴ z`` by the factors of ``A``; its gradients are solves with the same factors.

    ``w = A⁻ᴴ ȳ`` is the gradient of ``z`` and ``−w yᴴ`` that of ``A``; of the adjoint, ``w = A⁻¹ ȳ`` and
    ``−y wᴴ``.
    """

    @staticmethod
    def forward(matrix: Tensor, factors: Tensor, pivots: Tensor, z: Tensor, adjoint: bool) -> Tensor:
        """``A (B, R, R)``, its factors, ``z (B, R, C) -> (B, R, C)``."""
        return torch.linalg.lu_solve(factors, pivots, z, adjoint=adjoint)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep what :meth:`backward` reads."""
        matrix, factors, pivots, _, ctx.adjoint = inputs
        ctx.save_for_backward(matrix, factors, pivots, output)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, None, Tensor, None]:
        """The gradients of the class's docstring, themselves differentiable."""
        matrix, factors, pivots, y = ctx.saved_tensors
        w = _Solve.apply(matrix, factors, pivots, grad, not ctx.adjoint)
        if not ctx.needs_input_grad[0]:
            return None, None, None, w, None
        return -(y @ w.mH if ctx.adjoint else w @ y.mH), None, None, w, None


def _factorised_as_real(system: Tensor) -> Callable[[Tensor], Tensor]:
    """The same by ``[[Re, −Im], [Im, Re]]``, twice the size: compilers do without complex factorisations."""
    rows = [torch.cat(pair, -1) for pair in ((system.real, -system.imag), (system.imag, system.real))]
    small = factorised(torch.cat(rows, dim=-2))

    def solve(z: Tensor) -> Tensor:
        parts = (z.real, z.imag) if z.is_complex() else (z, torch.zeros_like(z))
        return torch.complex(*small(torch.cat(parts, dim=-2)).chunk(2, dim=-2))

    return solve


def symmetrised(matrix: Tensor) -> Tensor:
    """``½ (M + Mᵀ)`` for ``(…, N, N)``."""
    return 0.5 * (matrix + matrix.mT)


def is_symmetric(matrix: Tensor) -> bool:
    """Whether ``matrix = matrixᵀ``, up to some units of rounding of the largest entries of row and column."""
    if matrix.numel() == 0:
        return True
    own, single = (torch.finfo(dtype).eps for dtype in (matrix.dtype, torch.float32))
    row = torch.maximum(matrix.abs().amax(-1), matrix.abs().amax(-2))
    scale = torch.minimum(row.unsqueeze(-1), row.unsqueeze(-2))
    return bool(((matrix - matrix.mT).abs() <= max(32 * min(own, single), own) * scale).all())


def require_real_floating(tensor: Tensor, what: str) -> None:
    """Raise a ``TypeError`` unless ``tensor`` is real and floating-point."""
    if not require_tensor(what, tensor).is_floating_point():
        raise TypeError(
            f"{what} must be a real floating-point tensor, got {tensor.dtype}; "
            "convert it first, for example with .float()"
        )
