"""The stable hypothesis as a part of a training's loss."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from torch import Tensor, nn

from gsp_nonlocal.affinity import Affinity
from gsp_nonlocal.spectral.stability import RANDOM_SIGNALS, stable_penalty


class StableHypothesis:
    r"""``Σ_blocks mean_B ‖S² − S‖_F`` of the graphs of a forward pass, with gradients.

    Args:
        model: whose affinities are watched, wherever they stand in it.
        probes: of :func:`~gsp_nonlocal.spectral.stable_penalty`, for graphs that are no factors.

    Raises:
        ValueError: if the model has no nonlocal block.

    References:
        Zhu et al. (2021), *Unifying Nonlocal Blocks for Neural Networks*: their training adds 0.01 times it.

    Example:
        >>> import torch
        >>> from gsp_nonlocal import SNL
        >>> block, x = SNL(8), torch.randn(2, 8, 6, 6)
        >>> with StableHypothesis(block) as hypothesis:
        ...     loss = block(x).square().mean() + 0.01 * hypothesis.penalty()
        >>> loss.backward()
    """

    def __init__(self, model: nn.Module, *, probes: int = RANDOM_SIGNALS) -> None:
        self.affinities = [module for module in model.modules() if isinstance(module, Affinity)]
        if not self.affinities:
            raise ValueError(
                f"{type(model).__name__} has no nonlocal block, so no graph; insert_blocks puts one in"
            )
        self.probes = probes
        self._found: list[Tensor] = []
        self._hooks: list[Any] = []

    def __enter__(self) -> StableHypothesis:
        self._found.clear()
        self._hooks = [module.register_forward_hook(self._note) for module in self.affinities]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def penalty(self) -> Tensor:
        """The sum over all graphs since the context was entered.

        Raises:
            ValueError: if no block ran.
        """
        if not self._found:
            raise ValueError("no nonlocal block ran yet; call the model before penalty()")
        return sum(self._found[1:], start=self._found[0])

    def _note(self, module: nn.Module, args: tuple[Any, ...], shift: Any) -> None:
        self._found.append(stable_penalty(shift, probes=self.probes).mean())
