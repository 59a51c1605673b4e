"""What is known of a graph without looking at its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import NamedTuple, TypedDict

from filters.checks import require_flag


def promised(is_symmetric: bool, is_row_stochastic: bool, spectral_bound: float | None) -> Promises:
    """The promises that a constructor was given.

    Raises:
        TypeError: for a flag that is neither ``True`` nor ``False``.
        ValueError: for a bound that is negative or no finite number.
    """
    for name, flag in {"is_symmetric": is_symmetric, "is_row_stochastic": is_row_stochastic}.items():
        require_flag(name, flag)
    if isinstance(spectral_bound, bool | str) or (
        spectral_bound is not None and not 0 <= spectral_bound < inf
    ):
        raise ValueError(f"spectral_bound must be finite and at least 0, or None, got {spectral_bound}")
    return Promises(is_symmetric, is_row_stochastic, spectral_bound)


class PromiseKeywords(TypedDict):
    """Promises as the constructors of shifts take them."""

    is_symmetric: bool
    is_row_stochastic: bool
    spectral_bound: float | None


class Promises(NamedTuple):
    r"""What a shift ``S`` is known to be by construction, one value that is handed on whole.

    Attributes:
        symmetric: ``S = Sᵀ``.
        row_stochastic: entries are ``≥ 0``, and every row sums to 1, or to 0 (a node without edges).
        bound: ``b`` with ``|μ| ≤ b`` for the eigenvalues ``μ`` of ``S``, or ``None`` where none is proven.
            For a symmetric ``S`` it is a bound of the norm too.

    Example:
        >>> Promises.of_sum([Promises(symmetric=True, bound=1.0), Promises(symmetric=True, bound=0.5)])
        Promises(symmetric=True, row_stochastic=False, bound=1.5)
    """

    symmetric: bool = False
    row_stochastic: bool = False
    bound: float | None = None

    @property
    def transposed(self) -> Promises:
        """Those of ``Sᵀ``: columns that sum to 1 promise nothing of rows."""
        return self if self.symmetric else Promises(False, False, self.bound)

    @property
    def averaged(self) -> Promises:
        """Those of ``½ (S + Sᵀ)``: a bound of the eigenvalues of a directed ``S`` is none of its norm."""
        return self if self.symmetric else Promises(symmetric=True)

    def times(self, factor: float) -> Promises:
        """Those of ``a S``."""
        bound = None if self.bound is None else abs(factor) * self.bound
        return Promises(self.symmetric, self.row_stochastic and factor == 1, bound)

    @staticmethod
    def of_sum(parts: Sequence[Promises]) -> Promises:
        """Those of ``S_1 + S_2 + …``.

        ``|μ|`` is at most the norm, which bounds of symmetric shifts are, and at most the greatest sum of a
        row, 1 for row-stochastic shifts. Each of the two adds up; a bound of eigenvalues alone does not.
        """
        bounds = [part.bound for part in parts if part.bound is not None]
        if all(part.symmetric for part in parts):
            return Promises(True, False, sum(bounds) if len(bounds) == len(parts) else None)
        stochastic = all(part.row_stochastic for part in parts)
        return Promises(False, False, float(len(parts)) if stochastic else None)

    def keywords(self) -> PromiseKeywords:
        """The promises as a shift's constructor takes them."""
        return PromiseKeywords(
            is_symmetric=self.symmetric,
            is_row_stochastic=self.row_stochastic,
            spectral_bound=self.bound,
        )
