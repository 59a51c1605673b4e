"""A nonlocal block on a map whose positions are divided over processes."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor
from torch.distributed.tensor.parallel import ParallelStyle
from torch.nn.parallel import DistributedDataParallel

from filters.checks import require_flag
from gsp_nonlocal.blocks import NonlocalBlock
from gsp_nonlocal.distributed.divide import divide
from gsp_nonlocal.distributed.exchange import require_parts_of_one_map
from gsp_nonlocal.distributed.process_ranks import ProcessRanks


class NodeParallel(ParallelStyle):
    r"""A nonlocal block on one map whose positions are divided over the processes of a mesh, exactly.

    Each process calls the block with its own part ``(B, C, *spatial)`` of the map, any positions in any
    number, and gets the result at these: what one process would compute of the whole map, to rounding. What
    meets all nodes does so in sums, which are all-reduced: ``O(R² + R C)`` numbers a step for a low-rank
    affinity of rank ``R``, however many nodes there are. A softmax over keys (``NL``, ``NS``, ``DNL``) gets
    keys and values of the other processes in turn.

    Gradients of inputs are those of the sum of the processes' losses. Those of weights are summed over the
    mesh as they arise. Weights and buffers are those of the first process, or of ``src_data_rank``.

    Norms inside become norms over all nodes: ``nn.SyncBatchNorm`` on an accelerator, on a CPU an equivalent,
    both with the same state.

    Args:
        sum_gradients: ``False`` where ``DistributedDataParallel`` (or FSDP) over these processes adds the
            gradients up, as it does for the rest of the network; the two together are refused.

    Raises:
        TypeError: for a module that is no :class:`NonlocalBlock`, or a mesh of several dimensions.
        ValueError: for a block whose nodes meet otherwise: criss-cross, pyramids, pooled keys, sorted
            nodes, norms that are not known; at the call, on all processes, where their maps do not fit
            together.
        ConnectionError: at the call, where another process has ended or does not come in time.

    References:
        Liu, Zaharia, Abbeel (2024), *Ring Attention with Blockwise Transformers for Near-Infinite Context*,
        for keys and values that go round.

    Example:
        Every process of ``torchrun --nproc-per-node 4 train.py``::

            mesh = init_device_mesh("cpu", (4,))
            model = insert_blocks(torchvision.models.resnet50(), {"layer3.4": SNL})
            parallelize_module(model, mesh, {"layer3.4.nonlocal_block": NodeParallel()})

        A group of one process, which has all nodes:

        >>> from tempfile import TemporaryDirectory
        >>> from torch.distributed.device_mesh import DeviceMesh
        >>> from torch.distributed.tensor.parallel import parallelize_module
        >>> from gsp_nonlocal import SNL
        >>> with TemporaryDirectory() as folder:
        ...     meeting = f"file://{folder}/meeting"
        ...     torch.distributed.init_process_group("gloo", init_method=meeting, rank=0, world_size=1)
        ...     block = parallelize_module(SNL(8), DeviceMesh("cpu", [0]), NodeParallel())
        ...     block(torch.randn(1, 8, 6, 6)).shape
        ...     torch.distributed.destroy_process_group()
        torch.Size([1, 8, 6, 6])
    """

    def __init__(self, *, sum_gradients: bool = True) -> None:
        super().__init__()
        self.sum_gradients = require_flag("sum_gradients", sum_gradients)

    def _apply(self, module: nn.Module, device_mesh: DeviceMesh) -> nn.Module:
        if not isinstance(module, NonlocalBlock):
            raise TypeError(
                f"NodeParallel divides the nodes of a nonlocal block, got a {type(module).__name__}; name "
                'the block itself, for example {"layer3.4.nonlocal_block": NodeParallel()}'
            )
        if device_mesh.ndim != 1:
            raise TypeError(f'name one dimension of the mesh, such as mesh["nodes"], got {device_mesh}')
        ranks = ProcessRanks(device_mesh.get_group())
        divide(module, ranks, device_mesh.device_type)
        if self.src_data_rank is not None:
            for tensor in (*module.parameters(), *module.buffers()):
                ranks.overwrite(tensor.detach(), self.src_data_rank)
        module.register_forward_pre_hook(partial(_before, ranks, self.sum_gradients))
        _sum_gradients(module, ranks, self.sum_gradients)
        return module

    def __repr__(self) -> str:
        return f"NodeParallel(sum_gradients={self.sum_gradients})"


def _before(ranks: ProcessRanks, sum_gradients: bool, module: nn.Module, args: tuple[Any, ...]) -> None:
    """Before each call that is not compiled: do the parts fit, and is every gradient summed once?"""
    if torch.compiler.is_compiling() or not ranks.is_split:  # a block that was saved is whole again
        return
    require_parts_of_one_map(ranks, module, args[0])
    if sum_gradients:
        _refuse_summing_twice(ranks)
    _sum_gradients(module, ranks, sum_gradients)


def _sum_gradients(module: nn.Module, ranks: ProcessRanks, wanted: bool) -> None:
    """Sum what arrives at each parameter; a copy of a module has new ones, which are met at its first
    call."""
    for parameter in module.parameters() if wanted else ():
        if isinstance(parameter, DTensor) or not parameter.is_leaf:  # what is derived leads to what is summed
            continue
        if getattr(parameter, "summed_over", None) is ranks:
            continue
        frozen = not parameter.requires_grad
        parameter.requires_grad_()
        parameter.register_hook(partial(_summed, ranks))
        parameter.requires_grad_(not frozen)
        parameter.summed_over = ranks  # type: ignore[attr-defined]


def _summed(ranks: ProcessRanks, grad: Tensor) -> Tensor:
    return ranks.sum(grad)


def _refuse_summing_twice(ranks: ProcessRanks) -> None:
    active = DistributedDataParallel._get_active_ddp_module()
    if active is not None and set(ranks.members) <= set(_members(active)):
        raise ValueError(
            "DistributedDataParallel over these processes adds up the gradients of the block as well; use "
            "NodeParallel(sum_gradients=False)"
        )


def _members(active: DistributedDataParallel) -> list[int]:
    return torch.distributed.get_process_group_ranks(active.process_group)
