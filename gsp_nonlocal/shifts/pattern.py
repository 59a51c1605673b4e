"""Where the entries of a sparse matrix are, in compressed rows, and products with it."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from filters.precision import wide_dtype


class Pattern:
    """Where the entries of a sparse matrix are; its transpose is found at first use and kept."""

    def __init__(self, rows: Int[Tensor, " N1"], columns: Int[Tensor, " E"]) -> None:
        self.rows, self.columns = rows, columns
        self._transposed: tuple[Pattern, Tensor] | None = None

    @classmethod
    def of(cls, row: Tensor, column: Tensor, num_nodes: int) -> tuple[Pattern, Tensor]:
        """The pattern of entries in any order, and the order in which it takes their values."""
        order = torch.argsort(row * num_nodes + column, stable=True)
        return cls(compressed(row, num_nodes), column[order]), order

    @property
    def num_nodes(self) -> int:
        """``N``."""
        return len(self.rows) - 1

    def target(self) -> Int[Tensor, " E"]:
        """Row of each entry."""
        nodes = torch.arange(self.num_nodes, device=self.rows.device)
        return nodes.repeat_interleave(self.rows.diff())

    def to(self, device: torch.device) -> Pattern:
        """The pattern on another device, or itself."""
        if device == self.rows.device:
            return self
        return Pattern(self.rows.to(device), self.columns.to(device))

    def transposed(self) -> tuple[Pattern, Tensor]:
        """The transposed pattern, and the order in which it takes the values."""
        if self._transposed is None:
            with torch.inference_mode(False):  # what is kept may be used in training later
                self._transposed = self._transpose()
        return self._transposed

    def _transpose(self) -> tuple[Pattern, Tensor]:
        order = torch.argsort(self.columns, stable=True)
        return Pattern(compressed(self.columns, self.num_nodes), self.target()[order]), order

    def times(self, values: Float[Tensor, " E"], z: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
        """The matrix with these values times ``z``."""
        return self._matrix(values) @ z

    def inner_products(self, y: Float[Tensor, "N K"], z: Float[Tensor, "N K"]) -> Float[Tensor, " E"]:
        """``⟨y_i, z_j⟩`` at every entry: the gradient of its value in ``⟨y, S z⟩``."""
        if len(self.columns) > self.num_nodes**2:  # PyTorch's kernel fails where duplicates are so many
            return (y[self.target()] * z[self.columns]).sum(-1)
        wide = wide_dtype(y.dtype)
        nothing = self._matrix(torch.zeros(len(self.columns), dtype=wide, device=y.device))
        return torch.sparse.sampled_addmm(nothing, y.to(wide), z.to(wide).mT, beta=0).values().to(y.dtype)

    def _matrix(self, values: Tensor) -> Tensor:
        size = (self.num_nodes, self.num_nodes)
        return torch.sparse_csr_tensor(self.rows, self.columns, values, size, check_invariants=False)


def compressed(indices: Tensor, num_nodes: int) -> Tensor:
    """Row pointers ``(N + 1,)`` of entries in these rows."""
    counts = torch.bincount(indices, minlength=num_nodes)
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])
