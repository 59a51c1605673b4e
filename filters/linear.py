"""What shifts have in common on plain tensors, real and complex."""

from collections.abc import Callable

import torch
from torch import Tensor


def on_parts(function: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """A real linear ``function`` applied to a tensor that may be complex, part by part."""
    if not z.is_complex():
        return function(z)
    return torch.complex(function(z.real), function(z.imag))


def matmul_real(matrix: Tensor, z: Tensor) -> Tensor:
    """``matrix @ z`` for a real matrix and a real or complex ``z``, without a complex copy."""
    return on_parts(lambda part: matrix @ part, z)


def factorised(system: Tensor) -> Callable[[Tensor], Tensor]:
    """``z ↦ system⁻¹ z``: one LU factorisation ``(B, R, R)``, any number of right sides ``(B, R, C)``."""
    if system.is_complex() and torch.compiler.is_compiling():
        return _factorised_as_real(system)
    factors, pivots = torch.linalg.lu_factor(system)

    def solve(z: Tensor) -> Tensor:
        batch = max(z.shape[0], factors.shape[0])
        lu, order = factors.expand(batch, -1, -1), pivots.expand(batch, -1)
        if z.is_complex() and not lu.is_complex():
            return on_parts(lambda part: torch.linalg.lu_solve(lu, order, part), z)
        return torch.linalg.lu_solve(lu, order, z.to(lu.dtype))

    return solve


def _factorised_as_real(system: Tensor) -> Callable[[Tensor], Tensor]:
    """The same by ``[[Re, −Im], [Im, Re]]``, twice the size: compilers do without complex factorisations."""
    rows = [torch.cat(pair, -1) for pair in ((system.real, -system.imag), (system.imag, system.real))]
    small = factorised(torch.cat(rows, dim=-2))

    def solve(z: Tensor) -> Tensor:
        parts = (z.real, z.imag) if z.is_complex() else (z, torch.zeros_like(z))
        return torch.complex(*small(torch.cat(parts, dim=-2)).chunk(2, dim=-2))

    return solve


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
    if not tensor.is_floating_point():
        raise TypeError(
            f"{what} must be a real floating-point tensor, got {tensor.dtype}; "
            "convert it first, for example with .float()"
        )
