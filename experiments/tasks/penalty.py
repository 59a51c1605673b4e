"""The stable hypothesis as a part of a task's loss."""

from contextlib import AbstractContextManager, nullcontext

from torch import nn

from experiments.settings import check_real
from gsp_nonlocal.probe import StableHypothesis


def check_penalty(weight: float, blocks: bool) -> None:
    """Refuse a weight that is no number from 0, or one of a network without a block.

    Raises:
        ValueError: Names the weight, and what to do.
    """
    check_real("stable_penalty", weight, 0)
    if weight and not blocks:
        raise ValueError(f"stable_penalty={weight} is for a network with a block; give block or leave it out")


def check_compiled(compile: bool, weight: float) -> None:
    """Refuse a weight where ``torch.compile`` hides the blocks.

    Raises:
        ValueError: Names the weight, and what to do.
    """
    if compile and weight:
        raise ValueError(
            f"stable_penalty={weight} looks into the blocks, which compile=true hides; choose one of them"
        )


def watched(network: nn.Module, weight: float) -> AbstractContextManager[StableHypothesis | None]:
    """A context that gives the hypothesis of a step's graphs; None where it has no weight in the loss."""
    return StableHypothesis(network) if weight else nullcontext()
