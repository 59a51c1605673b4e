"""What is known of tensors, as long as they live and are what they were."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

Value = TypeVar("Value")


class Followed(Generic[Value]):
    """Values by tensor, as long as it lives and is not written to, by a view of it neither."""

    def __init__(self) -> None:
        self._known: Any = WeakTensorKeyDictionary()

    def __bool__(self) -> bool:
        return bool(self._known.data)

    def __contains__(self, tensor: Tensor) -> bool:
        return self.get(tensor) is not None

    def __setitem__(self, tensor: Tensor, value: Value) -> None:
        self._known[tensor] = value, _version(tensor)

    def get(self, tensor: Tensor, writes: int = 0) -> Value | None:
        """The value, if the tensor was written to at most so many times since."""
        value, is_whole = self.last(tensor, writes)
        return value if is_whole else None

    def last(self, tensor: Tensor, writes: int = 0) -> tuple[Value | None, bool]:
        """The value, and whether the tensor was written to at most so many times since."""
        value, version = self._known.get(tensor, (None, 0))
        return value, _version(tensor) <= version + writes

    def pop(self, tensor: Tensor) -> None:
        """Forget a tensor."""
        self._known.pop(tensor, None)


def _version(tensor: Tensor) -> int:
    """How often a tensor or a view of it was written to; of inference mode that is not known."""
    return 0 if tensor.is_inference() else tensor._version
