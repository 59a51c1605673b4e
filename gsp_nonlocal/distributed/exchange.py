"""Do all processes bring parts of one map? Asked at each call, in twenty numbers, and answered by name."""

from __future__ import annotations

from typing import Any, NamedTuple
from zlib import crc32

import torch
import torch.distributed as dist
from torch import Tensor, nn

from gsp_nonlocal.distributed.process_ranks import ProcessRanks

_DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


class Brought(NamedTuple):
    """What the parts of one map have in common."""

    samples: int
    channels: int
    dtype: int
    autocast: int
    has_nodes: int
    learns: int
    training: int
    is_map: int
    given_gradients: int = 0
    pattern: int = 0

    @classmethod
    def of(cls, module: nn.Module, x: Any) -> Brought:
        """Of the ``x`` that a block is called with.

        ``pattern`` is a checksum of which weights learn and which modules train: each that does sends sums.
        """
        is_map = isinstance(x, Tensor) and x.dim() >= 3
        if not is_map:
            return cls(0, 0, -1, 0, 0, 0, int(module.training), 0)
        learns = torch.is_grad_enabled() and (
            x.requires_grad or any(p.requires_grad for p in module.parameters())
        )
        dtype = _DTYPES.index(x.dtype) if x.dtype in _DTYPES else -1
        autocast = torch.is_autocast_enabled(x.device.type)
        nodes = int(x.shape[2:].numel() > 0)
        samples, channels = x.shape[:2]
        numbers = samples, channels, dtype, int(autocast), nodes, int(learns), int(module.training), 1
        return cls(*numbers, int(torch.is_grad_enabled() and x.requires_grad), _pattern(module))

    def __str__(self) -> str:
        if not self.is_map:
            return "no map (B, C, *spatial)"
        words = [f"batch {self.samples}", f"{self.channels} channels"]
        words.append(str(_DTYPES[self.dtype]) if self.dtype >= 0 else "another data type")
        words += ["autocast"] * self.autocast + ["no positions"] * (not self.has_nodes)
        words.append("with gradients" if self.learns else "without gradients")
        words.append("that asks for its gradient" if self.given_gradients else "that asks for none")
        words.append("in training" if self.training else "in evaluation")
        return ", ".join([*words, f"pattern {self.pattern} of frozen weights and modules in evaluation"])


def _pattern(module: nn.Module) -> int:
    learns = (p.requires_grad and torch.is_grad_enabled() for p in module.parameters())
    return crc32(bytes([*learns, *(part.training for part in module.modules())]))


def require_parts_of_one_map(ranks: ProcessRanks, module: nn.Module, x: Any) -> None:
    """Raise on every process where ``x`` is not a part of the map that the others bring.

    Each process asks at each call, since it cannot know whether another one's map is a new one: had only the
    first of a shape been compared, the process with the old shape would not come.

    Raises:
        ValueError: names what each process brings.
        ConnectionError: where one of them has ended.
    """
    own = Brought.of(module, x)
    numbers = torch.tensor([*own, *(-value for value in own)])
    most = ranks.reduced(numbers.to(ranks.small_device), dist.ReduceOp.MAX).tolist()
    if all(high == -low for high, low in zip(most[: len(own)], most[len(own) :], strict=True)):
        return
    found = "; ".join(f"rank {place}: {brought}" for place, brought in ranks.told(own))
    raise ValueError(
        "the processes that hold the nodes of one map bring maps that do not fit together, which may differ "
        f"in their positions alone: {found}"
    )
