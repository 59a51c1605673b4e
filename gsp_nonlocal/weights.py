"""Weights of any training for a model: found among what a file holds, freed of wrappers, and loaded whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

_WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
"""Parts of names from DistributedDataParallel, ``torch.compile``, FSDP and activation checkpointing."""


class Fitting(NamedTuple):
    """Weights under the names of a model.

    Attributes:
        tensors: all that stand in one place under one prefix, also those that the model does not know.
        place: the keys of the file under which they stand, such as ``"state_dict"``; or ``""``.
        beside: keys in the same place that are not under the prefix, such as a loss's weights.
        others: places where as many fit, such as ``"model_ema"``.
    """

    tensors: dict[str, Tensor]
    place: str
    beside: list[str]
    others: list[str]

    def notes(self, path: str | Path) -> list[str]:
        """Sentences on what of the file was passed over."""
        others = f"'{path}' has weights under {', '.join(map(repr, self.others))} too; read is {self.place!r}"
        beside = f"'{path}' has keys that are not of the model, and left out: {_few(self.beside)}"
        return [others] * bool(self.others) + [beside] * bool(self.beside)


def fitting(model: nn.Module, content: Any, path: str | Path, remedy: str = "take another file") -> Fitting:
    """Return those weights of a file that a model knows by name, the most that are in one place.

    They may stand under any keys (``"state_dict"``, ``"model"``, ``"model_ema"``, of whatever depth) and
    behind any prefix (``"model."``, ``"network.backbone."``); parts of names from wrappers of PyTorch are
    dropped wherever they stand. Where several places have as many, it is the first that is no running average
    (``"ema"``).

    Args:
        model: Whose names they get.
        content: What :func:`~gsp_nonlocal.reading.read_checkpoint` returns.
        path: Where it is from.
        remedy: Ends the message.

    Raises:
        ValueError: If the file has no tensors by key.

    Example:
        >>> import torch
        >>> saved = {"epoch": 3, "ema": {"n": torch.ones(1), "module.net._orig_mod.bias": torch.ones(2)}}
        >>> fitting(nn.Linear(4, 2), saved, "weights.pth")
        Fitting(tensors={'bias': tensor([1., 1.])}, place='ema', beside=['n'], others=[])
    """
    names = {_plain(name): name for name in model.state_dict()}
    tables = sorted(_tables(content, ()), key=lambda table: "ema" in table[0].lower())
    if not tables:
        raise ValueError(f"'{path}' holds no weights, tensors by key; {remedy}")
    ranked = [(*_prefix(table, names), place, table) for place, table in tables]
    most, prefix, place, table = max(ranked, key=lambda one: one[0])
    under = {key.removeprefix(prefix): value for key, value in table.items() if key.startswith(prefix)}
    return Fitting(
        {names.get(key, key): value for key, value in under.items()},
        place,
        [key for key in table if not key.startswith(prefix)],
        [other for fits, _, other, _ in ranked if fits == most > 0 and other != place],
    )


def load_weights(model: nn.Module, content: Any, path: str | Path, remedy: str) -> list[str]:
    """Load weights that fit ``model`` to the last key; see :func:`fitting`.

    Counters of batches may be missing, and of tied weights all but one, as safetensors leaves them out.

    Returns:
        Sentences on what of the file was passed over.

    Raises:
        ValueError: If there are none, or they are of another architecture; see :func:`check_architecture`.
    """
    found = fitting(model, content, path, remedy)
    check_architecture(model, _spare(model.state_dict(), found.tensors) | found.tensors, path, remedy)
    model.load_state_dict(found.tensors, strict=False)
    return found.notes(path)


def _spare(own: Mapping[str, Any], found: Mapping[str, Tensor]) -> dict[str, Any]:
    """What may be missing: counters of batches, what is no tensor, and tensors that share their memory."""
    given = {value.data_ptr() for name, value in own.items() if name in found and isinstance(value, Tensor)}
    return {
        name: value
        for name, value in own.items()
        if not isinstance(value, Tensor)
        or name.endswith("num_batches_tracked")
        or (value.numel() and value.data_ptr() in given)
    }


def _tables(content: Any, keys: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Every dictionary of tensors by name inside ``content``, names without wrappers, and where it stands."""
    if not isinstance(content, Mapping):
        return
    named = {key: value for key, value in content.items() if isinstance(key, str)}
    table = {_plain(key): value for key, value in named.items() if isinstance(value, Tensor)}
    if table:
        yield ".".join(keys), table
    for key, value in named.items():
        yield from _tables(value, (*keys, key))


def _plain(key: str) -> str:
    return ".".join(part for part in key.split(".") if part not in _WRAPPERS)


def _prefix(table: Mapping[str, Tensor], names: Mapping[str, str]) -> tuple[int, str]:
    """How many keys are names of the model, and behind which prefix: none unless these are half of all."""
    ends = ((key, key.split(".", place)[-1]) for key in table for place in range(key.count(".") + 1))
    counts = Counter(key.removesuffix(end) for key, end in ends if end in names)
    prefix = min(counts, key=lambda one: (-counts[one], len(one)), default="")
    prefix = prefix if 2 * counts[prefix] >= len(names) else ""
    return counts[prefix], prefix


def check_architecture(model: nn.Module, found: dict[str, Any], path: str | Path, remedy: str) -> None:
    """Compare keys and shapes of weights with those of ``model``; ``remedy`` ends the message.

    Raises:
        ValueError: If they differ; names missing and surplus keys and unequal shapes.
    """
    expected = model.state_dict()
    shared = expected.keys() & found.keys()
    unequal = [key for key in shared if _shape(expected[key]) != _shape(found[key])]
    shapes = [f"{key} {_shape(found[key])} for {_shape(expected[key])}" for key in unequal]
    differences = {
        "missing": sorted(expected.keys() - found.keys()),
        "surplus": sorted(map(str, found.keys() - expected.keys())),
        "of another shape": sorted(shapes),
    }
    if not any(differences.values()):
        return
    listed = "; ".join(f"{kind}: {_few(keys)}" for kind, keys in differences.items() if keys)
    raise ValueError(f"checkpoint '{path}' is of another architecture ({listed}); {remedy}")


def _shape(value: Any) -> tuple[int, ...] | str:
    return tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__


def _few(keys: list[str], most: int = 4) -> str:
    more = f", … ({len(keys)} in all)" if len(keys) > most else ""
    return ", ".join(keys[:most]) + more
