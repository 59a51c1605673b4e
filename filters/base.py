"""The contract of a graph filter, and the composition of filters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from filters.checks import require_integer, require_number
from filters.linear import require_real_floating
from filters.mixing import mix_channels
from filters.plain import DiagonalShift, as_shift, recognised
from filters.shift import ShiftOperator, Signal


class GraphFilter(nn.Module, ABC):
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
    """

    in_channels: int | None
    out_channels: int | None
    requires_symmetric: bool = False
    formula: str = "H(μ)"

    @property
    def uses_graph(self) -> bool:
        """Whether ``S`` has a part in the result; if not, an affinity behind it gets no gradient."""
        return True

    @abstractmethod
    def filter_signal(self, shift: ShiftOperator, z: Signal) -> Signal:
        """``H(S) z`` in terms of the shift's own signals (see ``ShiftOperator.signal``)."""

    def forward(self, z: Tensor, shift: ShiftOperator | Tensor) -> Tensor:
        """Filter ``z`` on the graph ``shift``.

        Args:
            z: node signal ``(B, N, in_channels)``.
            shift: a shift over ``N`` nodes, or a plain tensor ``(B, N, N)`` or ``(N, N)``.

        Returns:
            ``(B, N, out_channels)``, in the data type of ``z``.

        Raises:
            TypeError: if ``z`` is not real floating-point, or ``shift`` is no shift.
            ValueError: if the number of channels or of nodes does not fit; if there is no node, or the two
                are on different devices; if the filter needs a symmetric shift and this is none.
        """
        if self.requires_symmetric and isinstance(shift, Tensor):
            shift = recognised(shift)
        shift = as_shift(shift)
        self._check(z, shift)
        dtype = torch.promote_types(torch.promote_types(z.dtype, shift.dtype), torch.float32)
        with torch.autocast(device_type=z.device.type, enabled=False):
            shift = shift.to(dtype).prepared()
            y = self.filter_signal(shift, shift.signal(z.to(dtype)))
            return materialise(y).to(z.dtype)

    def response(self, lam: Tensor) -> Tensor:
        r"""Frequency response ``H(λ)``, by running the filter itself on ``S = diag(1 − λ)``.

        Args:
            lam: graph frequencies ``λ ∈ [0, 2]``, shape ``(F,)``.

        Returns:
            ``(F, in_channels, out_channels)``: at each frequency the matrix that acts on the
            channels from the right, ``ŷ(λ) = ẑ(λ) H(λ)``; ``(F, 1, 1)`` for a filter of any channels.
        """
        require_real_floating(lam, "graph frequencies")
        if lam.dim() != 1:
            raise ValueError(f"frequencies have shape (F,), got {tuple(lam.shape)}")
        unit = torch.eye(self.in_channels or 1, dtype=lam.dtype, device=lam.device)
        probe = unit.unsqueeze(1).expand(-1, lam.shape[0], -1)
        return self(probe, DiagonalShift(1 - lam)).transpose(0, 1)

    def _check(self, z: Tensor, shift: ShiftOperator) -> None:
        require_real_floating(z, "a node signal")
        if z.dim() != 3 or self.in_channels not in (None, z.shape[-1]):
            channels = "C" if self.in_channels is None else f"C={self.in_channels}"
            raise ValueError(f"a node signal has shape (B, N, {channels}), got {tuple(z.shape)}")
        batch, nodes = shift.shape[0], shift.shape[-1]
        if nodes == 0:
            raise ValueError(f"a graph needs at least one node, got a shift of shape {tuple(shift.shape)}")
        if shift.device != z.device:
            raise ValueError(
                f"the shift is on {shift.device} and the signal on {z.device}; move one with .to(device)"
            )
        if nodes != z.shape[1] or batch not in (1, z.shape[0]):
            raise ValueError(
                f"shift {tuple(shift.shape)} does not fit the signal {tuple(z.shape)}: "
                "both need the same number of nodes, and the same batch size or a batch of 1"
            )
        if self.requires_symmetric and not shift.is_symmetric:
            raise ValueError(
                f"{self} needs a symmetric shift, and {shift} does not promise to be one; pass "
                "DenseShift(matrix, is_symmetric=True) if it is, use a symmetric normalisation, or a "
                "polynomial or rational filter"
            )

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


class Filter(GraphFilter):
    r"""``y = Σ_k g_k(S) z W_k``: a family of scalar responses, mixed over the channels.

    A new family writes :meth:`terms` alone. ``weight`` has shape ``(terms, in, out)``; a family whose
    parameters are not the ``W_k`` themselves also writes :meth:`mixing`.

    Args:
        in_channels: channels of ``z``, at least 1.
        out_channels: channels of ``y``, at least 1.
        order: polynomial degree, at least 0 (PyG's ``K`` is ``order + 1``).

    Raises:
        ValueError: if a number is out of range; at the call, if :meth:`terms` does not yield
            :attr:`num_terms` signals.
        TypeError: if a number is no integer.
    """

    in_channels: int
    out_channels: int
    formula = "Σ_k g_k(μ) W_k"

    def __init__(self, in_channels: int, out_channels: int, order: int = 1) -> None:
        super().__init__()
        self.in_channels = require_integer("in_channels", in_channels)
        self.out_channels = require_integer("out_channels", out_channels)
        self.order = require_integer("order", order, 0, "the polynomial degree")
        self.weight = nn.Parameter(torch.empty(self.num_terms, self.in_channels, self.out_channels))
        self.reset_parameters()

    @property
    def num_terms(self) -> int:
        """How many signals :meth:`terms` yields."""
        return self.order + 1

    @abstractmethod
    def terms(self, shift: ShiftOperator, z: Signal) -> Iterator[Signal]:
        """Yield ``g_0(S) z, g_1(S) z, …``, using only the shift contract and ``+ − *``."""

    def reset_parameters(self) -> None:
        r"""Draw ``W`` uniformly in ``±1/√(terms · in_channels)``, as ``nn.Linear`` does."""
        bound = (self.num_terms * self.in_channels) ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)

    def _put(self, name: str, value: Tensor) -> None:
        """Make a parameter, or overwrite it in place: an optimiser may hold it."""
        if not hasattr(self, name):
            self.register_parameter(name, nn.Parameter(value.to(self.weight)))
        with torch.no_grad():
            self.get_parameter(name).copy_(value)

    def mixing(self, weight: Tensor) -> Tensor:
        """The matrices ``W_k`` that belong to the parameters ``weight``, both ``(terms, in, out)``."""
        return weight

    def filter_signal(self, shift: ShiftOperator, z: Signal) -> Signal:
        weight = self.mixing(self.weight).to(shift.dtype)
        terms = list(self.terms(shift, z))
        if len(terms) != len(weight):
            raise ValueError(
                f"{type(self).__name__}.terms yields {len(terms)} signals for {len(weight)} weights; "
                "give the filter another order, or override num_terms"
            )
        mixed = [mix(term, weight[k]) for k, term in enumerate(terms)]
        return sum(mixed[1:], start=mixed[0])

    def extra_repr(self) -> str:
        return f"{self.in_channels}, {self.out_channels}, order={self.order}"


class Identity(GraphFilter):
    """``y = z``: the all-pass filter on ``channels`` channels; by default on any number."""

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


def mix(signal: Signal, weight: Tensor) -> Signal:
    """``Z W`` for a signal of either kind."""
    return mix_channels(signal, weight) if isinstance(signal, Tensor) else signal.mix(weight)


def materialise(signal: Signal) -> Tensor:
    """The tensor ``(B, N, C)`` that a signal stands for."""
    return signal if isinstance(signal, Tensor) else signal.to_dense()
