"""Laws of affinities."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import functional_call

from gsp_nonlocal.affinity import Affinity
from gsp_nonlocal.blocks import NonlocalBlock
from gsp_nonlocal.testing.law import Measured, changed, device_of, drawn, gradients, obey, relative
from gsp_nonlocal.testing.shift_laws import promises_kept

_SINGLE = 1e-4
"""How far float32 may be from float64."""


class _Case(NamedTuple):
    """An affinity in float64 and evaluation mode, features, their grid; whether it knows the grid."""

    affinity: Affinity
    nodes: Tensor
    spatial: tuple[int, ...]
    arranged: bool


def check_affinity(
    affinity: Affinity,
    channels: int,
    spatial: Sequence[int] = (3, 4),
    *,
    arranged: bool = False,
    seed: int = 0,
) -> None:
    """``S(P X) = P S(X) Pᵀ`` and the other laws of an affinity, in float64, on its device.

    It keeps what it promises for features of every scale, describes itself truly, keeps samples apart, is
    close to itself in float32, the same twice, and its gradients are those of its values.

    Args:
        affinity: called ``affinity(nodes, spatial)``; it is copied, and stays as it is.
        channels: of the node features that it takes.
        spatial: size of the map.
        arranged: whether it knows where a position is on the map, so that no permutation of the positions
            gives the permuted graph.
        seed: of the features.

    Raises:
        AssertionError: names the laws that the affinity breaks.

    Example:
        >>> from gsp_nonlocal import ReLUDot
        >>> check_affinity(ReLUDot(4, 2), 4)
    """
    nodes = drawn(2, prod(spatial), channels, seed=seed, device=device_of(affinity))
    case = _Case(copy.deepcopy(affinity).double().eval(), nodes, tuple(spatial), arranged)
    obey(affinity, AFFINITY_LAWS, case)


def _inputs(nodes: Tensor) -> dict[str, Tensor]:
    """Features of every scale, and those at which degrees vanish or one position outweighs all."""
    dominant = nodes.clone()
    dominant[:, -1] *= 1e3
    scales = {f"{scale:g} x": scale * nodes for scale in (1.0, 1e-4, 1e2, 1e4, 0.0)}
    return {**scales, "equal nodes": nodes[:, :1].expand_as(nodes), "one dominant node": dominant}


def _promised(case: _Case) -> Iterator[Measured]:
    """An affinity promises what each of its shifts promises, and keeps."""
    for name, x in _inputs(case.nodes).items():
        shift = case.affinity(x, case.spatial)
        dense = shift.to_dense()
        yield Measured(f"number of entries of {name} that are not finite", int((~dense.isfinite()).sum()))
        yield Measured(f"difference of S z of {name}", relative(shift @ x, dense @ x), 1e-10)
        pairs = zip(shift.promises, case.affinity.promises, strict=True)
        yield Measured(f"number of other promises of {name}", sum(a != b for a, b in pairs))
        yield from (finding._replace(what=f"{finding.what} of {name}") for finding in promises_kept(shift))


def _described(case: _Case) -> Iterator[Measured]:
    """A block describes what its affinity promises."""
    row = NonlocalBlock(case.nodes.shape[-1], affinity=lambda *_: case.affinity).describe()
    shift = case.affinity(case.nodes, case.spatial)
    bound = "no bound" if shift.spectral_bound is None else f"|μ| ≤ {shift.spectral_bound:g}"
    said = (row.symmetric == "yes", row.spectrum, row.shift)
    true = (shift.is_symmetric, bound, case.affinity.equation)
    yield Measured("number of words that differ", sum(a != b for a, b in zip(said, true, strict=True)))


def _single(case: _Case) -> Iterator[Measured]:
    """An affinity in float32 is close to that in float64."""
    found = copy.deepcopy(case.affinity).float()(case.nodes.float(), case.spatial)
    expected = case.affinity(case.nodes, case.spatial).to_dense()
    yield Measured("difference", relative(found.to_dense().double(), expected), _SINGLE)


def _permuted(case: _Case) -> Iterator[Measured]:
    """An affinity is equivariant to permutations of the positions, unless it knows where they are."""
    if not case.arranged:
        order = torch.randperm(case.nodes.shape[1], generator=torch.Generator().manual_seed(0))
        expected = case.affinity(case.nodes, case.spatial).to_dense()[:, order][:, :, order]
        found = case.affinity(case.nodes[:, order], case.spatial).to_dense()
        yield Measured("difference", relative(found, expected), 1e-10)


def _apart(case: _Case) -> Iterator[Measured]:
    """Samples of a batch do not touch each other in an affinity."""
    whole, alone = (case.affinity(x, case.spatial).to_dense() for x in (case.nodes, case.nodes[:1]))
    yield Measured("difference", relative(whole[:1], alone), 1e-11)


def _differentiable(case: _Case) -> Iterator[Measured]:
    """Gradients of an affinity in features and parameters are those of its values."""
    z = drawn(1, case.nodes.shape[1], 2, seed=3, device=case.nodes.device)

    def run(state: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
        shift = functional_call(case.affinity, state, (x, case.spatial))
        return shift @ z, shift.T @ z

    yield gradients(case.affinity, run, case.nodes[:1])


def _repeatable(case: _Case) -> Iterator[Measured]:
    """An affinity gives the same twice and changes none of its inputs."""
    tensors = [case.nodes, *case.affinity.state_dict().values()]
    before = [tensor.clone() for tensor in tensors]
    first, again = (case.affinity(case.nodes, case.spatial).to_dense() for _ in range(2))
    yield Measured("number of entries that differ", int((first != again).sum()))
    yield Measured("number of changed inputs", changed(tensors, before))


AFFINITY_LAWS = (_promised, _described, _single, _permuted, _apart, _differentiable, _repeatable)
