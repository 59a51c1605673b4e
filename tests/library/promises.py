"""Whether what a shift promises is true of its numbers."""

import torch

from filters import ShiftOperator


def assert_kept(shift: ShiftOperator) -> None:
    """Symmetry by the entries, row sums by the rows, the bound by the eigenvalues, in float64."""
    dense = shift.to_dense().double()
    rounding = 1e3 * torch.finfo(shift.dtype).eps
    if shift.is_symmetric:
        assert (dense - dense.mT).abs().max() <= rounding * dense.abs().max().clamp_min(1e-30)
    if shift.is_row_stochastic:
        sums = dense.sum(-1)
        assert (dense >= 0).all()
        assert (((sums - 1).abs() < max(1e-9, rounding)) | (sums == 0)).all()
    if shift.spectral_bound is not None:
        balanced = dense.where(dense.abs() > 1e-200, 0.0)  # LAPACK cannot balance smaller numbers
        assert torch.linalg.eigvals(balanced).abs().max() <= shift.spectral_bound + max(1e-6, rounding)
