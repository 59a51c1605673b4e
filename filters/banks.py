"""Filters of graph networks by name, as compositions: banks of responses, each with its own ``W``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce
from operator import add

from torch import Tensor

from filters.bernstein import Bernstein
from filters.chebyshev import Chebyshev
from filters.checks import require_integer, require_number, require_order, require_positive
from filters.composition import GraphFilter
from filters.elementary import Aggregation, Diffusion
from filters.monomial import Monomial
from filters.spectral_function import SpectralFunction


def bank(in_channels: int, out_channels: int, responses: Sequence[GraphFilter]) -> GraphFilter:
    r"""``y = Σ_j g_j(S) z W_j``: a bank of fixed responses, each with its own learned ``W_j``.

    Args:
        in_channels: channels of ``z (B, N, in)``.
        out_channels: channels of ``y (B, N, out)``.
        responses: ``g_1, …, g_J``, of any number of channels, such as ``Heat(1.0)``.

    Raises:
        ValueError: if there is no response, or a number is out of range.

    References:
        Liao et al. (2024), *Benchmarking Spectral Graph Neural Networks*, as its filter banks.

    Example:
        >>> import torch
        >>> from filters import Heat, Wave
        >>> bank(3, 5, [Heat(1.0), Wave(2.0)])(torch.randn(2, 10, 3), torch.eye(10)).shape
        torch.Size([2, 10, 5])
    """
    if not responses:
        raise ValueError("a bank needs at least one response, got none")
    return reduce(add, (Chebyshev(in_channels, out_channels, order=0) @ g for g in responses))


def fagcn(in_channels: int, out_channels: int, order: int = 1, epsilon: float = 0.3) -> GraphFilter:
    r"""``y = (εI + S)^K z W_1 + (εI − S)^K z W_2``: low and high frequencies apart.

    Args:
        in_channels, out_channels: as in :func:`bank`.
        order: ``K ≥ 0``.
        epsilon: ``ε``, in ``[0, 1]``.

    Raises:
        ValueError: if a number is out of range.

    References:
        Bo, Wang, Shi, Shen (2021), *Beyond Low-frequency Information in Graph Convolutional Networks*
        (FAGCN). Deviation: theirs weighs the two at every edge by attention; that is no filter.

    Example:
        >>> import torch
        >>> fagcn(1, 1, order=2)(torch.randn(1, 10, 1), torch.eye(10)).shape
        torch.Size([1, 10, 1])
    """
    order, epsilon = require_order(order), _between("epsilon", epsilon, 0.0, 1.0)
    parts = [partial(_power, sign=sign, epsilon=epsilon, order=order) for sign in (1.0, -1.0)]
    return bank(in_channels, out_channels, [_response(part, "FAGCN", order) for part in parts])


def g2cn(
    in_channels: int,
    out_channels: int,
    sharpness: float = 1.0,
    centres: Sequence[float] = (0.0, 2.0),
    order: int = 40,
) -> GraphFilter:
    r"""``y = Σ_j exp(−T (L − c_j)²) z W_j``: Gaussians about graph frequencies.

    Args:
        in_channels, out_channels: as in :func:`bank`.
        sharpness: ``T > 0``.
        centres: ``c_j``, in ``[0, 2]``.
        order: degree of the approximation where a shift has no exact form.

    Raises:
        ValueError: if a number is out of range, or there is no centre.

    References:
        Li et al. (2022), *G²CN: Graph Gaussian Convolution Networks with Concentrated Graph Filters*.
        Deviation: exact, where theirs takes ``K`` factors ``I − (T/K) (L − c)²``.

    Example:
        >>> import torch
        >>> g2cn(1, 1).response(torch.tensor([0.0, 2.0])).shape
        torch.Size([2, 1, 1])
    """
    sharpness = require_positive("sharpness", sharpness)
    centres = [_between("a centre", centre, 0.0, 2.0) for centre in centres]
    parts = [partial(_gaussian, sharpness=sharpness, centre=centre) for centre in centres]
    return bank(in_channels, out_channels, [_response(part, "G²CN", order) for part in parts])


def gnn_lf(
    in_channels: int, out_channels: int, mu: float = 0.5, alpha: float = 0.1, order: int = 40
) -> GraphFilter:
    r"""``y = ((m + 1/α − 1) I + (2 − m − 1/α) S)⁻¹ (m I + (1 − m) S) z W``: low frequencies.

    Args:
        in_channels, out_channels: as in :func:`bank`.
        mu: ``m``, in ``[0.5, 1)``.
        alpha: ``α``, in ``(0, 1)``.
        order: degree of the approximation where a shift has no exact form.

    Raises:
        ValueError: if a number is out of range.

    References:
        Zhu, Wang, Shi, Ji, Cui (2021), *Interpreting and Unifying Graph Neural Networks with An Optimization
        Framework* (GNN-LF, closed form).

    Example:
        >>> import torch
        >>> f = gnn_lf(1, 1)
        >>> gain = f.response(torch.tensor([0.0, 2.0])).abs().flatten()
        >>> bool(gain[1] < 1e-6 * gain[0])
        True
    """
    mu, alpha = _between("mu", mu, 0.5, 0.999), _between("alpha", alpha, 0.001, 0.999)
    g = partial(_quotient, above=(mu, 1 - mu), below=(mu + 1 / alpha - 1, 2 - mu - 1 / alpha))
    return bank(in_channels, out_channels, [_response(g, "GNN-LF", order)])


def gnn_hf(
    in_channels: int, out_channels: int, beta: float = 1.0, alpha: float = 0.1, order: int = 40
) -> GraphFilter:
    r"""``y = ((β + 1/α) I + (1 − β − 1/α) S)⁻¹ (I + β L) z W``: with a share of high frequencies.

    Args:
        in_channels, out_channels: as in :func:`bank`.
        beta: ``β ≥ 0``.
        alpha: ``α``, in ``(0, 1)``.
        order: degree of the approximation where a shift has no exact form.

    Raises:
        ValueError: if a number is out of range.

    References:
        Zhu, Wang, Shi, Ji, Cui (2021), as :func:`gnn_lf` (GNN-HF, closed form).

    Example:
        >>> import torch
        >>> gnn_hf(2, 3)(torch.randn(1, 10, 2), torch.eye(10)).shape
        torch.Size([1, 10, 3])
    """
    beta, alpha = _between("beta", beta, 0.0, 1e6), _between("alpha", alpha, 0.001, 0.999)
    g = partial(_quotient, above=(1 + beta, -beta), below=(beta + 1 / alpha, 1 - beta - 1 / alpha))
    return bank(in_channels, out_channels, [_response(g, "GNN-HF", order)])


def acm(in_channels: int, out_channels: int, order: int = 1) -> GraphFilter:
    r"""``y = S^K z W_1 + (S − I)^K z W_2 + z W_3``: aggregation, diversification, identity.

    Args:
        in_channels, out_channels: as in :func:`bank`.
        order: ``K ≥ 1``.

    Raises:
        ValueError: if a number is out of range.

    References:
        Luan et al. (2022), *Revisiting Heterophily For Graph Neural Networks* (ACM-GNN). Deviation: theirs
        has a ReLU in each of the three and weighs them at every node by attention; that is no filter.

    Example:
        >>> import torch
        >>> acm(2, 3)(torch.randn(1, 10, 2), torch.eye(10)).shape
        torch.Size([1, 10, 3])
    """
    order = require_integer("order", order)
    sides = [Aggregation(in_channels, out_channels, order), Diffusion(in_channels, out_channels, order)]
    return reduce(add, [*sides, Chebyshev(in_channels, out_channels, order=0)])


def figure(in_channels: int, out_channels: int, order: int = 10) -> GraphFilter:
    r"""``y = Σ_k S^k z A_k + Σ_k T_k(S) z B_k + Σ_k b_k(L) z C_k``: three bases side by side.

    Args:
        in_channels, out_channels: as in :func:`bank`.
        order: degree ``K ≥ 0`` of each.

    Raises:
        ValueError: if a number is out of range.

    References:
        Ekbote et al. (2023), *FiGURe: Simple and Efficient Unsupervised Node Representations with Filter
        Augmentations*, as pyg_spectral has it.

    Example:
        >>> import torch
        >>> figure(2, 3, order=2)(torch.randn(1, 10, 2), torch.eye(10)).shape
        torch.Size([1, 10, 3])
    """
    bases = [family(in_channels, out_channels, order) for family in (Monomial, Chebyshev, Bernstein)]
    return reduce(add, bases)


def _response(g: partial[Tensor], name: str, order: int) -> SpectralFunction:
    return SpectralFunction(g, order=order, name=name)


def _power(lam: Tensor, sign: float, epsilon: float, order: int) -> Tensor:
    return (epsilon + sign * (1 - lam)) ** order


def _gaussian(lam: Tensor, sharpness: float, centre: float) -> Tensor:
    return (-sharpness * (lam - centre).square()).exp()


def _quotient(lam: Tensor, above: tuple[float, float], below: tuple[float, float]) -> Tensor:
    mu = 1 - lam
    return (above[0] + above[1] * mu) / (below[0] + below[1] * mu)


def _between(name: str, value: float, low: float, high: float) -> float:
    value = require_number(name, value)
    if not low <= value <= high:
        raise ValueError(f"{name} must be in [{low:g}, {high:g}], got {value:g}")
    return value
