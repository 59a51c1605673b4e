"""The graphs of a forward pass: which shift every nonlocal block and attention saw."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from gsp_nonlocal.probe.readers import Call, Entry, NotAGraphError, entry_of, known_kinds
from gsp_nonlocal.probe.trace import Trace
from gsp_nonlocal.shifts import ShiftOperator
from gsp_nonlocal.shifts.structure import stored_matrix
from gsp_nonlocal.spectral.response import Response

MAX_NODES = 2**20
"""Nodes kept by default, over all graphs of a forward pass: about a gigabyte at 64 channels."""


class SpectralProbe:
    r"""``y = H(S) z`` of every nonlocal block and attention in a forward pass of ``model``.

    Inside ``with`` each forward pass of the model replaces what the last one left. The model's output, modes
    and gradients stay as they are; hooks are removed at the end, also after an error. What is kept is what
    holds the shifts (queries and keys, factors) and the signals; an ``N × N`` matrix only for attention under
    a mask. Compiled modules run as they are written inside. A reader may run parts of a module once more,
    and with them the hooks of others. Where parts of the model are called in place of the model itself, their
    traces gather until the model is called.

    Args:
        model: any module with blocks of this library, ``nn.MultiheadAttention``, attention of timm or of
            Hugging Face's ViT, nonlocal blocks of mmcv or timm, or what :func:`register_reader` was told of.
        paths: only these modules; by default all.
        max_nodes: most nodes to keep, over images, heads and modules; where a graph is kept as a matrix,
            every 64 of its numbers count as a node.

    Attributes:
        modules: the watched modules by path.
        traces: what they did, by path, in order: one :class:`Trace` a stage, and a run of a recurrence.
        skipped: why a module that ran has no trace, by path.

    Raises:
        ValueError: if the model has no such module, or a path is not one of them; in the forward pass, beyond
            ``max_nodes``.

    Example:
        >>> from gsp_nonlocal import SNL
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), SNL(8, stages=2))
        >>> with SpectralProbe(model) as probe:
        ...     _ = model(torch.randn(2, 3, 10, 10))
        >>> probe.shifts["1"].shape, len(probe.traces["1"])
        (torch.Size([2, 64, 64]), 2)
        >>> probe.signals["1"].shape, probe.responses["1"][0].mean_gain.shape
        (torch.Size([2, 64, 4]), torch.Size([101]))
    """

    def __init__(
        self, model: nn.Module, paths: Sequence[str] | None = None, *, max_nodes: int = MAX_NODES
    ) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"a probe reads an nn.Module, got {type(model).__name__}")
        if max_nodes < 1:
            raise ValueError(f"max_nodes must be at least 1, got {max_nodes}")
        self.model, self.max_nodes = model, max_nodes
        self._watched = _chosen(find_readable(model), paths)
        self.modules = {path: model.get_submodule(path) for path, _, _ in self._watched}
        self.traces: dict[str, list[Trace]] = {}
        self.skipped: dict[str, str] = {}
        self._undo = ExitStack()

    @property
    def shifts(self) -> dict[str, ShiftOperator]:
        """The first shift of each module, ``(B·G, N, N)``."""
        return {path: traces[0].shift for path, traces in self.traces.items()}

    @property
    def signals(self) -> dict[str, Tensor]:
        """What the first filter of each module was given, ``(B·G, N, C)``."""
        return {path: traces[0].signal for path, traces in self.traces.items()}

    @property
    def responses(self) -> dict[str, list[Response]]:
        """The responses of the first filter of each module that has some; computed anew at each use."""
        return {
            path: traces[0].respond(None)
            for path, traces in self.traces.items()
            if traces[0].respond is not None
        }

    def __enter__(self) -> SpectralProbe:
        self._undo.enter_context(_eagerly())
        self._undo.callback(self.model.register_forward_pre_hook(lambda *_: self._clear()).remove)
        for path, module, entry in self._watched:
            handle = module.register_forward_hook(self._hook(path, entry), with_kwargs=True)
            self._undo.callback(handle.remove)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()

    def _clear(self) -> None:
        if not _in_backward():
            self.traces.clear()
            self.skipped.clear()

    def _hook(self, path: str, entry: Entry) -> Any:
        def read(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            if _in_backward():  # checkpointing runs modules again there
                return
            call = Call(args, kwargs, output)
            try:
                with torch.no_grad(), torch.random.fork_rng(_cuda_devices(call)):
                    for trace in entry.reader(module, call):
                        self._keep(path, trace, call)
            except NotAGraphError as error:
                self.skipped[path] = str(error)

        return read

    def _keep(self, path: str, trace: Trace, call: Call) -> None:
        batch, nodes, _ = trace.signal.shape
        held = sum(map(_size, [trace, *(kept for traces in self.traces.values() for kept in traces)]))
        if held > self.max_nodes:
            raise ValueError(
                f"{path or 'the model itself'} has {batch} graphs of {nodes} nodes; with them the probe "
                f"would hold {held} nodes, more than its budget max_nodes={self.max_nodes}; pass fewer or "
                "smaller images, name the modules wanted with paths=[...], or raise max_nodes"
            )
        own = _own(call)
        kept = replace(trace, shift=trace.shift.mapped(own), signal=own(trace.signal))
        self.traces.setdefault(path, []).append(kept)


def _size(trace: Trace) -> int:
    """Nodes of a trace; of a graph that is kept as a matrix, every 64 numbers count as one."""
    nodes, matrix = trace.signal.shape[:2].numel(), stored_matrix(trace.shift)
    return nodes if matrix is None else max(nodes, matrix.numel() // 64)


def _eagerly() -> AbstractContextManager[object]:
    """Compiled modules run as they are written inside: compiled code takes no hooks."""
    compiled = "torch._dynamo" in sys.modules  # without it nothing is, and to import it takes a second
    return torch.compiler.set_stance("force_eager") if compiled else nullcontext()


def _in_backward() -> bool:
    return torch._C._current_graph_task_id() != -1


def _tensors(call: Call) -> list[Tensor]:
    """The tensors among what a module was given and what it returned."""
    return [part for part in (*call.args, *call.kwargs.values(), call.output) if isinstance(part, Tensor)]


def _cuda_devices(call: Call) -> set[torch.device]:
    return {part.device for part in _tensors(call) if part.is_cuda}


def _own(call: Call) -> Callable[[Tensor], Tensor]:
    """A tensor without gradients, copied where the model may write to it after the call."""
    shared = {part.untyped_storage().data_ptr() for part in _tensors(call)}

    def own(part: Tensor) -> Tensor:
        return part.detach().clone() if part.untyped_storage().data_ptr() in shared else part.detach()

    return own


Watched = tuple[str, nn.Module, Entry]
"""The path that a trace is reported under, the module that is hooked, and how it is read."""


def find_readable(model: nn.Module) -> list[Watched]:
    """Every module that a reader knows, but for those inside of another one.

    Raises:
        ValueError: if there is none; names the modules that were seen and how to register one.
    """
    found: list[Watched] = []
    inside: tuple[str, ...] = ()
    for path, module in model.named_modules():
        entry = entry_of(module)
        if entry is None or path.startswith(inside):
            continue
        inside = (*inside, f"{path}." if path else "")
        found.append((_block_path(path, entry.levels), module, entry))
    if not found:
        raise ValueError(
            f"{type(model).__name__} has no nonlocal block and no attention that is known, only modules "
            f"of the kinds {', '.join(sorted({type(module).__name__ for module in model.modules()}))}. "
            f"Known are {', '.join(known_kinds())}; tell of another with "
            "gsp_nonlocal.probe.register_reader(kind, reader), or put a block in with "
            'gsp_nonlocal.insert_blocks(model, {"path.of.a.module": SNL})'
        )
    return found


@contextmanager
def evaluation(model: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients; every module's mode is restored afterwards."""
    modes = {module: module.training for module in model.modules()}
    try:
        with torch.no_grad():
            model.eval()
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _block_path(path: str, levels: int) -> str:
    return ".".join(path.split(".")[: len(path.split(".")) - levels])


def _chosen(found: list[Watched], paths: Sequence[str] | None) -> list[Watched]:
    if paths is None:
        return found
    known = {path for path, _, _ in found}
    for path in paths:
        if path not in known:
            raise ValueError(f"there is nothing to read at {path!r}; choose among {', '.join(sorted(known))}")
    return [watched for watched in found if watched[0] in paths]
