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

Norms = dict[type[nn.Module], type[nn.Module]]
_OVER_A_DIMENSION = ("Softmax", "Softmax2d", "Softmin", "LogSoftmax", "GLU", "MultiheadAttention")
_ALIKE: tuple[type[nn.Module], ...] = (
    *(getattr(activation, name) for name in activation.__all__ if name not in _OVER_A_DIMENSION),
    *(nn.Identity, nn.Dropout, Bias, PointwiseProjection),
)
"""Modules that act on every node alike."""
BATCH_NORMS: Norms = dict.fromkeys(
    (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm, RanksBatchNorm), RanksBatchNorm
)
_NORMS: Norms = {
    **BATCH_NORMS,
    **dict.fromkeys((nn.GroupNorm, RanksGroupNorm), RanksGroupNorm),
    **dict.fromkeys((nn.InstanceNorm1d, RanksInstanceNorm1d), RanksInstanceNorm1d),
}
"""Norms of PyTorch, and those over all nodes; a subclass has code of its own, which would be lost."""
_NO_NORMS: Norms = {}
"""In values, (B, N, C), a norm of (B, C, N) would take nodes for channels."""
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
    for unit in block.units:
        _require_alike(unit.norm)
        _require_alike(unit.activation)
        _require_alike(unit.value, _NO_NORMS)
        _require_no_norms(unit.filter)
    for affinity in affinities:
        affinity.ranks = ranks
    for unit in block.units:
        unit.norm = over_ranks(unit.norm, ranks, device_type)
        unit.activation = over_ranks(unit.activation, ranks, device_type)


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


def _require_alike(part: nn.Module, norms: Norms = _NORMS) -> None:
    """Raise unless a norm, an activation or a projection acts on every node alike, or is one of ``norms``."""
    for module in part.modules():
        if any(True for _ in module.children()) and type(module) is nn.Sequential:
            continue
        pointwise = isinstance(module, nn.Conv1d) and module.kernel_size == module.stride == (1,)
        running = isinstance(module, _InstanceNorm) and module.track_running_stats
        known = type(module) in norms and not running
        if not (pointwise or known or isinstance(module, _ALIKE) or getattr(module, "is_pointwise", False)):
            raise ValueError(
                f"NodeParallel does not know whether {module} acts on every node alike; give one that does "
                "the attribute is_pointwise = True, or use a batch, group or instance norm of PyTorch itself "
                "(no subclass) as the norm of the block"
            )


def _require_no_norms(part: nn.Module) -> None:
    """Raise for a filter that normalises: over which of its numbers, only its own code says."""
    for module in part.modules():
        if isinstance(module, _BatchNorm | _InstanceNorm | nn.GroupNorm):
            raise ValueError(
                f"NodeParallel does not know over which nodes {module} in {type(part).__name__} acts; use "
                "the norm of the block"
            )


def over_ranks(part: _Module, ranks: ProcessRanks, device_type: str, norms: Norms = _NORMS) -> _Module:
    """``part`` with its modules of the types ``norms`` over all nodes; one with several names stays one."""
    made: dict[nn.Module, nn.Module] = {}
    for module in list(part.modules()):
        if type(module) in norms and not getattr(module, "ranks", ALL_HERE).is_split:
            made[module] = _remade(module, norms[type(module)], ranks, device_type)
    for module in list(part.modules()):
        for name, child in module._modules.items():  # named_children() leaves second names out
            if child in made:
                module._modules[name] = made[child]
    return cast(_Module, made.get(part, part))


def _remade(norm: nn.Module, kind: type[nn.Module], ranks: ProcessRanks, device_type: str) -> nn.Module:
    """The same parameters and buffers in a module of another class."""
    if kind is RanksBatchNorm and device_type != "cpu":
        return nn.SyncBatchNorm.convert_sync_batchnorm(norm, ranks.group)
    other = kind.__new__(kind)
    other.__dict__.update(norm.__dict__)
    other.ranks = ranks  # type: ignore[assignment]
    return other
