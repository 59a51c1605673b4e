"""Laws of nonlocal blocks."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gsp_nonlocal.blocks import NonlocalBlock
from gsp_nonlocal.testing.law import Measured, changed, device_of, drawn, obey, relative
from gsp_nonlocal.testing.shift_laws import promises_kept

_SINGLE = 1e-4
"""How far float32 may be from float64."""
_SPATIAL = ((7,), (6, 5), (3, 4, 2))


class _Case(NamedTuple):
    """A block in float64 and evaluation mode, with open gates; maps; whether it knows where a position is."""

    block: NonlocalBlock
    maps: list[Tensor]
    arranged: bool


def check_block(
    block: NonlocalBlock,
    spatial: Sequence[Sequence[int]] = _SPATIAL,
    *,
    arranged: bool = False,
    seed: int = 0,
) -> None:
    """``y(x) = x`` for ``γ = 0``, and the other laws of a nonlocal block, in float64, on its device.

    Gradients reach every parameter within three steps; ``y(P x) = P y(x)`` unless it knows the arrangement;
    it is the same in every memory layout, after copies and from disk, and what it says of itself is true.

    Args:
        block: any; it is copied, and stays as it is.
        spatial: sizes of maps that it takes: by default of one, two and three dimensions.
        arranged: whether it knows where a position is on the map, so that another arrangement of the same
            positions gives another result.
        seed: of the maps.

    Raises:
        AssertionError: names the laws that the block breaks.

    Example:
        >>> from gsp_nonlocal import SNL
        >>> check_block(SNL(4))
    """
    maps = [drawn(2, block.channels, *size, seed=seed, device=device_of(block)) for size in spatial]
    obey(block, BLOCK_LAWS, _Case(with_gates(copy.deepcopy(block).double().eval(), 0.7), maps, arranged))


def with_gates(block: NonlocalBlock, value: float) -> NonlocalBlock:
    """The block with its gates at ``value``: above 0 as after some training."""
    with torch.no_grad():
        for gate in _gates(block):
            gate.fill_(value)
    return block


def _gates(block: nn.Module) -> list[nn.Parameter]:
    return [parameter for name, parameter in block.named_parameters() if name.endswith("gate")]


def _shaped(case: _Case) -> Iterator[Measured]:
    """A block keeps the shape of a map, and is finite."""
    for x in case.maps:
        y, shape = case.block(x), tuple(x.shape)
        yield Measured(f"number of other shapes than {shape}", int(y.shape != x.shape))
        yield Measured(f"number of values of {shape} that are not finite", int((~y.isfinite()).sum()))


def _closed(case: _Case) -> Iterator[Measured]:
    """A block with closed gates is the identity."""
    block = with_gates(copy.deepcopy(case.block), 0.0)
    if _gates(block):
        for x in case.maps:
            yield Measured("number of values that differ", int((block(x) != x).sum()))


def _learning(case: _Case) -> Iterator[Measured]:
    """Gradients reach every parameter of a block within three steps from its closed gates."""
    for x in case.maps:
        block = with_gates(copy.deepcopy(case.block).train(), 0.0)
        target = drawn(*x.shape, seed=5, device=x.device)
        optimiser = torch.optim.SGD(block.parameters(), lr=0.1)
        alive: set[str] = set()
        for _ in range(3):
            optimiser.zero_grad()
            (block(x) - target).square().mean().backward()
            alive |= {n for n, p in block.named_parameters() if p.grad is not None and bool(p.grad.any())}
            optimiser.step()
        dead = {name for name, _ in block.named_parameters()} - alive
        yield Measured(f"number of parameters without gradient ({', '.join(sorted(dead))})", len(dead))


def _apart(case: _Case) -> Iterator[Measured]:
    """Samples of a batch do not touch each other in a block that is not trained."""
    x = case.maps[0]
    yield Measured("difference", relative(case.block(x)[:1], case.block(x[:1])), 1e-11)


def _anywhere(case: _Case) -> Iterator[Measured]:
    """A block sees positions and not their arrangement, unless it says so."""
    for x in [] if case.arranged else case.maps:
        order = torch.randperm(x[0, 0].numel(), generator=torch.Generator().manual_seed(0))
        flat = case.block(x).flatten(2)
        yield Measured("difference of a flat map", relative(case.block(x.flatten(2)), flat), 1e-12)
        moved = case.block(x.flatten(2)[..., order])
        yield Measured("difference of a permuted map", relative(moved, flat[..., order]), 1e-11)


def _layouts(case: _Case) -> Iterator[Measured]:
    """Values and gradients of a block are the same in every memory layout."""
    for x in (x for x in case.maps if x.dim() == 4):
        outcomes = []
        for given in (x, x.to(memory_format=torch.channels_last)):
            block, given = copy.deepcopy(case.block).train(), given.detach().requires_grad_()
            y = block(given)
            y.square().sum().backward()
            outcomes.append([y, given.grad, *(p.grad for p in block.parameters())])
        for value, expected in zip(*outcomes, strict=True):
            found = ((value - expected).norm() / expected.norm().clamp_min(1.0)).item()
            yield Measured("difference", found, 1e-9)


def _described(case: _Case) -> Iterator[Measured]:
    """The description of a block is that of its shift, and true."""
    said, unit, x = case.block.describe(), case.block.units[0], 3 * case.maps[0]
    if said.response.startswith("none"):
        return
    shift = case.block.shift(x)
    if unit.affinity is not None:
        shift = shift + unit.affinity(x.flatten(2).mT, x.shape[2:])
    bound = "no bound" if shift.spectral_bound is None else f"|μ| ≤ {shift.spectral_bound:g}"
    true = ("yes" if shift.is_symmetric else "no", bound, unit.filter.formula)
    words = (said.symmetric, said.spectrum, said.response[: len(unit.filter.formula)])
    yield Measured("number of words that differ", sum(a != b for a, b in zip(words, true, strict=True)))
    yield from promises_kept(shift)


def _copied(case: _Case) -> Iterator[Measured]:
    """A block survives copies, pickles and the disk."""
    buffer, x = io.BytesIO(), case.maps[0]
    torch.save(case.block.state_dict(), buffer)
    buffer.seek(0)
    loaded = with_gates(copy.deepcopy(case.block), 0.0)
    loaded.load_state_dict(torch.load(buffer, weights_only=True))
    for name, twin in {
        "a copy": copy.deepcopy(case.block),
        "the disk": loaded,
        "a pickle": case.block,
    }.items():
        twin = pickle.loads(pickle.dumps(twin)) if name == "a pickle" else twin
        yield Measured(f"number of other classes of {name}", int(type(twin) is not type(case.block)))
        yield Measured(f"number of values of {name} that differ", int((twin(x) != case.block(x)).sum()))


def _repeatable(case: _Case) -> Iterator[Measured]:
    """A block gives the same twice, changing none of its inputs, and close to it in float32."""
    tensors = [*case.maps, *case.block.state_dict().values()]
    before = [tensor.clone() for tensor in tensors]
    for x in case.maps:
        y = case.block(x)
        yield Measured("number of values that differ", int((case.block(x) != y).sum()))
        found = copy.deepcopy(case.block).float()(x.float())
        yield Measured("difference in float32", relative(found.double(), y), _SINGLE)
    yield Measured("number of changed inputs", changed(tensors, before))


def _placed(case: _Case) -> Iterator[Measured]:
    """A block is made on the device and of the data type that it is asked for."""
    kind = type(case.block)
    parameters = inspect.signature(kind).parameters.values()
    swallowing = [p for p in parameters if p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    yield Measured("number of arguments that swallow misspelt names", len(swallowing))
    made = kind(case.block.channels, device=torch.device("meta"), dtype=torch.float64)
    other = [p for p in made.parameters() if (p.device.type, p.dtype) != ("meta", torch.float64)]
    yield Measured("number of parameters elsewhere or of another type", len(other))


BLOCK_LAWS = (
    _shaped,
    _closed,
    _learning,
    _apart,
    _anywhere,
    _layouts,
    _described,
    _copied,
    _repeatable,
    _placed,
)
