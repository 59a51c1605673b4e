"""Nonlocal blocks of other packages, read as the block of this library that does the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import nn

from gsp_nonlocal.blocks import NonlocalBlock
from gsp_nonlocal.interop import mmcv
from gsp_nonlocal.nodes import to_nodes
from gsp_nonlocal.probe.readers import Call, NotAGraphError, read_unit
from gsp_nonlocal.probe.trace import Trace


def read_converted(
    convert: Callable[[nn.Module], NonlocalBlock], module: nn.Module, call: Call
) -> Iterable[Trace]:
    """What the block ``convert(module)`` sees: weights are copied at each call.

    Args:
        convert: gives the block, with the module's weights.
        module: a nonlocal block.
        call: a call of it with a map ``(B, C, *spatial)``.

    Raises:
        NotAGraphError: for a module that cannot be converted.
    """
    x = call.argument(0, "x")
    try:
        block = convert(module)
    except (TypeError, ValueError) as error:
        raise NotAGraphError(f"this block cannot be read: {error}") from error
    nodes, spatial = to_nodes(x), x.shape[2:]
    yield from read_unit(block.units[0], Call((nodes, block.affinity(nodes, spatial), spatial), {}, None))


def read_mmcv(module: Any, call: Call) -> Iterable[Trace]:
    """A nonlocal block of mmcv: see :func:`read_converted`.

    Args:
        module: a ``NonLocal1d``, ``NonLocal2d`` or ``NonLocal3d``.
        call: a call of it.

    Raises:
        NotAGraphError: for a block with max pooling, and as above.
    """
    if module.sub_sample:
        raise NotAGraphError(
            "max pooling of values is not linear: no matrix does the same; build it with sub_sample=False"
        )
    yield from read_converted(mmcv.convert, module, call)
