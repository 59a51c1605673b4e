"""Values that stand beside tensors in ``*``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor


class TensorMultiple:
    """Base of objects with ``tensor * own``, for a zero-dimensional tensor, also under ``torch.compile``."""

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., object],
        types: tuple[type, ...],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        """Handle a product that was begun by a tensor; refuse every other operation with one."""
        if func is not Tensor.__mul__ and func is not Tensor.mul:
            return NotImplemented
        factor, own = args
        return own.__mul__(factor)
