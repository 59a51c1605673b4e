"""The base of the families: a bank of scalar responses, mixed over the channels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from filters.checks import Device, require_floating_type, require_integer, require_order
from filters.composition import Cascade, GraphFilter, Identity, Scaled, Sum
from filters.contract import is_built
from filters.operators.shift import ShiftOperator
from filters.operators.signal import Signal, materialise, mix

__all__ = ["Cascade", "Filter", "GraphFilter", "Identity", "Scaled", "Sum", "materialise", "mix"]


class Filter(GraphFilter):
    r"""``y = Σ_k g_k(S) z W_k``: a family of scalar responses, mixed over the channels.

    A new family writes :meth:`terms` alone, the signals ``g_k(S) z``; or, where its scheme mixes in the
    channels on the way (Horner, Clenshaw), :meth:`evaluate` in its place. A family whose parameters are not
    the ``W_k`` themselves also writes :meth:`mixing`.

    A family with parameters of its own is built in PyTorch's order: ``super().__init__(…)``, which makes
    ``weight (terms, in, out)``; then its parameters; and last, where it writes :meth:`reset_parameters`,
    ``self.reset_parameters()``. Nothing of a family is called before it is built.

    Args:
        in_channels: channels of ``z``, at least 1.
        out_channels: channels of ``y``, at least 1.
        order: polynomial degree, at least 0 (PyG's ``K`` is ``order + 1``).
        terms: number of matrices ``W_k``, at least 1; by default ``order + 1``.
        device: of the parameters, as in every module of PyTorch; ``"meta"`` too.
        dtype: of the parameters, floating-point.

    Raises:
        ValueError: if a number is out of range; at the call, if :meth:`terms` does not yield as many signals
            as there are weights.
        TypeError: if a number is no integer, or ``dtype`` is not floating-point; if a family writes neither
            :meth:`terms` nor :meth:`evaluate`, or the property ``num_terms`` in place of ``terms=``.

    References:
        Defferrard, Bresson, Vandergheynst (2016), for a response mixed over the channels.

    Example:
        >>> class Horner(Filter):
        ...     def evaluate(self, shift, z, weight):  # Σ_k S^k z W_k
        ...         y = mix(z, weight[-1])
        ...         for w in reversed(weight[:-1]):
        ...             y = shift(y) + mix(z, w)
        ...         return y
        >>> Horner(1, 2, order=3).response(torch.linspace(0, 2, 7)).shape
        torch.Size([7, 1, 2])
    """

    in_channels: int
    out_channels: int
    formula = "Σ_k g_k(μ) W_k"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        order: int = 1,
        *,
        terms: int | None = None,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        _require_family(type(self), terms)
        self.in_channels = require_integer("in_channels", in_channels)
        self.out_channels = require_integer("out_channels", out_channels)
        self.order = require_order(order)
        terms = self.order + 1 if terms is None else require_integer("terms", terms)
        require_floating_type(dtype)
        shape = (terms, self.in_channels, self.out_channels)
        self.weight = nn.Parameter(torch.zeros(shape, device=device, dtype=dtype))
        self._built(Filter)

    @property
    def num_terms(self) -> int:
        """How many matrices ``W_k`` there are."""
        return len(self.weight)

    def terms(self, shift: ShiftOperator, z: Signal) -> Iterator[Signal]:
        """Yield ``g_0(S) z, g_1(S) z, …``, using only the shift contract and ``+ − *``."""
        raise NotImplementedError(f"{type(self).__name__} has no terms: it mixes as it goes; call evaluate")

    def evaluate(self, shift: ShiftOperator, z: Signal, weight: Tensor) -> Signal:
        """``Σ_k g_k(S) z W_k`` for ``weight (terms, in, out)``; by default by the sum of the terms.

        A scheme that interleaves weights and products writes this in place of :meth:`terms`, with
        :func:`mix` for ``z W``. Response, composition and gradients come with it.
        """
        terms = list(self.terms(shift, z))
        if len(terms) != len(weight):
            raise ValueError(
                f"{type(self).__name__}.terms yields {len(terms)} signals for {len(weight)} weights; "
                f"give the filter another order, or say super().__init__(…, terms={len(terms)})"
            )
        return mixed_sum(terms, weight)

    def reset_parameters(self) -> None:
        r"""Draw ``W`` uniformly in ``±1/√(terms · in_channels)``, as ``nn.Linear`` does."""
        bound = (self.num_terms * self.in_channels) ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)

    def _built(self, family: type[Filter]) -> None:
        """Last in the ``__init__`` of ``family``: reset, unless the class that says how is not built yet."""
        if is_built(self, family, "reset_parameters"):
            self.reset_parameters()

    def _parameter(self, start: Tensor) -> nn.Parameter:
        """A parameter like the weights that begins at ``start``."""
        return nn.Parameter(start.to(self.weight).contiguous())

    def mixing(self, weight: Tensor) -> Tensor:
        """The matrices ``W_k`` that belong to the parameters ``weight``, both ``(terms, in, out)``."""
        return weight

    def filter_signal(self, shift: ShiftOperator, z: Signal) -> Signal:
        return self.evaluate(shift, z, self.mixing(self.weight).to(shift.dtype))

    def extra_repr(self) -> str:
        return f"{self.in_channels}, {self.out_channels}, order={self.order}"


def mixed_sum(terms: Iterable[Signal], weight: Tensor) -> Signal:
    """``Σ_k t_k W_k`` of signals ``t_k``, as many as ``weight (terms, in, out)`` has."""
    mixed = [mix(term, w) for term, w in zip(terms, weight.unbind(), strict=True)]
    return sum(mixed[1:], start=mixed[0])


def _require_family(kind: type[Filter], terms: int | None) -> None:
    """Refuse a family that cannot be evaluated, or that gives its number of terms by a property."""
    if kind.terms is Filter.terms and kind.evaluate is Filter.evaluate:
        raise TypeError(
            f"{kind.__name__} is no filter yet: write terms(shift, z) or evaluate(shift, z, weight)"
        )
    if terms is None and kind.num_terms is not Filter.num_terms:
        raise TypeError(
            f"{kind.__name__} overrides num_terms, which is read before the filter is built; say "
            "super().__init__(in_channels, out_channels, order=order, terms=…) and leave num_terms out"
        )
