"""Decode heads with a nonlocal block, in mmsegmentation's registry."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import torch
from mmcv.cnn import build_norm_layer
from mmseg.models.decode_heads import FCNHead
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn

from filters.checks import require_integer
from gsp_nonlocal.blocks import registry
from gsp_nonlocal.blocks.nonlocal_block import NormFactory
from gsp_nonlocal.interop.by_name import block_by_name
from gsp_nonlocal.interop.official import head_state

NORMS = {"BN": "BN1d", "BN1d": "BN1d", "BN2d": "BN1d", "SyncBN": "SyncBN", "GN": "GN"}
"""mmcv's name of a norm of maps, and of the same norm on node signals ``(B, C, N)``."""


@MODELS.register_module()
class NonlocalHead(FCNHead):
    """``conv → block → conv``, joined with the input, then a classifier: mmseg's FCN head with a block in it.

    Args:
        block: name of a block: ``"snl"``, ``"nl"``, ``"ns"``, ``"a2"``, ``"cgnl"``, ``"cc"``, ``"dnl"``,
            ``"anl"``, ``"gc"``.
        inner_channels: of the block; by default its own, ``channels // 2`` for most.
        filter: name of a graph filter in place of the block's own, for ``"snl"``: ``"cayley"``.
        order: of the filter, where the block or the filter has one.
        block_options: further arguments of the block's constructor, plain values: ``dict(recurrence=3)`` for
            ``"cc"``, ``dict(stages=2)``, ``dict(gate=True)``. By default a block has no gate, as the
            authors' (but for ``"cc"``, which always has one).
        num_convs: 3×3 convolutions, at least 1; the block follows the first.
        head: arguments of ``FCNHead`` and ``BaseDecodeHead``: ``in_channels``, ``channels``, ``num_classes``,
            ``norm_cfg`` … The block's norm is ``norm_cfg``'s, where the block has a choice.

    Raises:
        ValueError: for a name that is unknown, or a setting that the block does not have.
        TypeError: for an argument that no head has, with near matches.
    """

    def __init__(
        self,
        block: str = "snl",
        *,
        inner_channels: int | None = None,
        filter: str | None = None,
        order: int | None = None,
        block_options: Mapping[str, Any] | None = None,
        num_convs: int = 2,
        **head: Any,
    ) -> None:
        _require_known(type(self), head)
        super().__init__(num_convs=require_integer("num_convs", num_convs), **head)
        gate = {"gate": False} if "gate" in inspect.signature(registry.get(block)).parameters else {}
        own = {"inner_channels": inner_channels, "filter": filter, "order": order}
        settings = gate | {key: value for key, value in own.items() if value is not None}
        make = block_by_name(block, settings | dict(block_options or {}), norm=_norm(self.norm_cfg))
        self.block = make(self.channels)

    def _forward_feature(self, inputs: list[Tensor]) -> Tensor:
        x = self._transform_inputs(inputs)
        first, *others = self.convs
        features = nn.Sequential(*others)(self.block(first(x)))
        return self.conv_cat(torch.cat([x, features], dim=1)) if self.concat_input else features


@MODELS.register_module()
class SNLHead(NonlocalHead):
    """The authors' segmentation head, and its like of higher orders; it reads their checkpoints.

    Where a state has their keys (``decode_head.SNL.…``), it is translated while it is loaded, by any loader
    of mmengine or PyTorch: see :func:`gsp_nonlocal.interop.official.head_state`.

    Args:
        reduction: ``channels`` over the block's inner channels.
        stages: units of the block that share one affinity.
        order: of the filter; 1 in the paper.
        head: see :class:`NonlocalHead`.

    Raises:
        TypeError: for ``use_scale`` and ``mode`` too, which the authors' head takes and never uses.

    References:
        Zhu, She, Li, Lu, Kang, Hu, Wang (2021), *Unifying Nonlocal Blocks for Neural Networks*, ICCV.
        Deviations: ``+ W₂ Â z`` where theirs subtracts; their block starts from Kaiming's normal
        initialisation, ours as :class:`~gsp_nonlocal.SNL` does.
    """

    def __init__(self, reduction: int = 2, *, stages: int = 1, order: int = 1, **head: Any) -> None:
        inner = max(head.get("channels", 1) // require_integer("reduction", reduction), 1)
        super().__init__("snl", inner_channels=inner, order=order, block_options={"stages": stages}, **head)
        self.register_load_state_dict_pre_hook(_read_authors)


def _read_authors(_: nn.Module, state: dict[str, Tensor], prefix: str, *__: object) -> None:
    """Give our keys to the authors' block in ``state``, in place."""
    if any(key.startswith(f"{prefix}SNL.") for key in state):
        translated = head_state(state, prefix)
        state.clear()
        state.update(translated)


def _norm(config: Mapping[str, Any] | None) -> NormFactory | None:
    """The norm of ``norm_cfg`` on node signals; None for the block's own."""
    if config is None:
        return None
    if config.get("type") not in NORMS:
        raise ValueError(
            f"norm_cfg of type {config.get('type')!r} is none of a block's: {', '.join(NORMS)}; a norm_cfg "
            "of None leaves the block its batch norm"
        )
    on_nodes = {**config, "type": NORMS[config["type"]]}
    return lambda channels: build_norm_layer(on_nodes, channels)[1]


def _require_known(kind: type, head: Mapping[str, Any]) -> None:
    classes = (kind, NonlocalHead, FCNHead, BaseDecodeHead)
    known = {key for one in classes for key in inspect.signature(one).parameters} - {"head", "kwargs"}
    for key in sorted(set(head) - known):
        near = get_close_matches(key, known, n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}?" if near else "see mmseg's FCNHead"
        unused = "the authors' head takes it and never uses it: leave it out"
        said = unused if key in _UNUSED else hint
        raise TypeError(f"{kind.__name__} takes no {key} (got {head[key]!r}); {said}")


_UNUSED = ("use_scale", "mode")
"""Settings of the authors' head without effect."""
