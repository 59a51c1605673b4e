"""Blocks out of a network."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from gsp_nonlocal.insert.attachment import detach
from gsp_nonlocal.insert.paths import matching, near
from gsp_nonlocal.insert.table import inserted_blocks


def remove_blocks(model: nn.Module, paths: str | Iterable[str] | None = None) -> nn.Module:
    """Take inserted blocks out again: keys, hooks and outputs are as before ``insert_blocks``.

    An optimiser that was made with the blocks still holds their parameters.

    Args:
        model: any module.
        paths: of the modules that the blocks follow, or patterns as in ``insert_blocks``; by default all.

    Returns:
        ``model`` itself.

    Raises:
        ValueError: for a path at which nothing was inserted. Nothing is removed then.

    Example:
        >>> from gsp_nonlocal import SNL, insert_blocks
        >>> cnn = insert_blocks(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), {"0": SNL})
        >>> list(remove_blocks(cnn).state_dict())
        ['0.weight', '0.bias']
    """
    followed = {record.path: model.get_submodule(record.path) for record in inserted_blocks(model)}
    asked = [paths] if isinstance(paths, str) else followed if paths is None else list(paths)
    chosen = dict.fromkeys(path for pattern in asked for path in _followed(model, pattern, followed))
    for path in chosen:
        detach(followed[path])
    return model


def _followed(model: nn.Module, pattern: str, followed: dict[str, nn.Module]) -> list[str]:
    if not isinstance(pattern, str):
        raise TypeError(
            f"a path of a block to remove is a string as in inserted_blocks(model), got {pattern!r}"
        )
    if not followed:
        raise ValueError(f"{type(model).__name__} has no inserted block, so none at {pattern!r}")
    try:
        return matching(pattern, followed, type(model).__name__)
    except ValueError:
        listed = ", ".join(repr(path) for path in near(pattern, followed))
        raise ValueError(f"no block was inserted at {pattern!r}; blocks follow {listed}") from None
