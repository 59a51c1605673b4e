"""Filters as values that compose: sums, cascades and multiples of filters are filters."""

from __future__ import annotations

from filters.checks import require_integer, require_number
from filters.contract import Contract
from filters.operators.shift import ShiftOperator
from filters.operators.signal import Signal


class GraphFilter(Contract):
    r"""``y = H(S) z``: anything that filters a node signal on a graph and has a response.

    Filters are linear in ``z``, equivariant to permutations of the nodes, and hold no graph. They
    compose: ``f + g`` (parallel), ``f @ g`` (cascade: first ``g``, then ``f``), ``a * f``.

    Precision: a filter computes in float32 or better, also under autocast; half-precision input
    is cast up, and the result has the input's data type.

    Attributes:
        in_channels, out_channels: channels of ``z`` and of ``y``; both ``None`` for a filter that treats
            every channel alike and takes any number of them.
        requires_symmetric: whether the shift must be symmetric; others are refused.
        formula: the response over ``μ = 1 − λ``, for people.

    Raises:
        TypeError: at the call, if ``z`` is not real floating-point, or ``shift`` is no shift.
        ValueError: at the call, if channels, nodes, batches or devices do not fit, if there is no node, or if
            the filter needs a symmetric shift and this is none; where a filter is composed, if channels do
            not fit, or a factor is not finite.

    References:
        Sandryhaila, Moura (2013), *Discrete Signal Processing on Graphs*.

    Example:
        >>> import torch
        >>> from filters import GraphFilter, Identity
        >>> class Mean(GraphFilter):  # ½ (I + S) z
        ...     in_channels = out_channels = None
        ...     def filter_signal(self, shift, z):
        ...         return 0.5 * (z + shift(z))
        >>> f = Mean() @ Mean() - 0.5 * Identity()
        >>> f.response(torch.tensor([0.0, 1.0, 2.0])).flatten()  # (1 − λ/2)² − 1/2
        tensor([ 0.5000, -0.2500, -0.5000])
    """

    def __add__(self, other: GraphFilter) -> GraphFilter:
        return Sum(self, other) if isinstance(other, GraphFilter) else NotImplemented

    def __matmul__(self, other: GraphFilter) -> GraphFilter:
        return Cascade(self, other) if isinstance(other, GraphFilter) else NotImplemented

    def __mul__(self, factor: float) -> GraphFilter:
        return Scaled(self, factor) if isinstance(factor, int | float) else NotImplemented

    __rmul__ = __mul__

    def __neg__(self) -> GraphFilter:
        return Scaled(self, -1.0)

    def __sub__(self, other: GraphFilter) -> GraphFilter:
        return Sum(self, -other) if isinstance(other, GraphFilter) else NotImplemented


class Identity(GraphFilter):
    """``y = z``: the all-pass filter on ``channels`` channels; by default on any number.

    Args:
        channels: of ``z`` and ``y``, at least 1; ``None`` for any number.

    Raises:
        TypeError: if ``channels`` is no integer.
        ValueError: if it is below 1.

    Example:
        >>> import torch
        >>> from filters import Heat, Identity
        >>> high_pass = Identity() - Heat(1.0)  # 1 − exp(−λ)
        >>> high_pass.response(torch.tensor([0.0, 2.0])).flatten()
        tensor([0.0000, 0.8647])
    """

    formula = "1"
    uses_graph = False

    def __init__(self, channels: int | None = None) -> None:
        super().__init__()
        self.in_channels = self.out_channels = (
            None if channels is None else require_integer("channels", channels)
        )

    def filter_signal(self, shift: ShiftOperator, z: Signal) -> Signal:
        return z

    def extra_repr(self) -> str:
        return "" if self.in_channels is None else str(self.in_channels)


class Sum(GraphFilter):
    """``y = f(z) + g(z)``: filters in parallel."""

    def __init__(self, first: GraphFilter, second: GraphFilter) -> None:
        super().__init__()
        sizes = [_sizes(f) for f in (first, second)]
        known = [size for size in sizes if size != (None, None)] or sizes
        if known[0] != known[-1] or (len(known) == 1 and known[0][0] != known[0][1]):
            raise ValueError(
                f"filters in parallel need the same (in, out) channels, got {sizes[0]} and {sizes[1]}"
            )
        self.first, self.second = first, second
        self.in_channels, self.out_channels = known[0]
        self.requires_symmetric = first.requires_symmetric or second.requires_symmetric
        self.formula = f"{first.formula} + {second.formula}"

    @property
    def uses_graph(self) -> bool:
        return self.first.uses_graph or self.second.uses_graph

    def filter_signal(self, shift: ShiftOperator, z: Signal) -> Signal:
        return self.first.filter_signal(shift, z) + self.second.filter_signal(shift, z)

    def __repr__(self) -> str:
        return f"{self.first} + {self.second}"


class Cascade(GraphFilter):
    """``y = f(g(z))``: first ``inner``, then ``outer``, on the same graph."""

    def __init__(self, outer: GraphFilter, inner: GraphFilter) -> None:
        super().__init__()
        if None not in (outer.in_channels, inner.out_channels) and outer.in_channels != inner.out_channels:
            raise ValueError(
                f"f @ g feeds g's output to f: g gives {inner.out_channels} channels, "
                f"f takes {outer.in_channels}"
            )
        self.outer, self.inner = outer, inner
        self.in_channels = outer.in_channels if inner.in_channels is None else inner.in_channels
        self.out_channels = inner.out_channels if outer.out_channels is None else outer.out_channels
        self.requires_symmetric = outer.requires_symmetric or inner.requires_symmetric
        self.formula = f"({inner.formula}) · ({outer.formula})"

    @property
    def uses_graph(self) -> bool:
        return self.outer.uses_graph or self.inner.uses_graph

    def filter_signal(self, shift: ShiftOperator, z: Signal) -> Signal:
        return self.outer.filter_signal(shift, self.inner.filter_signal(shift, z))

    def __repr__(self) -> str:
        return f"{_factor(self.outer)} @ {_factor(self.inner)}"


class Scaled(GraphFilter):
    """``y = a f(z)`` for a fixed number ``a``."""

    def __init__(self, inner: GraphFilter, factor: float) -> None:
        super().__init__()
        self.inner, self.factor = inner, require_number("the factor of a filter", factor)
        self.in_channels, self.out_channels = _sizes(inner)
        self.requires_symmetric = inner.requires_symmetric
        self.formula = f"{self.factor:g} · ({inner.formula})"

    @property
    def uses_graph(self) -> bool:
        return self.inner.uses_graph

    def filter_signal(self, shift: ShiftOperator, z: Signal) -> Signal:
        return self.factor * self.inner.filter_signal(shift, z)

    def __repr__(self) -> str:
        return f"{self.factor:g} * {_factor(self.inner)}"


def _sizes(f: GraphFilter) -> tuple[int | None, int | None]:
    return f.in_channels, f.out_channels


def _factor(f: GraphFilter) -> str:
    """``f`` as it stands in a product."""
    return f"({f})" if isinstance(f, Sum | Cascade | Scaled) else str(f)
