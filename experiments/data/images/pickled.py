"""CIFAR's pickles, of which nothing is executed: dictionaries, lists, text, and arrays of bytes."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_pickle(path: Path) -> dict[str, Any]:
    """Return the dictionary in a pickle, with arrays of unsigned bytes as such.

    Raises:
        ValueError: If the file is damaged, or holds anything else.
    """
    try:
        with path.open("rb") as file:
            return _plain_items(_Reader(file, encoding="latin1").load())
    except OSError:
        raise
    except Exception as error:  # of a broken pickle the reader raises anything
        raise ValueError(f"'{path}' is no batch of CIFAR, or damaged ({error}); get it anew") from error


class _Type:
    """Stands for numpy's dtype."""

    def __init__(self, name: Any = None, *flags: Any) -> None:
        self.name = name.decode("latin1") if isinstance(name, bytes) else name

    def __setstate__(self, state: Any) -> None:
        """The order of bytes, of which a single byte has none."""


class _Array:
    """Stands for numpy's array, which is made only when it is known to be of bytes and whole."""

    _state: tuple[Any, ...] = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._state = state

    def array(self) -> NDArray[np.uint8]:
        _, shape, dtype, by_column, content = self._state
        if not isinstance(dtype, _Type) or dtype.name not in ("u1", "uint8"):
            raise ValueError("its array is not of unsigned bytes")
        raw = content.encode("latin1") if isinstance(content, str) else content
        return np.frombuffer(raw, np.uint8).reshape(shape, order="F" if by_column else "C")


def _empty(*_: Any) -> _Array:
    return _Array()


def _of_buffer(content: Any, dtype: Any, shape: Any, order: str) -> _Array:
    made = _Array()
    made.__setstate__((1, shape, dtype, order == "F", content))
    return made


def _bytes(text: str, _: str) -> bytes:
    return text.encode("latin1")


_KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _bytes,
}
for _package in ("numpy.core", "numpy._core"):
    _KNOWN[f"{_package}.multiarray", "_reconstruct"] = _empty
    _KNOWN[f"{_package}.numeric", "_frombuffer"] = _of_buffer


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no batch of CIFAR needs")
        return _KNOWN[module, name]


def _plain_items(content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise ValueError(f"it holds a {type(content).__name__}")
    named = (
        (key.decode("latin1") if isinstance(key, bytes) else key, value) for key, value in content.items()
    )
    return {key: value.array() if isinstance(value, _Array) else value for key, value in named}
