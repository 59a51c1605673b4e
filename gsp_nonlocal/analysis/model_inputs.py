"""What a model is given to be analysed: images, ids of tokens, or several tensors by keyword."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from filters.operators.linear import require_real_floating

Inputs = Tensor | Mapping[str, Tensor]
"""Floating-point ``(B, C, *spatial)``, whole numbers ``(B, N)`` as ids of tokens, or tensors by keyword, of
which the first is such a one: it is what the pages show."""


def check_inputs(inputs: Inputs) -> None:
    """Raise unless these are inputs that can be analysed, with at least one example, and finite.

    Raises:
        TypeError: If they are of no kind in :data:`Inputs`.
        ValueError: If they are empty, hold NaN or infinity, or are on the meta device.
    """
    if isinstance(inputs, Mapping):
        _check_keywords(inputs)
    shown = leading(inputs)
    if not is_tokens(shown):
        require_real_floating(shown, "a batch of images")
    if 0 in shown.shape or (shown.dim() < 3 and not is_tokens(shown)):
        raise ValueError(
            "images have shape (B, C, *spatial) with at least one image and one position, and ids of tokens "
            f"(B, N), got {tuple(shown.shape)}"
        )
    for name, tensor in _named(inputs):
        _check_numbers(tensor, f"{name} " if name else "images ")


def leading(inputs: Inputs) -> Tensor:
    """The tensor that is shown: the first of those by keyword."""
    return inputs if isinstance(inputs, Tensor) else next(iter(inputs.values()))


def is_tokens(shown: Tensor) -> bool:
    """Whether these are ids of tokens ``(B, N)``: whole numbers."""
    return shown.dim() == 2 and not (shown.is_floating_point() or shown.is_complex())


def input_size(inputs: Inputs) -> tuple[int, ...]:
    """The spatial size of what is shown; of tokens ``(N,)``.

    Example:
        >>> input_size(torch.zeros(2, 3, 8, 6)), input_size({"input_ids": torch.zeros(2, 5).long()})
        ((8, 6), (5,))
    """
    shown = leading(inputs)
    return tuple(shown.shape[1:] if is_tokens(shown) else shown.shape[2:])


def first(inputs: Inputs, count: int) -> Inputs:
    """The first so many examples."""
    if isinstance(inputs, Tensor):
        return inputs[:count]
    return {name: tensor[:count] for name, tensor in inputs.items()}


def described(inputs: Inputs) -> str:
    """One example in words, for messages.

    Example:
        >>> described(torch.zeros(2, 3, 8, 6)), described({"input_ids": torch.zeros(2, 5).long()})
        ('images of 3 × 8 × 6', 'texts of 5 tokens')
        >>> described({"pixel_values": torch.zeros(1, 3, 8, 8), "input_ids": torch.zeros(1, 4).long()})
        'images of 3 × 8 × 8 and texts of 4 tokens'
    """
    kinds = [_kind(tensor) for _, tensor in _named(inputs)]
    return " and ".join(dict.fromkeys(kinds))


def run_copies(model: nn.Module, inputs: Inputs) -> Any:
    """Return what the model makes of copies, which it may change, on its device and in its data type."""
    like = next((p for p in model.parameters() if p.is_floating_point()), None)

    def own(tensor: Tensor) -> Tensor:
        dtype = like.dtype if like is not None and tensor.is_floating_point() else tensor.dtype
        return tensor.detach().to(tensor.device if like is None else like.device, dtype, copy=True)

    if isinstance(inputs, Tensor):
        return model(own(inputs))
    return model(**{name: own(tensor) for name, tensor in inputs.items()})


def _named(inputs: Inputs) -> list[tuple[str, Tensor]]:
    return [("", inputs)] if isinstance(inputs, Tensor) else list(inputs.items())


def _kind(tensor: Tensor) -> str:
    if is_tokens(tensor):
        return f"texts of {tensor.shape[1]} tokens"
    return f"images of {' × '.join(map(str, tensor.shape[1:]))}"


def _check_keywords(inputs: Mapping[str, Tensor]) -> None:
    wrong = {name: type(value).__name__ for name, value in inputs.items() if not isinstance(value, Tensor)}
    if wrong or not inputs:
        raise TypeError(f"inputs by keyword are tensors, at least one; got {wrong or 'none'}")
    counts = {name: len(value) if value.dim() else 0 for name, value in inputs.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"inputs by keyword are of as many examples each, got {counts}")


def _check_numbers(tensor: Tensor, what: str) -> None:
    if tensor.is_meta:
        raise ValueError(f"{what}on the meta device hold no numbers; use a real device")
    wrong = int((~torch.isfinite(tensor)).sum())
    if wrong:
        raise ValueError(
            f"{wrong} of the {tensor.numel()} values of the {what}are NaN or infinite; "
            "clean them first, for example with torch.nan_to_num"
        )
