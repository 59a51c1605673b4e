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
        ValueError: if there is no such block, or its keys do not fit (missing and surplus keys named).
    """
    theirs, ours = f"{prefix}SNL.", f"{prefix}{block}"
    own = {key.removeprefix(theirs): value for key, value in state_dict.items() if key.startswith(theirs)}
    others = {key: value for key, value in state_dict.items() if not key.startswith(theirs)}
    translated = translate_block("snl", own, subtract=True)
    return others | {f"{ours}{key}": value for key, value in translated.items()}
