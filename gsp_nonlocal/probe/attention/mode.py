"""The mode that sees every function of a forward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._ops import HigherOrderOperator
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from gsp_nonlocal.probe.attention import flex, fused, products
from gsp_nonlocal.probe.attention.circuit import Circuits, Respond
from gsp_nonlocal.probe.attention.lineage import Lineage
from gsp_nonlocal.probe.attention.recorded import Attention

SOFTMAXES = {functional.softmax, torch.softmax, torch.Tensor.softmax, torch.special.softmax}
BADDBMM = {torch.baddbmm, torch.Tensor.baddbmm}

_opened = fused.opened(fused.MULTI_HEAD)


class Kept(NamedTuple):
    """What can be said of an attention afterwards."""

    attach: Callable[[Respond], None]
    """Takes its response."""
    retract: Callable[[], None]
    """Takes it back: it was a half of something greater."""
    returned: Callable[[Tensor], None]
    """Takes what the model goes on with, as it is."""


Seen = Callable[[Attention], Kept | None]
"""Takes an attention, and keeps it or not."""


class AttentionMode(TorchFunctionMode):
    """Inside, ``seen(attention)`` is called at each product ``A z``; what functions return stays as it is.

    Args:
        seen: takes an :class:`Attention`.
        unread: takes the reason why weights that met values were no graph.
    """

    def __init__(self, seen: Seen, unread: Callable[[str], None]) -> None:
        super().__init__()
        self.seen, self.lineage, self.circuits = seen, Lineage(unread), Circuits()
        self.kept: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
        self._multi: fused.MultiHead | None = None
        self.handlers: dict[Any, Callable[..., Any]] = {
            fused.SDPA: self._kernel,
            fused.MULTI_HEAD: self._multi_head,
            torch.einsum: self._einsum,
            functional.linear: self._linear,
            **dict.fromkeys(SOFTMAXES, self._softmax),
            **dict.fromkeys(BADDBMM, self._baddbmm),
            **dict.fromkeys(products.MATMUL, self._matmul),
        }

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        handler = self.handlers.get(func)
        if handler is None and isinstance(func, HigherOrderOperator) and func.__name__ == flex.NAME:
            handler = self._flex
        if handler is not None:
            return handler(func, args, kwargs)
        out = func(*args, **kwargs)
        self._follow(func, args, kwargs, out)
        return out

    def _follow(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], out: Any
    ) -> None:
        if self.lineage.is_alive:
            with torch.no_grad():
                self.lineage.follow(func, args, kwargs, out)

    def _kernel(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        out = func(*args, **kwargs)
        with torch.no_grad():
            self._note(fused.scaled_dot_product(*args, **kwargs), out)
        return out

    def _flex(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        out = func(*args, **kwargs)
        with torch.no_grad():
            self._note(flex.flex(*args[:6]), out[0])
        return out

    def _multi_head(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        outer, self._multi = self._multi, fused.MultiHead.of(args, kwargs)
        try:
            with self:
                return _opened(*args, **kwargs)
        finally:
            self._multi = outer

    def _linear(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        out = func(*args, **kwargs)
        given, weight = (*args, *kwargs.values())[:2]
        with torch.no_grad():
            self.circuits.linear(given, weight, out)
        self._follow(func, args, kwargs, out)  # heads may be mixed by it
        return out

    def _softmax(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        out = func(*args, **kwargs)
        given = args[0] if args else kwargs["input"]
        dim = kwargs.get("dim", args[1] if len(args) > 1 else None)
        if isinstance(dim, int) and out.dim():
            with torch.no_grad():
                self.lineage.softmax(given, out, dim)
        return out

    def _matmul(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        out = func(*args, **kwargs)
        operands = [*args, *kwargs.values()][:2]
        if func is torch.Tensor.__rmatmul__:
            operands.reverse()
        one, other = operands
        if isinstance(one, Tensor) and isinstance(other, Tensor):
            with torch.no_grad():
                self._note(products.matmul(self.lineage, one, other, out), out, operands)
        return out

    def _baddbmm(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        out = func(*args, **kwargs)
        if len(args) == 3 and set(kwargs) <= {"beta", "alpha"}:
            with torch.no_grad():
                products.baddbmm(self.lineage, args, kwargs.get("beta", 1), kwargs.get("alpha", 1), out)
        return out

    def _einsum(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        out = func(*args, **kwargs)
        operands = args[1] if len(args) == 2 and isinstance(args[1], list | tuple) else args[1:]
        dims = [part.dim() for part in operands if isinstance(part, Tensor)]
        letters = products.parse(args[0], *dims) if isinstance(args[0], str) else None
        if letters is not None:
            with torch.no_grad():
                one, other = operands
                self._note(products.einsum(self.lineage, letters, one, other, out), out, operands)
        return out

    def _note(self, found: Attention | None, out: Tensor, operands: Sequence[Tensor] = ()) -> None:
        if found is None:
            return
        found = replace(found, source=self.circuits.source(found.value))
        if self._multi is not None:
            found = self._multi.read(found)
        kept = self.seen(found)
        if kept is None:
            return
        kept.returned(out)
        if found.factors is not None:
            for half in (self.kept.pop(part, None) for part in operands):
                if half is not None:
                    half.retract()
        if self._multi is not None:
            kept.attach(self._multi.respond())
        else:
            self.kept[out] = kept
            self.circuits.expect(self.circuits.values(found.value), out, kept.attach)
