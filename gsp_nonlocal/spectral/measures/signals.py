"""How rough a signal is on a graph."""

from __future__ import annotations

from torch import Tensor

from filters.checks import require_tensor
from filters.precision import wide_dtype
from gsp_nonlocal.shifts import ShiftOperator, as_shift


def dirichlet_energy(z: Tensor, shift: ShiftOperator | Tensor) -> Tensor:
    r"""``tr(zᵀ L z) / tr(zᵀ z)``, ``L = I − S``: the mean graph frequency of a signal.

    0: the signal is as smooth as the graph allows; 2: it alternates along every edge. A zero signal
    has energy 0. (For ``S`` that is not symmetric its symmetric part counts.)

    Args:
        z: node signal ``(B, N, C)``, real.
        shift: a shift over ``N`` nodes, or a plain tensor.

    Returns:
        ``(B,)``, in the data type of ``z``, differentiable; between the least and the greatest ``λ`` of
        ``½ (S + Sᵀ)``: in ``[0, 2]`` for a symmetric normalised shift.

    Raises:
        TypeError: if ``z`` is not a real floating-point tensor.
        ValueError: if ``z`` is not ``(B, N, C)`` with the ``N`` of the shift.

    References:
        Chung (1997), *Spectral Graph Theory*, 1.2; Cai, Wang (2020) for its use against over-smoothing.

    Example:
        >>> import torch
        >>> pair = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        >>> dirichlet_energy(torch.tensor([[[1.0], [1.0]], [[1.0], [-1.0]]]), pair)
        tensor([0., 2.])
    """
    unit, shift = _fitted(z, shift)
    power = shift.ranks.sum(unit.square().sum(dim=(-2, -1)))
    rough = shift.ranks.sum((unit * (unit - shift @ unit)).sum(dim=(-2, -1)))
    return (rough / power.masked_fill(power == 0, 1.0)).to(z.dtype)


def total_variation(z: Tensor, shift: ShiftOperator | Tensor) -> Tensor:
    r"""``Σ |z − S z| / Σ |z|``: how much a signal differs from what its neighbours say of it.

    0: every node has the value that it collects, ``S z = z``. An eigenvector of ``μ`` has ``|1 − μ|``, the
    modulus of its frequency. A zero signal has variation 0.

    Args:
        z: node signal ``(B, N, C)``, real.
        shift: a shift over ``N`` nodes, or a plain tensor.

    Returns:
        ``(B,)``, in the data type of ``z``, differentiable where no entry of ``z − S z`` is 0; in
        ``[0, 1 + c]`` with the greatest sum ``c`` of ``|S|`` down a column. That is ``[0, 2]`` where columns
        sum to 1. Where only rows do, as in attention, a node that all others look at makes ``c`` large: up to
        ``N``.

    Raises:
        TypeError: if ``z`` is not a real floating-point tensor.
        ValueError: if ``z`` is not ``(B, N, C)`` with the ``N`` of the shift.

    References:
        Sandryhaila, Moura (2014), *Discrete Signal Processing on Graphs: Frequency Analysis*.

    Deviations:
        Divided by ``Σ |z|``, so that the scale of the signal does not matter. ``S`` is taken as it is, where
        the paper divides it by the greatest ``|μ|``; normalised shifts have that equal to 1.

    Example:
        >>> import torch
        >>> pair = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        >>> total_variation(torch.tensor([[[1.0], [1.0]], [[1.0], [-1.0]]]), pair)
        tensor([0., 2.])
    """
    unit, shift = _fitted(z, shift)
    size = shift.ranks.sum(unit.abs().sum(dim=(-2, -1)))
    varied = shift.ranks.sum((unit - shift @ unit).abs().sum(dim=(-2, -1)))
    return (varied / size.masked_fill(size == 0, 1.0)).to(z.dtype)


def _fitted(z: Tensor, shift: ShiftOperator | Tensor) -> tuple[Tensor, ShiftOperator]:
    """The signal scaled to a greatest value of 1 and the shift, in float32 or better, if they fit."""
    shift = as_shift(shift)
    nodes = shift.shape[-1]
    if not require_tensor("a signal", z).is_floating_point():
        raise TypeError(f"a signal is a real floating-point tensor, got {z.dtype}; convert it with .float()")
    if z.dim() != 3 or z.shape[1] != nodes:
        raise ValueError(
            f"a signal on this graph has shape (B, {nodes}, C), got {tuple(z.shape)}; "
            "turn a feature map (B, C, H, W) into one with x.flatten(2).mT"
        )
    dtype = wide_dtype(z)
    greatest = shift.ranks.greatest(z.detach().abs().amax(dim=(-2, -1), keepdim=True).to(dtype))
    return z.to(dtype) / greatest.masked_fill(greatest == 0, 1.0), shift.to(dtype)
