"""A law: what it measures of a part, and how a violation is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import gradcheck


class Measured(NamedTuple):
    """A ``number`` that a law found, and its ``limit``."""

    what: str
    number: float
    limit: float = 0.0


Law = Callable[..., Iterable[Measured]]
"""Yields findings of a part; the first line of its docstring is the law."""


def obey(part: object, laws: Sequence[Law], *case: object) -> None:
    """Raise unless all findings of the ``laws`` of a ``case`` are within their limits.

    Raises:
        AssertionError: with a line for each law that is broken, by a number or by an exception.
    """
    require([violation(part, law, *case) for law in laws])


def require(lines: Sequence[str]) -> None:
    """Raise an ``AssertionError`` of the lines that are not empty, each once."""
    broken = dict.fromkeys(filter(None, lines))
    if broken:
        raise AssertionError("\n".join(broken))


def violation(part: object, law: Law, *case: object) -> str:
    """How a part breaks the law in a case, or an empty text."""
    name = str(part).partition("\n")[0].rstrip("(")
    text = f"{name} breaks the law '{(law.__doc__ or law.__name__).partition(chr(10))[0]}'"
    try:
        for what, number, limit in law(*case):
            if not number <= limit:  # nor is NaN
                return f"{text}: {what} is {number:.3g}, and may be {limit:.3g}"
    except Exception as error:
        return f"{text}: {type(error).__name__}: {error}"
    return ""


def drawn(*shape: int, seed: int = 0, device: torch.device | None = None) -> Tensor:
    """Standard normal numbers in float64, the same at each call and on each device."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(device)


def device_of(module: nn.Module) -> torch.device:
    """Where the parameters of a module are; the processor, if it has none."""
    return next((p.device for p in module.parameters()), torch.device("cpu"))


def relative(value: Tensor, reference: Tensor) -> float:
    """``‖value − reference‖ / ‖reference‖``."""
    return ((value - reference).norm() / reference.norm().clamp_min(1e-30)).item()


def changed(tensors: Iterable[Tensor], before: Iterable[Tensor]) -> int:
    """How many tensors are not bit-equal to what they were."""
    return sum(not torch.equal(one, other) for one, other in zip(tensors, before, strict=True))


def gradients(module: nn.Module, run: Callable[..., Tensor | Sequence[Tensor]], *given: Tensor) -> Measured:
    """Gradients of ``run(state, *given)`` in ``given`` and in the parameters that ``state`` holds."""
    names = list(dict(module.named_parameters()))
    inputs = [t.detach().clone().requires_grad_() for t in (*given, *module.parameters())]

    def function(*values: Tensor) -> Tensor | Sequence[Tensor]:
        return run(dict(zip(names, values[len(given) :], strict=True)), *values[: len(given)])

    gradcheck(function, inputs, fast_mode=True, nondet_tol=1e-10)  # raises, with the numbers
    return Measured("number of wrong gradients", 0)
