"""Translation of foreign state dictionaries, by rules that run in both directions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor
from torch.nn import Module

State = Mapping[str, Tensor]

BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True)
class Rule:
    """One of our tensors and the foreign ones that it holds.

    Attributes:
        ours: key of our tensor.
        theirs: keys of the foreign tensors.
        join: makes our tensor of theirs.
        split: makes theirs of ours.
    """

    ours: str
    theirs: tuple[str, ...]
    join: Callable[[list[Tensor]], Tensor]
    split: Callable[[Tensor], Sequence[Tensor]]


def pointwise(ours: str, *theirs: str, dims: int = 2, sign: float = 1.0) -> Rule:
    """Matrices ``(out, in)``, one below the other, of 1×1 convolutions ``(out, in, 1, …)``, ``dims`` ones."""
    ones = (1,) * dims

    def split(weight: Tensor) -> list[Tensor]:
        return [sign * part.reshape(*part.shape, *ones) for part in weight.chunk(len(theirs))]

    return Rule(ours, theirs, lambda parts: sign * torch.cat([part.flatten(1) for part in parts]), split)


def terms(ours: str, *theirs: str, dims: int = 2, signs: Sequence[float] = (1.0, 1.0)) -> Rule:
    """Weights ``(terms, in, out)`` of a filter, of one 1×1 convolution each."""
    rules = [pointwise(ours, key, dims=dims, sign=sign) for key, sign in zip(theirs, signs, strict=False)]
    return Rule(
        ours,
        theirs,
        lambda parts: torch.stack([rule.join([part]).mT for rule, part in zip(rules, parts, strict=True)]),
        lambda weight: [rule.split(part.mT)[0] for rule, part in zip(rules, weight, strict=True)],
    )


def vectors(ours: str, *theirs: str) -> Rule:
    """Vectors, one after the other."""
    return Rule(ours, theirs, lambda parts: torch.cat(parts), lambda v: v.chunk(len(theirs)))


def reshaped(ours: str, theirs: str, our_shape: Sequence[int], their_shape: Sequence[int]) -> Rule:
    """The same numbers in another shape."""
    return Rule(
        ours,
        (theirs,),
        lambda parts: parts[0].reshape(tuple(our_shape)),
        lambda value: [value.reshape(tuple(their_shape))],
    )


def batch_norm(ours: str, theirs: str) -> list[Rule]:
    """Scale, shift and statistics of a batch norm."""
    return [_same(f"{ours}.{name}", f"{theirs}.{name}") for name in ("weight", "bias", *BUFFERS)]


def affine(ours: str, theirs: str) -> list[Rule]:
    """Scale and shift of a norm without statistics."""
    return [_same(f"{ours}.{name}", f"{theirs}.{name}") for name in ("weight", "bias")]


def _same(ours: str, theirs: str) -> Rule:
    return Rule(ours, (theirs,), lambda parts: parts[0], lambda value: [value])


def translate(
    rules: Iterable[Rule], state: State, what: str, ignored: Sequence[str] = ()
) -> dict[str, Tensor]:
    """Our state of a foreign one.

    Args:
        rules: how tensors correspond.
        state: the foreign state.
        what: whose state it should be, for messages.
        ignored: beginnings of foreign keys that have no part in the block.

    Raises:
        ValueError: naming the keys that are missing or left over.
    """
    rules = list(rules)
    known = {key for rule in rules for key in rule.theirs}
    missing = sorted(key for key in known - set(state) if not key.endswith("num_batches_tracked"))
    surplus = sorted(key for key in set(state) - known if not key.startswith(tuple(ignored)))
    if missing or surplus:
        raise ValueError(
            f"not the state of {what}: missing {', '.join(missing) or 'nothing'}; "
            f"surplus {', '.join(surplus) or 'nothing'}"
        )
    present = [rule for rule in rules if all(key in state for key in rule.theirs)]
    return {rule.ours: _joined(rule, state, what) for rule in present}


def _joined(rule: Rule, state: State, what: str) -> Tensor:
    parts = [state[key] for key in rule.theirs]
    try:
        return rule.join(parts)
    except (RuntimeError, IndexError) as error:
        shapes = ", ".join(f"{key} {tuple(part.shape)}" for key, part in zip(rule.theirs, parts, strict=True))
        raise ValueError(f"not the state of {what}: shapes do not fit: {shapes} ({error})") from None


def load_translated(block: Module, state: State, foreign: State) -> None:
    """Load our ``state`` into ``block``, bit by bit: in the widest data type of the ``foreign`` one, on its
    device.

    Raises:
        ValueError: for a tensor of another shape, naming it.
    """
    given = [tensor for tensor in foreign.values() if tensor.is_floating_point()]
    block.to(given[0].device, reduce(torch.promote_types, (tensor.dtype for tensor in given)))
    own = block.state_dict()
    for key, value in state.items():
        if key in own and own[key].shape != value.shape:
            raise ValueError(
                f"{key} has shape {tuple(own[key].shape)} in a block of this size, and the state gives "
                f"{tuple(value.shape)}; is it the state of another block?"
            )
    block.load_state_dict(dict(state), strict=False)


def translate_back(rules: Iterable[Rule], state: State) -> dict[str, Tensor]:
    """The foreign state of ours."""
    return {
        key: part.detach().clone()
        for rule in rules
        for key, part in zip(rule.theirs, rule.split(state[rule.ours]), strict=True)
    }


def require_keys(state: State, keys: Iterable[str], what: str) -> None:
    """Raise a ``ValueError`` that names the keys that ``state`` lacks; a ``TypeError`` for what is no
    state."""
    if not isinstance(state, Mapping):
        raise TypeError(f"a state_dict maps keys to tensors, got {type(state).__name__}")
    for key, value in state.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"{key} of a state_dict must be a tensor, got {type(value).__name__}")
    missing = [key for key in keys if key not in state]
    if missing:
        raise ValueError(
            f"not the state of {what}: missing {', '.join(missing)}; "
            f"it has {', '.join(sorted(state)[:8]) or 'no keys'} ..."
        )


def sizes(state: State, key: str, what: str) -> tuple[int, int]:
    """Channels out and in of the convolution ``key``; a ``ValueError`` where it is none."""
    weight = state[key]
    if weight.dim() < 3 or not weight.is_floating_point() or 0 in weight.shape:
        raise ValueError(
            f"not the state of {what}: {key} is no weight of a convolution, it has the shape "
            f"{tuple(weight.shape)} and the type {weight.dtype}"
        )
    return weight.shape[0], weight.shape[1]
