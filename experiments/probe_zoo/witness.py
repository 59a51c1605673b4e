"""A second count of attention, by operators instead of functions: it shares no code with the probe.

What softmax returns is followed through the operators of ATen: through whatever keeps the number of its
elements or takes a part of them, and through maps by parameters. Where it meets a computed tensor in a matrix
product, that was an attention. Kernels of ``scaled_dot_product_attention`` are one each. Those in a chain,
``A (B z)`` or ``(A B) z``, are one attention.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

SOFTMAX = {"_softmax", "_safe_softmax", "_masked_softmax"}
PRODUCTS = {"mm", "bmm", "addmm", "baddbmm", "mv", "dot"}
VIEWS = {
    "view",
    "_unsafe_view",
    "transpose",
    "permute",
    "t",
    "expand",
    "clone",
    "_to_copy",
    "mul",
    "div",
    "unsqueeze",
    "squeeze",
}
PARTS = {
    "slice",
    "select",
    "expand",
    "cat",
    "constant_pad_nd",
    "split",
    "split_with_sizes",
    "unbind",
    "index",
}
"""Operators that hand elements on, whatever their number."""


@dataclass(eq=False)
class Seen:
    """An attention.

    Attributes:
        path: of the module that runs it.
        weights: the matrices ``(N, M)`` of the first and the last graph, as they went into the product.
        graphs: their number.
    """

    path: str
    weights: tuple[Tensor, Tensor]
    graphs: int


@dataclass(eq=False)
class Softmax:
    """A softmax that ran; ``products`` are those with a computed tensor, ``gates`` the elementwise ones."""

    products: int = 0
    gates: int = 0


@dataclass
class Witness(TorchDispatchMode):
    """Inside, the attentions of a forward pass of ``model`` are counted.

    Attributes:
        seen: one a softmax that met a computed tensor in a product, and one a kernel.
        again: further products of the same softmax, by path.
        gates: softmaxes that were multiplied with a computed tensor element by element, by path.
    """

    model: nn.Module
    seen: list[Seen] = field(default_factory=list)
    again: Counter[str] = field(default_factory=Counter)
    gates: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        super().__init__()
        self._names = {module: path for path, module in self.model.named_modules()}
        self._stack: list[str] = []
        self._made: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
        self._gathered: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
        self._fixed = {_place(part) for part in (*self.model.parameters(), *self.model.buffers())}
        self._handles: list[Any] = []

    def __enter__(self) -> Witness:
        def enter(module: nn.Module, args: object) -> None:
            self._stack.append(self._names.get(module, self._path))

        def leave(module: nn.Module, args: object, output: object) -> None:
            self._stack.pop()

        before, after = (
            nn.modules.module.register_module_forward_pre_hook,
            nn.modules.module.register_module_forward_hook,
        )
        self._handles = [before(enter), after(leave, always_call=True)]
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        for handle in self._handles:
            handle.remove()

    @property
    def _path(self) -> str:
        return self._stack[-1] if self._stack else ""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name in SOFTMAX:
            if out.dim() > 1 and out.shape[args[1]] > 1:
                self._made[out] = Softmax()
        elif name.startswith("_scaled_dot_product") and "backward" not in name:
            self._kernel(*args, **(kwargs or {}))
        else:
            for part in list(_tensors(args)):
                if (made := self._made.get(part)) is not None:
                    self._follow(name, made, part, args, out)
                if name in VIEWS and part in self._gathered and isinstance(out, Tensor):
                    self._gathered[out] = True
        return out

    def _kernel(self, query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> None:
        mask = kwargs.get("attn_mask", args[0] if args and isinstance(args[0], Tensor) else None)
        causal = kwargs.get("is_causal", args[1] if len(args) > 1 and isinstance(args[1], bool) else False)
        scale = kwargs.get("scale") or query.shape[-1] ** -0.5
        batch, heads = query.shape[:2]
        found = []
        for b, h in ((0, 0), (batch - 1, heads - 1)):
            one = query[b, h].double() @ key[b, h * key.shape[1] // heads].double().mT * scale
            if mask is not None:
                one = one + mask.expand(batch, heads, *one.shape)[b, h]
            if causal:
                one = one.masked_fill(torch.ones_like(one).triu(1) > 0, -torch.inf)
            found.append(one.softmax(-1).nan_to_num(0.0))
        self.seen.append(Seen(self._path, (found[0], found[1]), batch * heads))

    def _follow(self, name: str, made: Softmax, part: Tensor, args: Any, out: Any) -> None:
        """Note a product with a computed tensor, or what else holds the same weights now."""
        other = [given for given in _tensors(args) if given is not part]
        computed = [given for given in other if _place(given) not in self._fixed]
        if name in PRODUCTS and computed and not any(given in self._made for given in other):
            self._gathered[out] = True
            if not any(given in self._gathered for given in other):
                self._product(made, part, is_left=part is list(_tensors(args))[-2])
            return
        if name == "mul" and computed and out.numel() > part.numel() and made.gates == 0:
            made.gates += 1
            self.gates[self._path] += 1
        for result in _tensors(out if isinstance(out, tuple | list) else [out]):
            if result.is_floating_point() and (result.numel() == part.numel() or name in PARTS):
                self._made[result] = made

    def _product(self, made: Softmax, part: Tensor, *, is_left: bool) -> None:
        made.products += 1
        if made.products > 1:
            self.again[self._path] += 1
            return
        weights = (part if is_left else part.mT).detach()
        weights = weights.reshape(-1, *weights.shape[-2:]) if part.dim() > 1 else weights.view(1, 1, -1)
        self.seen.append(Seen(self._path, (weights[0].clone(), weights[-1].clone()), len(weights)))


def _place(part: Tensor) -> int:
    return part.untyped_storage().data_ptr()


def _tensors(given: Any) -> Iterator[Tensor]:
    for part in given:
        if isinstance(part, Tensor):
            yield part
        elif isinstance(part, tuple | list):
            yield from _tensors(part)
