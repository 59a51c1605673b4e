"""The authors' segmentation head (Zhu et al. 2021): the keys of its block as ours."""

from __future__ import annotations

from torch import Tensor

from gsp_nonlocal.interop.official.blocks import translate_block
from gsp_nonlocal.interop.translation import State


def head_state(state_dict: State, prefix: str = "decode_head.", block: str = "block.") -> dict[str, Tensor]:
    """A state in which the block of the authors' segmentation head has our keys.

    Their head is an FCN head, ``conv → block → conv``, joined with its input by a convolution. Its block is
    the module ``SNL``, whose unit *subtracts* ``W₂ Â z``, where their classification code adds it: ``W₂``
    changes its sign here. All other keys are mmsegmentation's, and stay.

    Args:
        state_dict: of a head, or of a network with the head below ``prefix``, under the authors' keys.
        prefix: of the head's keys; ``""`` for the head's own state.
        block: where the block stands in our head.

    Raises:
        TypeError: if a value below the block's prefix is no tensor.
        ValueError: if there is no such block, or its keys do not fit (missing and surplus keys named).

    References:
        Zhu, She, Li, Lu, Kang, Hu, Wang (2021), *Unifying Nonlocal Blocks for Neural Networks*, their code.

    Example:
        >>> import torch
        >>> sizes = dict.fromkeys(["t", "p", "stages.0.g"], (4, 8, 1, 1))
        >>> sizes |= dict.fromkeys(["stages.0.w_1", "stages.0.w_2"], (8, 4, 1, 1))
        >>> theirs = {f"SNL.{name}.weight": torch.randn(size) for name, size in sizes.items()}
        >>> theirs |= torch.nn.BatchNorm2d(8).state_dict(prefix="SNL.stages.0.bn.")
        >>> first, second = head_state(theirs, prefix="")["block.stages.0.filter.weight"]
        >>> torch.equal(second, -theirs["SNL.stages.0.w_2.weight"].flatten(1).T)
        True
    """
    theirs, ours = f"{prefix}SNL.", f"{prefix}{block}"
    own = {key.removeprefix(theirs): value for key, value in state_dict.items() if key.startswith(theirs)}
    others = {key: value for key, value in state_dict.items() if not key.startswith(theirs)}
    translated = translate_block("snl", own, subtract=True)
    return others | {f"{ours}{key}": value for key, value in translated.items()}
