"""From a block whose nodes are all here to one that asks its processes for all that meets them."""

from __future__ import annotations

from typing import TypeVar, cast

from torch import nn
from torch.nn.modules import activation
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from filters.operators.ranks import ALL_HERE
from gsp_nonlocal.affinity import Affinity
from gsp_nonlocal.blocks import NonlocalBlock
from gsp_nonlocal.distributed.norms_over_ranks import RanksBatchNorm, RanksGroupNorm, RanksInstanceNorm1d
from gsp_nonlocal.distributed.process_ranks import ProcessRanks
from gsp_nonlocal.nodes import Bias, PointwiseProjection, Positions, PositionsAndChannels

_OVER_A_DIMENSION = ("Softmax", "Softmax2d", "Softmin", "LogSoftmax", "GLU", "MultiheadAttention")
_ALIKE: tuple[type[nn.Module], ...] = (
    *(getattr(activation, name) for name in activation.__all__ if name not in _OVER_A_DIMENSION),
    *(nn.Identity, nn.Dropout, Bias, PointwiseProjection),
)
"""Modules that act on every node alike."""
_NORMS: dict[type[nn.Module], type[nn.Module]] = {
    _BatchNorm: RanksBatchNorm,
    nn.GroupNorm: RanksGroupNorm,
    _InstanceNorm: RanksInstanceNorm1d,
}
"""Norms of PyTorch, and those over all nodes."""
_Module = TypeVar("_Module", bound=nn.Module)


def divide(block: NonlocalBlock, ranks: ProcessRanks, device_type: str) -> None:
    """Hand ``ranks`` to all parts of the ``block`` that meet nodes, once each is known to be able to.

    Raises:
        ValueError: for a part that is not, before anything is changed.
    """
    affinities = [module for module in block.modules() if isinstance(module, Affinity)]
    for affinity in affinities:
        _require_divisible(affinity)
    if type(block.vertices) not in (Positions, PositionsAndChannels):
        raise ValueError(f"NodeParallel does not know the vertices {block.vertices!r}; use Positions()")
    others = [part for unit in block.units for part in (unit.value, unit.norm, unit.activation)]
    for part in others:
        _require_alike(part)
    for affinity in affinities:
        affinity.ranks = ranks
    for unit in block.units:
        unit.norm = over_ranks(unit.norm, ranks, device_type)
        unit.activation = over_ranks(unit.activation, ranks, device_type)
        unit.value = over_ranks(unit.value, ranks, device_type)


def _require_divisible(affinity: Affinity) -> None:
    if affinity.ranks.is_split:
        raise ValueError("the nodes of this block are divided already; make a new one to divide it otherwise")
    pooling = getattr(affinity, "sub_sample", None)
    obstacle = (
        affinity.obstacle if pooling is None else f"sub_sample={pooling!r} pools neighbouring positions"
    )
    if obstacle is not None:
        raise ValueError(
            f"the nodes of {type(affinity).__name__} cannot be divided over processes: {obstacle}; use SNL, "
            "whose nodes meet in sums, or NL, NS, DNL, A2, GC or CGNL, without sub_sample"
        )


def _require_alike(part: nn.Module) -> None:
    """Raise unless a norm, an activation or a projection acts on every node alike, or is a norm that is
    known."""
    for module in part.modules():
        if any(True for _ in module.children()) and type(module) is nn.Sequential:
            continue
        pointwise = isinstance(module, nn.Conv1d) and module.kernel_size == module.stride == (1,)
        running = isinstance(module, _InstanceNorm) and module.track_running_stats
        known = isinstance(module, _BatchNorm | nn.GroupNorm | _InstanceNorm) and not running
        if not (pointwise or known or isinstance(module, _ALIKE) or getattr(module, "is_pointwise", False)):
            raise ValueError(
                f"NodeParallel does not know whether {module} acts on every node alike; give one that does "
                "the attribute is_pointwise = True, or use a batch, group or instance norm of PyTorch"
            )


def over_ranks(
    part: _Module, ranks: ProcessRanks, device_type: str, kinds: tuple[type[nn.Module], ...] = tuple(_NORMS)
) -> _Module:
    """``part`` with its norms of these ``kinds`` over all nodes."""
    for name, child in part.named_children():
        part.add_module(name, over_ranks(child, ranks, device_type, kinds))
    kind = next((kind for kind in kinds if isinstance(part, kind)), None)
    if kind is None or getattr(part, "ranks", ALL_HERE).is_split:
        return part
    if kind is _BatchNorm and device_type != "cpu":
        return cast(_Module, nn.SyncBatchNorm.convert_sync_batchnorm(part, ranks.group))
    return cast(_Module, _remade(part, _NORMS[kind], ranks))


def _remade(norm: nn.Module, kind: type[nn.Module], ranks: ProcessRanks) -> nn.Module:
    """The same parameters and buffers in a module of another class."""
    other = kind.__new__(kind)
    other.__dict__.update(norm.__dict__)
    other.ranks = ranks  # type: ignore[assignment]
    return other
