"""Packages that only a part of the library needs: what to install where one is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

_EXTRAS = {
    "sklearn": "graphs",
    "matplotlib": "report",
    "jinja2": "report",
    "PIL": "report",
    "torchvision": "models",
    "timm": "models",
    "safetensors": "models",
    "transformers": "hf",
    "torchcodec": "video",
    "huggingface_hub": "hub",
    "skimage": "photograph",
}
"""The extra of ``pyproject.toml`` that brings each package."""


@contextmanager
def naming_extra() -> Iterator[None]:
    """Have an import that fails for want of an extra name the line that installs it.

    Raises:
        ImportError: In place of the import's own error, where the package belongs to an extra.

    Example:
        >>> with naming_extra():
        ...     import matplotlib
    """
    try:
        yield
    except ImportError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None or not isinstance(error, ModuleNotFoundError):
            raise
        said = f"{error.name} is not installed: pip install 'gsp-nonlocal[{extra}]'"
        raise ModuleNotFoundError(said, name=error.name) from error
