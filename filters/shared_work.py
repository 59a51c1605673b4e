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
        _require_finite(shift)
        self.shift, self.z = shift, z
        self._terms: list[Signal] = [z]
        self._pairs: list[Pairs | None] = []
        self._reach: list[float] = []

    def reach(self) -> float:
        """At most the greatest ``|μ|``; see :func:`greatest_gain`."""
        if not self._reach:
            self._reach.append(greatest_gain(self.shift))
        return self._reach[0]

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


@torch.no_grad()
def greatest_gain(shift: ShiftOperator, steps: int = 20) -> float:
    """``‖S v‖ / ‖v‖`` after some power iterations: at most the greatest ``|μ|`` of a symmetric ``S``."""
    nodes = torch.arange(shift.shape[-1], dtype=shift.dtype, device=shift.device)
    v = (1 + nodes.cos()).view(1, -1, 1)
    for _ in range(steps):
        v = shift(v)
        gain = shift.ranks.sum(v.square().sum(dim=1, keepdim=True)).sqrt()
        v = v / gain.clamp_min(torch.finfo(shift.dtype).tiny)
    return float(gain.max())


def _require_finite(shift: ShiftOperator) -> None:
    """Raise a ``ValueError`` that says where NaN or infinite entries are, before any work on them; on every
    process that holds nodes, or the others would wait for this one."""
    if torch.compiler.is_compiling():
        return
    found: list[str] = []

    def checked(part: Tensor) -> Tensor:
        found.extend(_not_finite(part, type(shift).__name__))
        return part

    shift.mapped(checked)
    if shift.ranks.is_split and shift.ranks.greatest(torch.tensor([len(found)], device=shift.device)) > 0:
        found.append(f"entries of {type(shift).__name__} on another process are NaN or infinite")
    if found:
        raise ValueError(
            f"{found[0]}; look for the first layer whose output fails torch.isfinite(output).all()"
        )


def _not_finite(part: Tensor, kind: str) -> list[str]:
    """What is wrong with the entries of ``part``, if anything is."""
    if part.detach().sum().isfinite():  # one pass, where nothing is wrong
        return []
    wrong = ~part.isfinite()
    if not wrong.any():
        return []
    place = wrong.nonzero()[0].tolist()
    return [
        f"{int(wrong.sum())} of {part.numel()} entries of {kind} are NaN or infinite, the first is "
        f"{float(part[tuple(place)])} at {place} of a {tuple(part.shape)} tensor (batch first)"
    ]
