"""The graphs of a forward pass: which shift every nonlocal block and attention saw."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from filters.checks import require_module
from gsp_nonlocal.probe.attention import Attention, AttentionMode, trace_of
from gsp_nonlocal.probe.attention.circuit import Respond
from gsp_nonlocal.probe.attention.mode import Kept
from gsp_nonlocal.probe.modules import (
    ProbeError,
    Running,
    find_readable,
    nothing_read,
    unseen,
    without_a_trace,
)
from gsp_nonlocal.probe.notebook import probe_html
from gsp_nonlocal.probe.readers import Call, Entry, NotAGraphError
from gsp_nonlocal.probe.trace import CrossTrace, Trace
from gsp_nonlocal.shifts import ShiftOperator
from gsp_nonlocal.spectral.response import Response

MAX_NODES = 2**20
"""Nodes kept by default, over all graphs of a forward pass: about a gigabyte at 64 channels."""


OnProduct = Callable[[str, Trace | CrossTrace, Attention, Tensor], None]


class SpectralProbe:
    r"""``y = H(S) z`` of every nonlocal block and attention in a forward pass of ``model``.

    Attention of any library is read by the functions that compute it: ``scaled_dot_product_attention``,
    ``multi_head_attention_forward``, ``flex_attention``, and a softmax followed by a product with values.
    Blocks of this library, of mmcv and timm's nonlocal block are read by their class, which shows their
    response; that of attention is found by the linear maps around its heads.

    Inside ``with`` each forward pass of the model replaces what the last one left. The model's output, modes
    and gradients stay as they are (but that ``nn.MultiheadAttention`` leaves its fast path, another kernel);
    hooks are removed at the end, also after an error. What is kept is what holds the shifts (queries and
    keys, factors) and the signals; an ``N × N`` matrix only where the model formed it and its queries and
    keys are not known. Compiled modules run as they are written inside. Where parts of the model are called
    in place of the model itself, their traces gather until the model is called.

    Args:
        model: any module.
        paths: only these modules; by default all.
        max_nodes: most nodes to keep, over images, heads and modules; where a graph is kept as a matrix,
            every 64 of its numbers count as a node.
        on_product: called at each attention that is read by its function, with its path, its trace, what was
            seen of it, and the product ``A z`` that the model goes on with, as it is, with gradients.

    Attributes:
        modules: the modules that left a trace, by path.
        traces: what they did, by path, in order: one :class:`Trace` a call, a stage, and a run of a
            recurrence.
        crossings: likewise, a :class:`CrossTrace` a call of cross-attention, which has no square matrix.
        skipped: why a module that ran has no trace, by path; those that are called like attention and left
            none are there too.

    Raises:
        TypeError: if ``model`` is no module.
        ValueError: if a path is none of its modules.
        ProbeError: in the forward pass, beyond ``max_nodes``, and at its end if nothing was read.

    Example:
        >>> from gsp_nonlocal import SNL
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), SNL(8, stages=2))
        >>> with SpectralProbe(model) as probe:
        ...     _ = model(torch.randn(2, 3, 10, 10))
        >>> probe.shifts["1"].shape, len(probe.traces["1"])
        (torch.Size([2, 64, 64]), 2)
        >>> probe.signals["1"].shape, probe.responses["1"][0].mean_gain.shape
        (torch.Size([2, 64, 4]), torch.Size([101]))
        >>> layer = nn.TransformerEncoderLayer(8, 2, batch_first=True)
        >>> with SpectralProbe(layer) as probe:
        ...     _ = layer(torch.randn(3, 5, 8))
        >>> probe.shifts["self_attn"].shape
        torch.Size([6, 5, 5])
    """

    def __init__(
        self,
        model: nn.Module,
        paths: Sequence[str] | None = None,
        *,
        max_nodes: int = MAX_NODES,
        on_product: OnProduct | None = None,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"a probe reads an nn.Module, got {type(model).__name__}")
        if max_nodes < 1:
            raise ValueError(f"max_nodes must be at least 1, got {max_nodes}")
        self.model, self.max_nodes, self._on_product = model, max_nodes, on_product
        self._running = Running(model)
        self._running.require(paths or ())
        self.paths = None if paths is None else set(paths)
        self._watched = find_readable(model)
        self.modules: dict[str, nn.Module] = {}
        self.traces: dict[str, list[Trace]] = {}
        self.crossings: dict[str, list[CrossTrace]] = {}
        self.skipped: dict[str, str] = {}
        self._seen: set[str] = set()
        self._order: list[tuple[str, int]] = []
        self._held = self._images = 0
        self._is_reading = False
        self._undo = ExitStack()

    @property
    def blocks(self) -> dict[str, nn.Module]:
        """The modules that are read by their class, by path, whether they run or not."""
        found = {path: self.model.get_submodule(path) for path, _, _ in self._watched}
        return {path: block for path, block in found.items() if self._is_wanted(path)}

    @property
    def in_order(self) -> list[tuple[str, Trace]]:
        """Every trace with its path, as they came in the forward pass."""
        return [(path, self.traces[path][place]) for path, place in self._order]

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

    def _repr_html_(self) -> str:
        return probe_html(self.modules, self.traces, self.crossings, self.skipped)

    def __enter__(self) -> SpectralProbe:
        self._undo.enter_context(_eagerly())
        self._undo.callback(self.model.register_forward_pre_hook(self._start, with_kwargs=True).remove)
        for path, module, entry in self._watched:
            handle = module.register_forward_hook(self._hook(path, entry), with_kwargs=True)
            self._undo.callback(handle.remove)
        self._undo.enter_context(self._running)
        self._undo.callback(self.model.register_forward_hook(self._finish).remove)
        self._undo.enter_context(AttentionMode(self._see, self._unread))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()

    def _start(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if _in_backward():
            return
        for kept in (self.modules, self.traces, self.crossings, self.skipped):
            kept.clear()
        self._running.called.clear()
        self._seen.clear()
        self._order.clear()
        self._held = 0
        given = _tensors(Call(args, kwargs, None))
        self._images = next((len(part) for part in given if part.dim() > 1), 0)

    def _finish(self, *_: Any) -> None:
        """Name what looks like attention and left no trace; raise where nothing was read."""
        if _in_backward():
            return
        read = {path for path, _, _ in self._watched} | self._seen | self.skipped.keys()
        alike = unseen(self._running.called, read)
        for path in sorted((self.paths or set()) - read - alike.keys()):
            known = ", ".join(sorted(self._seen)) or "nothing: no attention and no nonlocal block ran"
            raise ProbeError(f"there is nothing to read at {path!r}; choose among {known}")
        self.skipped |= {path: without_a_trace(kind) for path, kind in alike.items() if self._is_wanted(path)}
        if not read and not alike:
            raise ProbeError(nothing_read(self.model))

    def _is_wanted(self, path: str) -> bool:
        return self.paths is None or path in self.paths

    def _unread(self, reason: str) -> None:
        """Name a module with attention that is no graph, unless a block that is read by class does it."""
        path = self._running.path
        if self._is_wanted(path) and not (_in_backward() or self._is_reading or self._is_in_a_block(path)):
            self.skipped.setdefault(path, reason)

    def _see(self, found: Attention) -> Kept | None:
        """Keep an attention for the module that runs it, unless a block that is read by class does."""
        path = self._running.path
        if _in_backward() or self._is_reading or self._is_in_a_block(path):
            return None
        self._seen.add(path)
        if not self._is_wanted(path):
            return None
        trace = trace_of(found, self._images, self._running.nearby)
        self._keep(path, trace)
        returned = _ignore if self._on_product is None else partial(self._on_product, path, trace, found)
        if isinstance(trace, CrossTrace):
            return Kept(_ignore, partial(self._retract, path), returned)
        return Kept(partial(_attach, self.traces[path], len(self.traces[path]) - 1), lambda: None, returned)

    def _retract(self, path: str) -> None:
        """Take the last cross-attention of a module back."""
        self._held -= _size(self.crossings[path].pop())
        if not self.crossings[path]:
            del self.crossings[path]

    def _is_in_a_block(self, path: str) -> bool:
        blocks = (block for block, _, _ in self._watched)
        return any(path == block or path.startswith(f"{block}." if block else "") for block in blocks)

    def _hook(self, path: str, entry: Entry) -> Any:
        def read(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            if _in_backward():  # checkpointing runs modules again there
                return
            self._seen.add(path)
            if not self._is_wanted(path):
                return
            call = Call(args, kwargs, output)
            own = _own(call)
            self._is_reading = True
            try:
                with torch.no_grad(), torch.random.fork_rng(_cuda_devices(call)):
                    for trace in entry.reader(module, call):
                        self._keep(
                            path, replace(trace, shift=trace.shift.mapped(own), signal=own(trace.signal))
                        )
            except NotAGraphError as error:
                self.skipped[path] = str(error)
            finally:
                self._is_reading = False

        return read

    def _keep(self, path: str, trace: Trace | CrossTrace) -> None:
        self._held += _size(trace)
        if self._held > self.max_nodes:
            batch, nodes, _ = trace.signal.shape
            raise ProbeError(
                f"{path or 'the model itself'} has {batch} graphs of {nodes} nodes; with them the probe "
                f"would hold {self._held} nodes, more than its budget max_nodes={self.max_nodes}; pass fewer "
                "or smaller images, name the modules wanted with paths=[...], or raise max_nodes"
            )
        self.modules[path] = self.model.get_submodule(path)
        if isinstance(trace, Trace):
            traces = self.traces.setdefault(path, [])
            self._order.append((path, len(traces)))
            traces.append(trace)
        else:
            self.crossings.setdefault(path, []).append(trace)


def _ignore(_: object) -> None:
    """What takes something and does nothing with it."""


def _attach(traces: list[Trace], place: int, respond: Respond) -> None:
    traces[place] = replace(traces[place], respond=respond)


def _size(trace: Trace | CrossTrace) -> int:
    """Nodes of a trace; of what is kept as a matrix, a mask too, every 64 numbers count as one."""
    kept: list[Tensor] = []
    held = trace.shift if isinstance(trace, Trace) else trace.weights

    def note(part: Tensor) -> Tensor:
        kept.append(part)
        return part

    held.mapped(note)
    matrices = [part for part in kept if part.shape[-2:] == held.shape[-2:]]
    return max(trace.signal.shape[:2].numel(), *(part.numel() // 64 for part in matrices), 0)


def _eagerly() -> AbstractContextManager[object]:
    """Compiled modules run as they are written inside: compiled code takes no hooks."""
    compiles = {"torch._dynamo", "torch.nn.attention.flex_attention"} & sys.modules.keys()
    # without these nothing is compiled, and to import them takes a second
    return torch.compiler.set_stance("force_eager") if compiles else nullcontext()


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


@contextmanager
def evaluation(model: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients; every module's mode is restored afterwards.

    Args:
        model: any module; modes of its parts may differ.

    Raises:
        TypeError: if ``model`` is no module.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 4), nn.Dropout()).train()
        >>> with evaluation(model):
        ...     model.training, model(torch.ones(1, 4)).requires_grad
        (False, False)
        >>> model.training, model[1].training
        (True, True)
    """
    modes = {module: module.training for module in require_module("model", model).modules()}
    try:
        with torch.no_grad():
            model.eval()
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
