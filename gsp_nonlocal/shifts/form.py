"""The choice between the dense and the low-rank association of an affinity."""

import os
from typing import Literal, get_args

import torch
from torch import Tensor

from filters.export import is_exporting
from filters.operators.ranks import ALL_HERE, Ranks

Form = Literal["auto", "dense", "low_rank"]


def choose_form(
    form: Form, num_nodes: int, inner_channels: int, ranks: Ranks = ALL_HERE
) -> Literal["dense", "low_rank"]:
    r"""The cheaper association of ``Â = ½ D^{-1/2} (q kᵀ + k qᵀ) D^{-1/2}``, by counted multiply-adds.

    For ``N`` nodes, ``r = inner_channels``, a signal of ``r`` channels and ``2r`` output channels, a
    first-order filter costs

    - dense: ``N² r`` for the matrix, ``N² r`` for ``Â z``, ``4 N r²`` for both mixings;
    - low-rank: ``2 N r²`` for ``Y``, ``2 N r²`` for the mixing of ``z``, ``4 N r²`` for ``left c``,

    so that dense is the cheaper one below ``N = 2r``. Higher orders only widen the gap in favour of
    low-rank: one more ``N² r`` each, against a Gram matrix of ``3 N r²`` once. Nodes that are divided over
    processes have no matrix anywhere, so that ``"auto"`` is low-rank for them, however few are here.

    Args:
        form: ``"auto"`` to choose; ``"dense"`` and ``"low_rank"`` are returned as they are.
        num_nodes: ``N``.
        inner_channels: ``r``.
        ranks: the processes that hold the nodes.

    Raises:
        ValueError: for another ``form``; for ``"dense"`` and divided nodes.

    Example:
        >>> choose_form("auto", 14 * 14, 512), choose_form("auto", 56 * 56, 128)
        ('dense', 'low_rank')
    """
    require_form(form)
    if ranks.is_split:
        if form == "dense":
            raise ValueError('nodes divided over processes have no dense form; use form="auto" or "low_rank"')
        return "low_rank"
    if form != "auto":
        return form
    if is_exporting():
        return "low_rank"  # the one that any size can pay
    mixing = num_nodes * inner_channels**2
    dense = 2 * num_nodes**2 * inner_channels + 4 * mixing
    low_rank = 8 * mixing
    return "dense" if dense < low_rank else "low_rank"


def require_form(form: str) -> None:
    """Raise a ``ValueError`` unless ``form`` is one of :data:`Form`."""
    if form not in get_args(Form):
        raise ValueError(f"unknown form {form!r}; choose one of: {', '.join(get_args(Form))}")


def require_room(factor: Tensor) -> None:
    """Raise a ``ValueError`` where the dense form ``(B, N, N)`` of ``factor (B, N, R)`` exceeds the whole
    memory of its device."""
    if torch.compiler.is_compiling() or is_exporting() or factor.is_meta:
        return
    batch, nodes = factor.shape[:2]
    needed, total = batch * nodes**2 * factor.element_size(), _memory(factor.device)
    if total is not None and needed > total:
        raise ValueError(
            f"the dense form of a graph of N = {nodes} nodes takes {needed:,} bytes for a batch of {batch}, "
            f'and {factor.device} has {total:,}; use form="low_rank", which grows with N, or put the block '
            "where maps are smaller"
        )


def _memory(device: torch.device) -> int | None:
    """Bytes of a device in all, where they are known."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    if device.type == "cpu" and hasattr(os, "sysconf"):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None
