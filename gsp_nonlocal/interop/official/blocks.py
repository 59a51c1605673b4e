"""Blocks of the authors' public code (Zhu et al. 2021): their weights read into ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from filters.registry import Registry
from gsp_nonlocal.blocks import A2, ANL, CC, CGNL, DNL, NL, NS, SNL, UNNORMALISED, NonlocalBlock
from gsp_nonlocal.interop.translation import (
    Rule,
    State,
    affine,
    batch_norm,
    load_translated,
    pointwise,
    require_keys,
    reshaped,
    sizes,
    terms,
    translate,
    vectors,
)


def load_block(kind: str, state_dict: State, **options: Any) -> NonlocalBlock:
    """A block with the weights of the authors' module; channels and stages are found in the state.

    Args:
        kind: one of ``a2 anl cc cgnl dnl nl ns snl``.
        state_dict: tensors under the authors' keys; for ``cc``, those of mmcv too.
        options: for ``snl``, ``subtract=True`` where ``W_2 Â z`` is subtracted, as their segmentation head
            does; for ``cgnl``, ``groups=`` (found in the state), ``order=2``, ``gamma=1e-4``; for ``cc``,
            ``recurrence=1``; for ``anl``, ``sizes=(1, 3, 6, 8)``.

    Returns:
        The block, in training mode, with the authors' residual: without a gate, but for ``cc``.

    Raises:
        ValueError: for an unknown kind, or a state whose keys or shapes do not fit (missing and surplus keys
            named); for ``groups`` that are not those of the state.
        TypeError: for an unknown option, or what is no mapping of keys to tensors.

    References:
        Zhu, She, Li, Lu, Kang, Hu, Wang (2021), *Unifying Nonlocal Blocks for Neural Networks*, their code.

    Example:
        >>> sizes = dict.fromkeys(["t", "p", "stages.0.g"], (4, 8, 1, 1)) | {"stages.0.w_2": (8, 4, 1, 1)}
        >>> theirs = {f"{name}.weight": torch.randn(size) for name, size in sizes.items()}
        >>> theirs |= torch.nn.BatchNorm2d(8).state_dict(prefix="stages.0.bn.")
        >>> block = load_block("nl", theirs)
        >>> block.channels, block.inner_channels, block(torch.randn(1, 8, 5, 5)).shape
        (8, 4, torch.Size([1, 8, 5, 5]))
    """
    block = kinds.get(kind)(state_dict, **options)[0]
    load_translated(block, translate_block(kind, state_dict, **options), state_dict)
    return block


def translate_block(kind: str, state_dict: State, **options: Any) -> dict[str, Tensor]:
    """The state of :func:`load_block`'s block, without the block; arguments and errors are the same."""
    _, rules, ignored = kinds.get(kind)(state_dict, **options)
    return translate(rules, state_dict, f"the authors' {kind}", ignored)


Translated = tuple[NonlocalBlock, list[Rule], tuple[str, ...]]


def _stage(
    make: Callable[..., NonlocalBlock], unit: Callable[[str], Iterable[Rule]], state: State
) -> Translated:
    """A block of the authors' ``Stage``: embeddings ``t`` and ``p``, units ``stages.i``."""
    channels, inner = _sizes(state, "t.weight")
    stages = max(len({key.split(".")[1] for key in state if key.startswith("stages.")}), 1)
    rules = [pointwise("affinity.theta_phi.weight", "t.weight", "p.weight")]
    for index in range(stages):
        rules += unit(f"stages.{index}.")
    return make(channels, inner, stages, gate=False), rules, ()


def _unit(prefix: str, sign: float = 1.0) -> list[Rule]:
    """Values, one mixing and a batch norm."""
    return [
        pointwise(f"{prefix}value.weight", f"{prefix}g.weight"),
        terms(f"{prefix}filter.weight", f"{prefix}w_2.weight", signs=(sign,)),
        *batch_norm(f"{prefix}norm", f"{prefix}bn"),
    ]


def _disentangled(prefix: str) -> list[Rule]:
    return [*_unit(prefix), pointwise(f"{prefix}affinity.mask.weight", f"{prefix}w_m.weight")]


def _snl(state: State, *, subtract: bool = False) -> Translated:
    def unit(prefix: str) -> list[Rule]:
        value, _, *norm = _unit(prefix)
        weights = (f"{prefix}w_1.weight", f"{prefix}w_2.weight")
        return [
            value,
            terms(f"{prefix}filter.weight", *weights, signs=(1.0, -1.0 if subtract else 1.0)),
            *norm,
        ]

    return _stage(SNL, unit, state)


def _nl(state: State) -> Translated:
    return _stage(NL, _unit, state)


def _ns(state: State) -> Translated:
    return _stage(NS, partial(_unit, sign=-1.0), state)  # theirs is (I − S), ours (S − I)


def _a2(state: State) -> Translated:
    return _stage(partial(A2, affinity=UNNORMALISED), _unit, state)


def _dnl(state: State) -> Translated:
    return _stage(partial(DNL, whiten=False), _disentangled, state)


def _cc(state: State, *, recurrence: int = 1) -> Translated:
    channels, inner = _sizes(state, "query_conv.weight")
    rules = [
        pointwise("affinity.theta_phi.weight", "query_conv.weight", "key_conv.weight"),
        vectors("affinity.theta_phi.bias", "query_conv.bias", "key_conv.bias"),
        terms("stages.0.filter.weight", "value_conv.weight"),
        vectors("stages.0.norm.bias", "value_conv.bias"),
        reshaped("stages.0.gate", "gamma.scale", (1,), ())  # mmcv's, a module
        if "gamma.scale" in state
        else reshaped("stages.0.gate", "gamma", (1,), (1,)),
    ]
    return CC(channels, inner, recurrence=recurrence), rules, ()


def _anl(state: State, **options: Any) -> Translated:
    channels, inner = _sizes(state, "stages.0.f_key.0.weight")
    theirs = "stages.0."
    rules = [
        pointwise("affinity.embedding.weight", f"{theirs}f_key.0.weight"),
        vectors("affinity.embedding.bias", f"{theirs}f_key.0.bias"),
        *batch_norm("affinity.norm", f"{theirs}f_key.1"),
        pointwise("stages.0.value.weight", f"{theirs}f_value.weight"),
        vectors("stages.0.value.bias", f"{theirs}f_value.bias"),
        terms("stages.0.filter.weight", f"{theirs}W.weight"),
        vectors("stages.0.norm.bias", f"{theirs}W.bias"),
    ]
    unused = ("conv_bn_dropout.", f"{theirs}f_query.")  # never run; the same module as f_key
    return ANL(channels, inner, gate=False, **options), rules, unused


def _cgnl(state: State, *, groups: int | None = None, **options: Any) -> Translated:
    channels, inner = _sizes(state, "t.weight")
    require_keys(state, ["z.weight"], "the authors' cgnl")
    found = inner // state["z.weight"].shape[1]
    if groups not in (None, found):
        raise ValueError(f"groups={groups} does not fit this state, which has {found}; leave it out")
    groups = found
    shape = (channels, inner // groups, 1)
    rules = [
        pointwise("affinity.theta_phi.weight", "t.weight", "p.weight"),
        pointwise("stages.0.value.weight", "g.weight"),
        reshaped("stages.0.norm.0.weight", "z.weight", shape, (*shape, 1)),
        *affine("stages.0.norm.1", "gn"),
        Rule("stages.0.filter.weight", (), lambda parts: torch.ones(1, 1, 1), lambda weight: ()),
    ]
    return CGNL(channels, inner, groups=groups, gate=False, **options), rules, ()


def _sizes(state: State, key: str) -> tuple[int, int]:
    """Channels and inner channels, by the embedding ``key``."""
    require_keys(state, [key], "the authors' block")
    inner, channels = sizes(state, key, "the authors' block")
    return channels, inner


kinds: Registry[Callable[..., Translated]] = Registry("kind of block")
kinds.register("a2", _a2)
kinds.register("anl", _anl)
kinds.register("cc", _cc)
kinds.register("cgnl", _cgnl)
kinds.register("dnl", _dnl)
kinds.register("nl", _nl)
kinds.register("ns", _ns)
kinds.register("snl", _snl)
