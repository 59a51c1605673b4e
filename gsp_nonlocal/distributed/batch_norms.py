"""Batch norms of a network whose maps are divided over processes."""

from __future__ import annotations

from typing import TypeVar

from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.nn.modules.batchnorm import _BatchNorm

from gsp_nonlocal.distributed.divide import BATCH_NORMS, over_ranks
from gsp_nonlocal.distributed.process_ranks import ProcessRanks

_Module = TypeVar("_Module", bound=nn.Module)


def join_batch_norms(network: _Module, mesh: DeviceMesh) -> _Module:
    r"""``y = w (x − m) / √(v + ε) + b`` with means ``m`` and variances ``v`` over the maps of all processes.

    What :class:`NodeParallel` does within a block, for the backbone around it: frames, tiles or samples on
    each process, in any number. On an accelerator every batch norm becomes ``nn.SyncBatchNorm``, on a CPU,
    where that refuses, an equivalent. The network is changed in place; keys and values of its state stay.

    Gradients of inputs are those of the sum of the processes' losses; those of weights are parts that
    ``DistributedDataParallel`` (or FSDP) over these processes adds up.

    Args:
        network: maps ``(B, C, *spatial)`` or features ``(B, C)`` at its batch norms, at least one position on
            each process.
        mesh: of one dimension.

    Returns:
        The network; another module if it is a batch norm itself.

    Raises:
        TypeError: for a mesh of several dimensions; before anything is changed, for a subclass of a batch
            norm. At the call, a ``NotImplementedError`` for a second derivative on a CPU.

    References:
        Ioffe, Szegedy (2015), with the moments of all processes.

    Example:
        A group of one process, which has all maps:

        >>> import torch
        >>> from tempfile import TemporaryDirectory
        >>> backbone = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
        >>> with TemporaryDirectory() as folder:
        ...     meeting = f"file://{folder}/meeting"
        ...     torch.distributed.init_process_group("gloo", init_method=meeting, rank=0, world_size=1)
        ...     backbone = join_batch_norms(backbone, DeviceMesh("cpu", [0]))
        ...     backbone(torch.randn(2, 3, 8, 8)).shape
        ...     torch.distributed.destroy_process_group()
        torch.Size([2, 8, 6, 6])
    """
    if mesh.ndim != 1:
        raise TypeError(f'name one dimension of the mesh, such as mesh["nodes"], got {mesh}')
    for name, module in network.named_modules():
        if isinstance(module, _BatchNorm) and type(module) not in BATCH_NORMS:
            raise TypeError(
                f"{name or 'the network'} is a {type(module).__name__}, a batch norm with code of its own, "
                "which would be lost; use nn.BatchNorm1d, 2d or 3d itself, and a module for the rest"
            )
    return over_ranks(network, ProcessRanks(mesh.get_group()), mesh.device_type, BATCH_NORMS)
