"""Resolvents ``(aI + bS)⁻¹`` by iteration, for shifts that have no closed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from filters.export import is_exporting
from filters.operators.by_hand import HandDifferentiated
from filters.operators.linear import factorised
from filters.operators.once import differentiable_once
from filters.operators.signal import Scalar

TOLERANCES = {torch.float32: 1e-10, torch.float64: 1e-12}
"""Relative residual ``‖z − (aI + bS) y‖ / ‖z‖`` of every column at which an iteration ends, by the type of
``z``. Iterations run in float64 for both, so that systems of a large condition converge too."""

MAX_ITERATIONS = 5000

DIRECT_NODES = 1024
"""Up to so many nodes a system that does not converge in about ``N`` steps is solved by its matrix."""
EXPORTED_STEPS = 32
"""Steps of an iteration in an exported program, which cannot look at a residual. Graphs of fresh blocks take
about 10, sharper ones 25, to the tolerance; nothing tells where more are needed."""
_SOLVED = 1e-6  # greatest residual of a direct solution: beyond, the system is singular to rounding

_BREAKDOWN = 1e-8  # |cos| of the angle to the shadow residual below which the recurrence starts anew

Operator = Callable[[Tensor], Tensor]


class Products(Protocol):
    """What an iteration asks of a shift."""

    def __call__(self, z: Tensor, /) -> Tensor:
        """``S z``."""
        ...

    @property
    def T(self) -> Products:  # noqa: N802
        """``Sᵀ``."""
        ...

    def to(self, target: torch.dtype, /) -> Products:
        """The same in another data type."""
        ...

    def prepared(self) -> Products:
        """The same, with what all its products need made once."""
        ...


class ConvergenceError(ValueError, RuntimeError):
    """An iteration did not reach its tolerance on this input; the message says how far it came.

    It is a ``ValueError``, and a ``RuntimeError`` too.

    Example:
        >>> i = torch.arange(12, dtype=torch.float64)
        >>> hilbert = 1 / (1 + i + i[:, None])  # nearly singular
        >>> from filters import DenseShift
        >>> solve = iterate_resolvent(DenseShift(hilbert), 0.0, 1.0)
        >>> solve((-1) ** i.view(1, 12, 1))
        Traceback (most recent call last):
        ...
        filters.operators.solve.ConvergenceError: (aI + bS)⁻¹ z did not converge in 212 iterations: ...
    """


def iterate_resolvent(shift: Products, a: Scalar, b: Scalar) -> Operator:
    r"""``z ↦ y = (aI + bS)⁻¹ z`` by BiCGStab, to the relative residual of :data:`TOLERANCES`.

    Differentiated by the implicit formula, one more solve, so that memory does not grow with the number
    of iterations: with ``A = aI + bS`` and the cotangent ``ȳ``, ``w = A^{-H} ȳ`` is the gradient of
    ``z``, and ``−w yᴴ`` that of ``A``. Differentiable once.

    Args:
        shift: any shift.
        a: real or complex number, or a learned zero-dimensional tensor.
        b: like ``a``.

    Returns:
        The function; it takes ``z (B, N, C)``. In an exported program it is :data:`EXPORTED_STEPS` steps
        of the iteration, for inference. Else, up to :data:`DIRECT_NODES` nodes, what does not converge in
        ``N + 200`` iterations is solved by the matrix, formed by products. It raises
        :class:`ConvergenceError` where the system is singular to rounding, or large and the tolerance is not
        reached in :data:`MAX_ITERATIONS`; another ``ValueError`` where that matrix is exactly singular, or
        numbers are NaN or infinite.

    References:
        van der Vorst (1992), *Bi-CGSTAB*. Deviation: a column whose recurrence breaks down starts anew
        from its present residual.
    """

    exact = shift.to(torch.float64).prepared()

    def solve(z: Tensor) -> Tensor:
        dtype = _common_dtype(z, a, b)
        tolerance = TOLERANCES[dtype.to_real()]
        right_side = z.to(torch.promote_types(dtype, torch.float64))
        with torch.no_grad():
            find = unrolled if is_exporting() else bicgstab
            y = find(lambda v: a * v + b * exact(v), right_side, tolerance)
        if is_exporting():
            return y.to(dtype)
        residual = right_side - (a * y + b * exact(y))
        if residual.requires_grad:
            adjoint = _adjoint(exact, a, b)
            y = Implicit.apply(residual, y, lambda grad: bicgstab(adjoint, grad, tolerance))
        return y.to(dtype)

    return solve


class Implicit(HandDifferentiated):
    """``y`` forward; backward, ``A^{-H} ȳ`` to the residual ``z − A y``, whose own graph holds ``z`` and
    ``A``. ``solve`` is ``v ↦ A^{-H} v``."""

    @staticmethod
    def forward(ctx: Any, residual: Tensor, y: Tensor, solve: Operator) -> Tensor:
        ctx.solve = solve
        return y.clone()

    @staticmethod
    @differentiable_once("use shift.to_dense() for it")
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        if not torch.isfinite(grad).all():  # an overflow that a gradient scaler is to see
            return torch.full_like(grad, torch.nan), None, None
        return ctx.solve(grad), None, None


def _adjoint(shift: Products, a: Scalar, b: Scalar) -> Operator:
    """``v ↦ Aᴴ v``."""
    transposed, a_bar, b_bar = shift.T, _conjugate(a), _conjugate(b)

    def apply(v: Tensor) -> Tensor:
        with torch.no_grad():
            return a_bar * v + b_bar * transposed(v)

    return apply


def bicgstab(operator: Operator, z: Tensor, tolerance: float) -> Tensor:
    """``A⁻¹ z`` for every column of ``z (B, N, C)`` on its own; see :func:`iterate_resolvent`."""
    if not torch.isfinite(z).all():
        raise ValueError("the right side of a resolvent has NaN or infinite entries; look for them upstream")
    goal = tolerance * column_norm(z)
    state = _begun(torch.zeros_like(z), z)
    small = z.shape[1] <= DIRECT_NODES
    steps = min(MAX_ITERATIONS, z.shape[1] + 200) if small else MAX_ITERATIONS
    for step in range(steps):
        size = column_norm(state.r)
        if not bool(size.isfinite().all()):
            break
        if bool((size <= goal).all()):
            # the recurrence drifts: trust the residual itself
            state = _begun(state.y, z - operator(state.y))
            if bool((column_norm(state.r) <= 2 * goal).all()):
                return state.y
        v = operator(state.p)
        if step == 0:
            _require_finite(v)
        state = _advanced(operator, state, v, size > 0.1 * goal)
    y = _direct(operator, z) if small else state.y
    worst = _worst(operator, y, z)
    if small and worst <= _SOLVED:
        return y
    raise ConvergenceError(
        f"(aI + bS)⁻¹ z did not converge in {steps} iterations: relative residual {worst:.1e}, "
        f"asked {tolerance:.0e}; the system is nearly singular (a pole near the spectrum, a zoom too large), "
        "or the spectrum of S leaves [−1, 1]; use a closed form (shift.to_dense()), or other "
        "parameters"
    )


def unrolled(operator: Operator, z: Tensor, tolerance: float) -> Tensor:
    """:data:`EXPORTED_STEPS` steps of the same iteration, without a look at what comes out."""
    goal = tolerance * column_norm(z)
    state = _begun(torch.zeros_like(z), z)
    for _ in range(EXPORTED_STEPS):
        state = _advanced(operator, state, operator(state.p), column_norm(state.r) > 0.1 * goal)
    return state.y


class _State(NamedTuple):
    """Solution, residual, shadow residual, direction, and ``⟨shadow, residual⟩``."""

    y: Tensor
    r: Tensor
    shadow: Tensor
    p: Tensor
    rho: Tensor


def _begun(y: Tensor, r: Tensor) -> _State:
    return _State(y, r, r, r, column_dot(r, r))


def _advanced(operator: Operator, state: _State, v: Tensor, open_: Tensor) -> _State:
    """The next state; ``v = A p``, and a column that is not ``open_`` stays as it is."""
    y, r, shadow, p, rho = state
    alpha = column_ratio(rho, column_dot(shadow, v)) * open_
    s = r - alpha * v
    t = operator(s)
    omega = column_ratio(column_dot(t, s), column_dot(t, t)) * open_
    y = y + alpha * p + omega * s
    r = s - omega * t
    rho_next = column_dot(shadow, r)
    beta = column_ratio(rho_next, rho) * column_ratio(alpha, omega)
    anew = ~open_ | (rho_next.abs() < _BREAKDOWN * column_norm(shadow) * column_norm(r))
    p = torch.where(anew, r, r + beta * (p - omega * v))
    shadow = torch.where(anew, r, shadow)
    return _State(y, r, shadow, p, torch.where(anew, column_dot(r, r), rho_next))


def _direct(operator: Operator, z: Tensor) -> Tensor:
    """``A⁻¹ z`` by the matrix of ``A``."""
    eye = torch.eye(z.shape[1], dtype=z.dtype, device=z.device).expand(z.shape[0], -1, -1)
    return factorised(operator(eye))(z)


def _worst(operator: Operator, y: Tensor, z: Tensor) -> float:
    """The greatest relative residual of a column."""
    return float((column_norm(z - operator(y)) / column_norm(z).clamp_min(1e-300)).max())


def _require_finite(product: Tensor) -> None:
    """Raise if ``(aI + bS) z`` has NaN or infinite entries, though ``z`` has none: so has ``S``."""
    wrong = (~product.isfinite()).any(dim=-1)
    if wrong.any():
        graph, node = wrong.nonzero()[0].tolist()
        raise ValueError(
            f"S z is NaN or infinite at {int(wrong.sum())} of {wrong.numel()} nodes, first at node {node} of "
            f"graph {graph}, though z is finite: the shift has such entries; look for them upstream"
        )


def column_dot(one: Tensor, other: Tensor) -> Tensor:
    """``⟨a, b⟩`` of every column, ``(B, 1, C)``."""
    return (one.conj() * other).sum(dim=1, keepdim=True)


def column_norm(z: Tensor) -> Tensor:
    """``‖z‖`` of every column, ``(B, 1, C)``."""
    return torch.linalg.vector_norm(z, dim=1, keepdim=True)


def column_ratio(above: Tensor, below: Tensor) -> Tensor:
    """``above / below``, and 0 where ``below`` is 0: a column that is done stays as it is."""
    done = below == 0
    return torch.where(done, 0, above) / torch.where(done, 1, below)


def _common_dtype(z: Tensor, *scalars: Scalar) -> torch.dtype:
    is_complex = z.is_complex() or any(
        isinstance(s, complex) or (isinstance(s, Tensor) and s.is_complex()) for s in scalars
    )
    return torch.promote_types(z.dtype, torch.complex64) if is_complex else z.dtype


def _conjugate(number: Scalar) -> Scalar:
    if isinstance(number, Tensor):
        return number.detach().conj()
    return number.conjugate()
