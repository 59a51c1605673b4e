"""The nodes of a graph divided over processes: what meets them all, by collectives of one group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any, NoReturn, ParamSpec, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from filters.operators.by_hand import HandDifferentiated
from filters.operators.ranks import ALL_HERE, Ranks
from filters.precision import widened

_P = ParamSpec("_P")
_T = TypeVar("_T")


def _together(collective: Callable[_P, _T]) -> Callable[_P, _T]:
    """Decorate a method whose collectives fail where another process has ended or stays away."""

    @wraps(collective)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        if torch.compiler.is_compiling():
            return collective(*args, **kwargs)
        try:
            return collective(*args, **kwargs)
        except dist.DistError as error:
            _give_up(error)
        except RuntimeError as error:
            if "gloo" not in str(error) and "imeout" not in str(error) and "Connection" not in str(error):
                raise
            _give_up(error)

    return run


def _give_up(error: RuntimeError) -> NoReturn:
    first = str(error).strip().splitlines()[0]
    raise ConnectionError(
        "another process that holds nodes of this graph has ended, or did not come to the same step in time: "
        "look for its own error. How long to wait is the timeout of the process group, for example "
        f"init_process_group(timeout=timedelta(seconds=60)). PyTorch says: {first}"
    ) from error


class ProcessRanks(Ranks):
    r"""The processes of one group, each with a part of the nodes of one graph: any part, of any size.

    Sums are all-reduced, and so are their cotangents: each process has the gradients of its own nodes, and
    of its copy of the weights a part that adds up over the processes.

    A copy by ``copy.deepcopy`` is the same object. Saved by ``torch.save`` it is read as :data:`ALL_HERE`:
    a group belongs to its processes.

    Args:
        group: of ``torch.distributed``, of any backend.

    Raises:
        ConnectionError: by each of the sums and exchanges, where another process has ended or does not come
            in time.

    References:
        Design: :doc:`/scale`.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     meeting = f"file://{folder}/meeting"
        ...     dist.init_process_group("gloo", init_method=meeting, rank=0, world_size=1)
        ...     ranks = ProcessRanks(dist.group.WORLD)
        ...     ranks.mean(torch.tensor([[[1.0], [3.0]]])).item()  # over the nodes of all processes
        ...     dist.destroy_process_group()
        2.0
    """

    is_split = True

    def __init__(self, group: dist.ProcessGroup) -> None:
        self.group = group
        self.size = dist.get_world_size(group)
        self.members = dist.get_process_group_ranks(group)
        self._place = dist.get_rank(group)

    @property
    def place(self) -> int:
        return self._place

    def sum(self, part: Tensor) -> Tensor:
        if part.is_complex():
            return torch.complex(self.sum(part.real), self.sum(part.imag))
        return _Sum.apply(part, self)

    @_together
    def reduced(self, part: Tensor, op: Any) -> Tensor:
        """The all-reduced copy of ``part``, without gradients."""
        total = part.detach().clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, op=op, group=self.group)
        return total

    def greatest(self, part: Tensor) -> Tensor:
        return self.reduced(part, dist.ReduceOp.MAX)

    def count(self, x: Tensor) -> Tensor:
        return self.reduced(widened(x.new_empty(0)).new_full((1,), x.shape[1]), dist.ReduceOp.SUM)[0]

    def mean(self, x: Tensor) -> Tensor:
        wide = widened(x)  # half precision ends at 65,504, numbers of nodes do not
        total = self.sum(
            torch.cat([wide.sum(1, keepdim=True), wide.new_full(x[:, :1, :1].shape, x.shape[1])], -1)
        )
        return (total[..., :-1] / total[..., -1:]).to(x.dtype)

    def softmax(self, x: Tensor) -> Tensor:
        wide = widened(x)
        weights = (wide - self.greatest(wide.amax(dim=1, keepdim=True))).exp()
        return (weights / self.sum(weights.sum(dim=1, keepdim=True))).to(x.dtype)

    @_together
    def gathered(self, part: Tensor) -> list[Tensor]:
        part, counts = part.detach().contiguous(), self._counts(part.shape[1])
        room = [part.new_empty(part.shape[0], count, part.shape[2]) for count in counts]
        for place, other in enumerate(room):  # sizes differ, which all_gather does not take everywhere
            other = part if place == self.place else other
            dist.broadcast(other, group=self.group, group_src=place)
            room[place] = other
        return room

    @_together
    def agreed(self, value: Tensor) -> Tensor:
        value = value.detach().clone(memory_format=torch.contiguous_format)
        numbers = torch.view_as_real(value) if value.is_complex() else value
        dist.broadcast(numbers, group=self.group, group_src=0)
        return value

    def turns(self, *parts: Tensor) -> Iterator[Sequence[Tensor]]:
        joined, widths = torch.cat(parts, dim=-1).detach(), [part.shape[-1] for part in parts]
        for place, count in enumerate(self._counts(joined.shape[1])):
            own = place == self.place
            room = joined if own else joined.new_empty(joined.shape[0], count, joined.shape[2])
            yield self._told(room, place).split(widths, dim=-1)

    @_together
    def _told(self, room: Tensor, place: int) -> Tensor:
        dist.broadcast(room, group=self.group, group_src=place)
        return room

    @_together
    def returned(self, turn: int, part: Tensor) -> Tensor | None:
        part = part.contiguous()
        dist.reduce(part, group=self.group, group_dst=turn)
        return part if turn == self.place else None

    @property
    def small_device(self) -> torch.device:
        """The device of small numbers, the CPU if the group has a way there."""
        if "cpu" in str(dist.get_backend_config(self.group)):
            return torch.device("cpu")
        return torch.device("cuda", torch.cuda.current_device())

    @_together
    def told(self, value: _T) -> list[tuple[int, _T]]:
        """The number of each process in the world, and its ``value``: for messages."""
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value, group=self.group)
        return list(zip(self.members, values, strict=True))

    @_together
    def overwrite(self, tensor: Tensor, place: int) -> None:
        """Give ``tensor`` the numbers that it has at process ``place``."""
        same = tensor.contiguous()
        dist.broadcast(same, group=self.group, group_src=place)
        tensor.copy_(same)

    @_together
    def _counts(self, nodes: int) -> list[int]:
        """How many nodes each process has."""
        counts = torch.zeros(self.size, dtype=torch.int64, device=self.small_device)
        counts[self.place] = nodes
        dist.all_reduce(counts, group=self.group)
        return counts.tolist()

    def __deepcopy__(self, memo: dict[int, Any]) -> ProcessRanks:
        return self

    def __reduce__(self) -> str | tuple[Any, ...]:
        return _alone, ()


def _alone() -> Ranks:
    return ALL_HERE


class _Sum(HandDifferentiated):
    """A sum over the processes; backward, the sum of their cotangents."""

    @staticmethod
    def forward(part: Tensor, ranks: ProcessRanks) -> Tensor:
        total = ranks.reduced(part, dist.ReduceOp.SUM)
        # PyTorch 2.11 compiles a gradient of zeros for a result that was changed in place
        return total.clone() if torch.compiler.is_compiling() else total

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ProcessRanks], output: Tensor) -> None:
        """Keep what :meth:`backward` asks."""
        ctx.ranks = inputs[1]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """Itself differentiable."""
        return _Sum.apply(grad, ctx.ranks), None
