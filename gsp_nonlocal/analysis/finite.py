"""What is NaN or infinite is named: a block's weights before any work, its figures before they are kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

import torch
from torch import nn

from gsp_nonlocal.analysis.record import BlockRecord


def check_weights(blocks: Mapping[str, nn.Module]) -> None:
    """Raise unless all weights of the blocks are finite; buffers may hold infinities, as masks do."""
    for path, block in blocks.items():
        for name, tensor in (*block.named_parameters(), *block.named_buffers()):
            if tensor.is_meta:
                raise ValueError(
                    f"block {path or 'the model itself'} is on the meta device, where weights have no "
                    "numbers; use a real device, for example model.to_empty(device=...) and load weights"
                )
            bad = ~torch.isfinite(tensor) if isinstance(tensor, nn.Parameter) else torch.isnan(tensor)
            if wrong := int(bad.sum()):
                raise ValueError(
                    f"block {path or 'the model itself'}: {wrong} of the {tensor.numel()} values of its "
                    f"{name!r} are NaN or infinite; load weights of a training that did not diverge"
                )


def check_numbers(name: str, record: BlockRecord) -> None:
    """Raise unless all numbers are finite: JSON knows no others, and weights that are finite may overflow."""
    for what, value in asdict(record).items():
        try:
            json.dumps(value, allow_nan=False)
        except ValueError as error:
            raise ValueError(
                f"block {name}: its {what} come to NaN or infinity; its weights or its features are too large"
            ) from error
