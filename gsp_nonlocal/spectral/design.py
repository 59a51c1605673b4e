"""Filters designed from a wanted response."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import least_squares, linprog, lsq_linear
from torch import Tensor, nn

from filters import DiagonalShift, Filter
from filters.operators.signal import materialise

Criterion = Literal["least_squares", "minimax"]
Target = Callable[[Tensor], Tensor]
Array = NDArray[np.float64]
_FREQUENCIES = 801


class Fit(NamedTuple):
    """How far the response of a filter is from its target, over the frequencies and all entries.

    Attributes:
        max_error: the greatest ``|H_ij(λ) − target_ij(λ)|``.
        rms_error: the root of the mean square.

    Example:
        >>> from filters import Chebyshev
        >>> fit = fit_response(Chebyshev(1, 1, order=0), lambda lam: lam)  # the best constant is 1
        >>> round(fit.max_error, 2), round(fit.rms_error, 2)  # 1/√3
        (1.0, 0.58)
    """

    max_error: float
    rms_error: float


def fit_response(filter: Filter, target: Target, method: Criterion = "least_squares") -> Fit:
    r"""Set the parameters of ``filter`` so that ``H(λ) ≈ target(λ)`` on ``[0, 2]``.

    ``"least_squares"`` minimises ``∫ ‖H − target‖²``, ``"minimax"`` the greatest deviation of an entry. The
    weights are found exactly (a linear problem); zooms and poles, where the family has any, by SciPy's
    trust-region method from their present values, with the best weights for each (variable projection).

    Args:
        filter: a filter of any family; its parameters are overwritten.
        target: ``λ (F,) -> (F,)``, for a filter with as many channels out as in: the same response for every
            channel, none across them; or ``-> (F, in, out)``.
        method: ``"least_squares"`` or ``"minimax"``.

    Returns:
        :class:`Fit`, measured on the filter as it then is, in its own precision.

    Raises:
        TypeError: if ``filter`` is not of a family (compositions and fixed responses are not).
        ValueError: if the method is unknown, or the target's shape or values do not fit.

    References:
        Golub, Pereyra (1973), variable projection.

    Example:
        >>> from filters import Chebyshev
        >>> f = Chebyshev(4, 4, order=12)
        >>> fit_response(f, lambda lam: torch.exp(-3 * lam)).max_error < 1e-5
        True
    """
    if not isinstance(filter, Filter):
        raise TypeError(
            f"fit_response sets the weights of one family, got {filter}; fit the parts of a composition"
        )
    if method not in ("least_squares", "minimax"):
        raise ValueError(f"unknown method {method!r}; choose 'least_squares' or 'minimax'")
    lam = torch.linspace(0, 2, _FREQUENCIES, dtype=torch.float64)
    wanted = _wanted(filter, target, lam)
    twin = copy.deepcopy(filter).double()
    columns = wanted.flatten(1).numpy()
    solver = _Solver(method, getattr(filter, "nonnegative", False), torch.finfo(filter.weight.dtype).eps)
    _fit_others(twin, lam, columns, solver)
    twin_weights = solver(_basis(twin, lam), columns)
    with torch.no_grad():
        twin.weight.copy_(torch.from_numpy(twin_weights).view_as(twin.weight))
        for own, found in zip(filter.parameters(), twin.parameters(), strict=True):
            own.copy_(found)
        error = filter.response(lam.to(filter.weight.device)).cpu() - wanted
    return Fit(float(error.abs().max()), float(error.square().mean().sqrt()))


def _wanted(filter: Filter, target: Target, lam: Tensor) -> Tensor:
    """The target as ``(F, in, out)``."""
    values = torch.as_tensor(target(lam)).double()
    if not torch.isfinite(values).all():
        raise ValueError("the target is NaN or infinite for some λ in [0, 2]")
    sizes = (filter.in_channels, filter.out_channels)
    if values.shape == lam.shape and sizes[0] == sizes[1]:
        return values.view(-1, 1, 1) * torch.eye(sizes[0], dtype=torch.float64)
    if values.shape != (len(lam), *sizes):
        raise ValueError(
            f"the target of {filter} gives (F, {sizes[0]}, {sizes[1]})"
            f"{' or (F,)' if sizes[0] == sizes[1] else ''}, got {tuple(values.shape)} for F = {len(lam)}"
        )
    return values


@torch.no_grad()
def _basis(filter: Filter, lam: Tensor) -> Array:
    """Responses ``(F, terms)`` of the filter to each of its parameters' unit weights."""
    shift, unit = DiagonalShift(1 - lam), torch.ones(1, len(lam), 1, dtype=lam.dtype)
    each = torch.eye(filter.num_terms, dtype=lam.dtype).unsqueeze(1)
    return materialise(filter.evaluate(shift, unit, filter.mixing(each)))[0].numpy()


class _Solver(NamedTuple):
    """The best weights ``(terms, in · out)`` for a basis ``(F, terms)`` and targets ``(F, in · out)``."""

    method: Criterion
    nonnegative: bool
    precision: float  # parts of the basis below this share of the greatest would be lost in rounding

    def __call__(self, basis: Array, columns: Array) -> Array:
        distinct, inverse = np.unique(columns, axis=1, return_inverse=True)
        found = np.stack([self.one(basis, column) for column in distinct.T], axis=1)
        return found[:, inverse]

    def one(self, basis: Array, wanted: Array) -> Array:
        if self.nonnegative:
            return self.minimax(basis, wanted) if self.method == "minimax" else nonnegative(basis, wanted)
        left, sizes, right = np.linalg.svd(basis, full_matrices=False)
        kept = sizes > 10 * self.precision * sizes[0]
        solve = self.minimax if self.method == "minimax" else self.projection
        return np.asarray(right[kept].T @ (solve(left[:, kept], wanted) / sizes[kept]))

    def projection(self, orthonormal: Array, wanted: Array) -> Array:
        return np.asarray(orthonormal.T @ wanted)

    def minimax(self, basis: Array, wanted: Array) -> Array:
        """``min ε`` with ``−ε ≤ basis · w − wanted ≤ ε``: a linear programme."""
        slack = np.ones((len(basis), 1))
        above = np.vstack([np.hstack([basis, -slack]), np.hstack([-basis, -slack])])
        below = np.concatenate([wanted, -wanted])
        cost = np.append(np.zeros(basis.shape[1]), 1.0)
        bounds = [(0.0 if self.nonnegative else None, None)] * basis.shape[1] + [(0.0, None)]
        result = linprog(cost, A_ub=above, b_ub=below, bounds=bounds)
        if result.x is None:
            raise ValueError(f"the linear programme of the minimax fit failed: {result.message}")
        return np.asarray(result.x[:-1])


def nonnegative(basis: Array, wanted: Array) -> Array:
    """``argmin ‖basis · w − wanted‖`` over ``w ≥ 0``."""
    return np.asarray(lsq_linear(basis, wanted, bounds=(0, np.inf)).x)


def _fit_others(filter: Filter, lam: Tensor, columns: Array, solver: _Solver) -> None:
    """Move zooms and poles, the parameters beside the weights, to where the best weights fit best."""
    others = [p for name, p in filter.named_parameters() if name != "weight"]
    if not others:
        return
    distinct = np.unique(columns, axis=1)
    smooth = solver._replace(method="least_squares")

    def misfit(values: Array) -> Array:
        with torch.no_grad():
            nn.utils.vector_to_parameters(torch.from_numpy(values), others)
        basis = _basis(filter, lam)
        return np.asarray((basis @ smooth(basis, distinct) - distinct).ravel())

    start = nn.utils.parameters_to_vector(others).detach().numpy().copy()
    misfit(least_squares(misfit, start, max_nfev=200).x)
