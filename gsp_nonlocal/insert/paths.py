"""Module paths and patterns of them."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase

from torch import nn

from gsp_nonlocal.insert.attachment import CHILD


def modules_by_path(model: nn.Module) -> dict[str, nn.Module]:
    """All modules; one that stands at several paths counts at each."""
    return dict(model.named_modules(remove_duplicate=False))


def matching(pattern: str, modules: dict[str, nn.Module], owner: str) -> list[str]:
    """Paths that a path or pattern names, in the order of the model.

    ``*``, ``?`` and ``[…]`` stand for parts of one name between dots: ``layer3.*`` names the units of
    ``layer3`` and nothing inside of them. Blocks that were inserted are left out.

    Raises:
        ValueError: for what names nothing, with near matches.
    """
    if pattern in modules:
        return [pattern]
    parts = pattern.split(".")
    found = [path for path in modules if _matches(path.split("."), parts)] if _is_pattern(pattern) else []
    if not found:
        raise ValueError(
            f"{owner} has no module {pattern!r}; near matches: {', '.join(near(pattern, modules))}"
        )
    return found


def near(path: str, paths: Iterable[str]) -> list[str]:
    """Up to five paths that look like this one, or the first five."""
    known = [p for p in paths if p]
    return get_close_matches(path, known, n=5, cutoff=0.4) or known[:5] or ["''"]


def _is_pattern(path: str) -> bool:
    return any(letter in path for letter in "*?[")


def _matches(path: list[str], pattern: list[str]) -> bool:
    if len(path) != len(pattern) or CHILD in path:
        return False
    return all(fnmatchcase(name, part) for name, part in zip(path, pattern, strict=True))
