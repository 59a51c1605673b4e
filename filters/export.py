"""Whether a network is recorded or transformed: code then stands for other inputs than the one that runs."""

from typing import Any

import torch


def is_exporting() -> bool:
    """Whether ``torch.export`` or ``torch.jit.trace`` records the code that runs.

    What is chosen by size (the cheaper of two forms, chunks of rows) is fixed then, for all sizes alike: a
    comparison of sizes would become a condition of the exported program.
    """
    return bool(torch.compiler.is_exporting()) or torch.jit.is_tracing()


def is_transformed() -> bool:
    """Whether a transform of ``torch.func`` is at work; under ``vmap`` no entry may be looked at."""
    return not torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active()


def apply_function(function: type[torch.autograd.Function], *args: Any) -> Any:
    """``function.apply(*args)``; its forward pass alone where ``torch.jit.trace`` records it.

    A traced program that is to be saved holds no Python. It is for inference.
    """
    return function.forward(*args) if torch.jit.is_tracing() else function.apply(*args)
