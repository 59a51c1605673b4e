"""What the fixed responses of one signal on one graph have in common, found once."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from filters.matrix_function import probes
from filters.operators.shift import ShiftOperator
from filters.operators.signal import Signal, materialise


class Pairs(NamedTuple):
    """Eigenpairs in float64, the signal, and the products of the shift that carry its gradient."""

    mu: Tensor
    basis: Tensor
    z: Tensor
    shifted: Tensor


class SharedWork:
    """A signal ``z`` on a shift ``S``; the terms ``T_k(S) z`` and the eigenpairs, each at first use."""

    def __init__(self, shift: ShiftOperator, z: Signal) -> None:
        self.shift, self.z = shift, z
        self._terms: list[Signal] = [z]
        self._pairs: list[Pairs | None] = []

    def terms(self, degree: int) -> list[Signal]:
        """``T_0(S) z, …, T_degree(S) z``."""
        found = self._terms
        while len(found) <= degree:
            following = self.shift(found[-1])
            found.append(following if len(found) == 1 else 2 * following - found[-2])
        return found[: degree + 1]

    def pairs(self) -> Pairs | None:
        """Those of a shift that knows them; a ``ValueError`` where its products overflow."""
        if not self._pairs:
            self._pairs.append(self._found_pairs())
        return self._pairs[0]

    def _found_pairs(self) -> Pairs | None:
        exact = self.shift.to(torch.float64)
        found = _eigenpairs(exact)
        if found is None:
            return None
        z, (mu, basis) = materialise(self.z).double(), found
        shifted = exact(probes(z, basis, exact.ranks)) if torch.is_grad_enabled() else basis
        return Pairs(mu, basis, z, shifted)


def _eigenpairs(shift: ShiftOperator) -> tuple[Tensor, Tensor] | None:
    try:
        return shift.eigenpairs()
    except torch.linalg.LinAlgError as error:
        raise ValueError(
            f"the eigenvalues of {shift} were not found ({error}): products of its entries overflow; "
            "normalise the shift"
        ) from error
