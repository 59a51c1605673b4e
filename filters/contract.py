"""What a graph filter does when it is called."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from filters.operators.linear import require_real_floating
from filters.operators.plain import DiagonalShift, as_shift, recognised
from filters.operators.shift import ShiftOperator
from filters.operators.signal import Signal, materialise
from filters.precision import wide_dtype, without_autocast


def is_built(module: nn.Module, family: type[nn.Module], method: str) -> bool:
    """Whether all that ``method`` may use is there, now that the ``__init__`` of ``family`` is at its end.

    It is not where a class down to the one that writes the method has an ``__init__`` still to end.
    """
    line = type(module).__mro__
    writer = next(index for index, kind in enumerate(line) if method in vars(kind))
    return not any("__init__" in vars(kind) for kind in line[writer : line.index(family)])


class Contract(nn.Module, ABC):
    """What every filter has, composed or not: the call with its checks and its precision, and the response.

    :class:`filters.composition.GraphFilter` adds the arithmetic ``f + g``, ``f @ g``, ``a * f``, beside the
    filters that it makes.
    """

    in_channels: int | None
    out_channels: int | None
    requires_symmetric: bool = False
    formula: str = "H(μ)"

    @property
    def uses_graph(self) -> bool:
        """Whether ``S`` has a part in the result; if not, an affinity behind it gets no gradient."""
        return True

    @abstractmethod
    def filter_signal(self, shift: ShiftOperator, z: Signal) -> Signal:
        """``H(S) z`` in terms of the shift's own signals (see ``ShiftOperator.signal``)."""

    def forward(self, z: Tensor, shift: ShiftOperator | Tensor) -> Tensor:
        """Filter ``z`` on the graph ``shift``.

        Args:
            z: node signal ``(B, N, in_channels)``.
            shift: a shift over ``N`` nodes, or a plain tensor ``(B, N, N)`` or ``(N, N)``.

        Returns:
            ``(B, N, out_channels)``, in the data type of ``z``.

        Raises:
            TypeError: if ``z`` is not real floating-point, or ``shift`` is no shift.
            ValueError: if the number of channels or of nodes does not fit; if there is no node, or the two
                are on different devices; if the filter needs a symmetric shift and this is none.
        """
        if self.requires_symmetric and isinstance(shift, Tensor):
            shift = recognised(shift)
        shift = as_shift(shift)
        self._check(z, shift)
        dtype = wide_dtype(z, shift)
        with without_autocast(z):
            shift = shift.to(dtype).prepared()
            y = self.filter_signal(shift, shift.signal(z.to(dtype)))
            return materialise(y).to(z.dtype)

    def response(self, lam: Tensor) -> Tensor:
        r"""Frequency response ``H(λ)``, by running the filter itself on ``S = diag(1 − λ)``.

        Args:
            lam: graph frequencies ``λ ∈ [0, 2]``, shape ``(F,)``.

        Returns:
            ``(F, in_channels, out_channels)``: at each frequency the matrix that acts on the
            channels from the right, ``ŷ(λ) = ẑ(λ) H(λ)``; ``(F, 1, 1)`` for a filter of any channels.
        """
        require_real_floating(lam, "graph frequencies")
        if lam.dim() != 1:
            raise ValueError(f"frequencies have shape (F,), got {tuple(lam.shape)}")
        if not lam.isfinite().all():
            raise ValueError(f"frequencies must be finite, got {lam[~lam.isfinite()][0]}")
        unit = torch.eye(self.in_channels or 1, dtype=lam.dtype, device=lam.device)
        probe = unit.unsqueeze(1).expand(-1, lam.shape[0], -1)
        return self(probe, DiagonalShift(1 - lam)).transpose(0, 1)

    def _check(self, z: Tensor, shift: ShiftOperator) -> None:
        require_real_floating(z, "a node signal")
        fits = self.in_channels is None or z.shape[-1] == self.in_channels  # a size may be a symbol: no `in`
        if z.dim() != 3 or not fits:
            channels = "C" if self.in_channels is None else f"C={self.in_channels}"
            raise ValueError(f"a node signal has shape (B, N, {channels}), got {tuple(z.shape)}")
        batch, nodes = shift.shape[0], shift.shape[-1]
        if nodes == 0:
            raise ValueError(f"a graph needs at least one node, got a shift of shape {tuple(shift.shape)}")
        if shift.device != z.device:
            raise ValueError(
                f"the shift is on {shift.device} and the signal on {z.device}; move one with .to(device)"
            )
        if nodes != z.shape[1] or batch not in (1, z.shape[0]):
            raise ValueError(
                f"shift {tuple(shift.shape)} does not fit the signal {tuple(z.shape)}: "
                "both need the same number of nodes, and the same batch size or a batch of 1"
            )
        if self.requires_symmetric and not shift.is_symmetric:
            raise ValueError(
                f"{self} needs a symmetric shift, and {shift} does not promise to be one; pass "
                "DenseShift(matrix, is_symmetric=True) if it is, use a symmetric normalisation, or a "
                "polynomial or rational filter"
            )
