"""What affinities have in common: embeddings, and the choices that turn weights into a shift."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, get_args

import torch
from torch import Tensor, nn

from filters.checks import require_integer, require_number
from filters.operators.promises import Promises
from filters.operators.ranks import ALL_HERE, Ranks
from filters.operators.shift import ShiftOperator
from filters.precision import wide_dtype, without_autocast
from gsp_nonlocal.affinity.normalization import Normalization, Symmetrization, normalise
from gsp_nonlocal.creation import Device, options
from gsp_nonlocal.nodes import PointwiseProjection, require_nodes
from gsp_nonlocal.shifts import LowRankShift, Pool
from gsp_nonlocal.shifts.pooled import PoolKind, require_pool

SIGNED = "its weights can be negative, so that sums of rows can vanish and their roots be imaginary"
OVERFLOWING = "exponentials of inner products grow without bound and overflow"


class Affinity(nn.Module, ABC):
    """``X ↦ S``: a module from the node features of a map to the shift of its graph.

    It is called ``affinity(nodes (B, N, C), spatial)``; only graphs that know the arrangement of the
    positions read ``spatial``. Weights, degrees and shifts are computed in float32 or better, also under
    autocast. A class states what it promises, and its growth, by attributes or properties of these names:
    :attr:`is_symmetric`, :attr:`is_row_stochastic`, :attr:`spectral_bound`, :attr:`time`, :attr:`memory`.

    Attributes:
        formula: the entries of the shift, or of the weights it is made of, for people.
        edges: which positions are joined.
        obstacle: why its nodes cannot be divided over processes; ``None`` for an affinity that asks
            :attr:`ranks` for all that meets them.
        ranks: the processes that hold the nodes; by default this one alone.

    Raises:
        TypeError: if a class without ``forward`` is made; else as the class says.

    References:
        Zhu, She, Li, Lu, Kang, Hu, Wang (2021), *Unifying Nonlocal Blocks for Neural Networks*.

    Example:
        >>> from gsp_nonlocal.affinity import Affinity
        >>> class Mean(Affinity):  # all pairs alike
        ...     formula, is_symmetric, is_row_stochastic, spectral_bound = "1/N", True, True, 1.0
        ...     def forward(self, nodes, spatial=None):
        ...         factor = torch.ones_like(nodes[..., :1]) / nodes.shape[1] ** 0.5
        ...         return LowRankShift(factor, **self.promises.keywords())
        >>> shift = Mean()(torch.randn(2, 100, 16))
        >>> torch.allclose(shift @ torch.ones(2, 100, 1), torch.ones(2, 100, 1))
        True
    """

    formula: str = "?"
    edges: str = "all pairs"
    obstacle: str | None = "it does not say how it meets nodes of other processes"
    ranks: Ranks = ALL_HERE

    @property
    def time(self) -> str:
        """Growth of the time of ``S z`` with the number of positions ``N``."""
        return "N"

    @property
    def memory(self) -> str:
        """The same for memory."""
        return "N"

    @property
    def is_symmetric(self) -> bool:
        """Whether every shift is symmetric by construction."""
        return False

    @property
    def is_row_stochastic(self) -> bool:
        """Whether weights are ``≥ 0`` and rows sum to 1, or to 0 at a node without edges."""
        return False

    @property
    def spectral_bound(self) -> float | None:
        """A proven bound of ``|μ|`` for every shift, or ``None``."""
        return None

    @property
    def promises(self) -> Promises:
        """What every shift of the affinity is by construction; each shift carries the same."""
        return Promises(self.is_symmetric, self.is_row_stochastic, self.spectral_bound)

    @property
    def equation(self) -> str:
        """The shift, for people."""
        return f"S_ij = {self.formula}"

    @abstractmethod
    def forward(self, nodes: Tensor, spatial: Sequence[int] | None = None) -> ShiftOperator:
        """The shift on ``N`` nodes of ``nodes (B, N, C)``, a map of size ``spatial``, or ``(N,)``."""


def require_size(nodes: Tensor, spatial: Sequence[int] | None) -> tuple[int, ...]:
    """The size of the map, by default ``(N,)``; a ``ValueError`` unless it has ``N`` positions."""
    require_nodes(nodes)
    size = tuple(nodes.shape[1:2] if spatial is None else spatial)
    positions = math.prod(size)  # torch.Size.numel would fix a size that is a symbol
    if positions != nodes.shape[1]:
        raise ValueError(f"a map of size {size} has {positions} positions, not {nodes.shape[1]}")
    return size


class PairwiseAffinity(Affinity):
    r"""``S = normalise(symmetrise(M))``, ``M_ij = κ(θ_i, φ_j)``, ``θ = X W_θ``, ``φ = X W_φ``.

    A kernel is a subclass that writes :meth:`build_shift`, and says what its weights allow.

    Args:
        channels: ``C`` of the node features ``X (B, N, C)``.
        inner_channels: ``r``, the width of the embeddings ``θ`` and ``φ``; at least 1.
        symmetrization: ``"none"``, or ``"average"`` for ``½ (M + Mᵀ)``.
        normalization: ``"none"``, ``"mean"`` (``1/N``), ``"random_walk"`` or ``"symmetric"``.
        bias: whether the embeddings have one.
        sub_sample: ``"max"`` or ``"average"``: edges start at positions pooled by 2, ``N / 4`` of them on
            an image. With ``"max"`` the block is no graph filter any more (see :class:`PooledShift`).
        device: of the parameters; by default PyTorch's.
        dtype: of the parameters; by default PyTorch's.

    Raises:
        TypeError: for a number that is no integer, a ``bias`` that is neither ``True`` nor ``False``, or a
            ``dtype`` that is not real floating-point; at the call, for features that are not, or of another
            type than the parameters.
        ValueError: for a number below 1, an unknown choice, or choices that do not go together; at the call,
            for features that are no ``(B, N, C)``, or a map of another number of positions.

    References:
        Wang, Girshick, Gupta, He (2018) for the kernels; Zhu, She, Li, Lu, Kang, Hu, Wang (2021) for what
        makes them symmetric and normalised.

    Example:
        >>> from gsp_nonlocal.affinity import PairwiseAffinity
        >>> from gsp_nonlocal.shifts import DenseShift
        >>> class Squared(PairwiseAffinity):  # M_ij = (θ_iᵀφ_j)²
        ...     def build_shift(self, query, key, spatial):
        ...         return self.normalised(DenseShift((query @ key.mT).square()))
        >>> shift = Squared(16, 8, normalization="random_walk")(torch.randn(2, 9, 16))
        >>> torch.allclose(shift @ torch.ones(2, 9, 1), torch.ones(2, 9, 1))
        True
    """

    normalizations: ClassVar[tuple[Normalization, ...]] = get_args(Normalization)
    refusal: ClassVar[str] = ""
    has_embedding: ClassVar[bool] = True
    pooled_normalization: ClassVar[Normalization] = "mean"

    def __init__(
        self,
        channels: int,
        inner_channels: int,
        *,
        symmetrization: Symmetrization = "none",
        normalization: Normalization = "none",
        bias: bool = False,
        sub_sample: PoolKind | None = None,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.symmetrization, self.normalization = symmetrization, normalization
        self.sub_sample = sub_sample
        self._check_choices()
        if sub_sample is not None:
            self._check_pooling(sub_sample)
        place = options(device, dtype)
        if self.has_embedding:
            width = 2 * require_integer("inner_channels", inner_channels)
            self.theta_phi = PointwiseProjection(channels, width, bias=bias, **place)
        elif bias:
            raise ValueError(f"{type(self).__name__} has no embedding, so no bias; leave it out")

    def embeddings(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """``θ`` and ``φ``, each ``(B, N, r)``."""
        query, key = self.theta_phi(nodes).chunk(2, dim=-1)
        return query, key

    @abstractmethod
    def build_shift(self, query: Tensor, key: Tensor, spatial: Sequence[int]) -> ShiftOperator:
        """The shift of the embeddings, in their data type."""

    def normalised(self, weights: ShiftOperator) -> ShiftOperator:
        """The shift of the weights ``M``, by the affinity's choices."""
        return normalise(weights, self.symmetrization, self.normalization, self.promises)

    def pooled(self, query: Tensor, key: Tensor, pool: Pool) -> ShiftOperator:
        """The shift whose edges start at pooled positions."""
        raise ValueError(f"{type(self).__name__} has no sub_sample; leave it out")

    def forward(self, nodes: Tensor, spatial: Sequence[int] | None = None) -> ShiftOperator:
        spatial = require_size(nodes, spatial)
        query, key = self.embeddings(nodes)
        with without_autocast(nodes):
            dtype = wide_dtype(query)
            same = query is key
            query = query.to(dtype)
            key = query if same else key.to(dtype)
            if self.sub_sample is None:
                return self.build_shift(query, key, spatial)
            return self.pooled(query, key, Pool(self.sub_sample, tuple(spatial)))

    @property
    def is_symmetric(self) -> bool:
        """Whether the choices make every shift symmetric."""
        return self.symmetrization == "average" and self.normalization != "random_walk"

    @property
    def is_row_stochastic(self) -> bool:
        """Whether the normalisation makes every row sum to 1; with max pooling there are no rows."""
        return self.normalization == "random_walk" and self.sub_sample != "max"

    @property
    def spectral_bound(self) -> float | None:
        """1 where the normalisation proves it; with max pooling there is no spectrum."""
        if self.sub_sample == "max":
            return None
        return 1.0 if self.normalization in ("random_walk", "symmetric") else None

    @property
    def equation(self) -> str:
        """The shift, for people."""
        weights = "M" if self.symmetrization == "none" else "½(M + Mᵀ)"
        form = {
            "none": weights,
            "mean": f"{weights}/N",
            "random_walk": f"D⁻¹ {weights}",
            "symmetric": f"D^{{-1/2}} {weights} D^{{-1/2}}",
        }[self.normalization]
        start = "S_ij" if form == "M" else f"S = {form}, M_ij"
        pooled = "" if self.sub_sample is None else f" of {self.sub_sample}-pooled j"
        return f"{start} = {self.formula}{pooled}"

    def extra_repr(self) -> str:
        """What ``repr`` shows of the settings."""
        pooling = "" if self.sub_sample is None else f", sub_sample={self.sub_sample!r}"
        return f"symmetrization={self.symmetrization!r}, normalization={self.normalization!r}{pooling}"

    def _check_choices(self) -> None:
        for name, value, choices in (
            ("symmetrization", self.symmetrization, get_args(Symmetrization)),
            ("normalization", self.normalization, get_args(Normalization)),
        ):
            if value not in choices:
                raise ValueError(f"unknown {name} {value!r}; choose one of: {', '.join(choices)}")
        if self.normalization not in self.normalizations:
            raise ValueError(
                f"{type(self).__name__} does not go with normalization={self.normalization!r}: "
                f"{self.refusal}; choose one of: {', '.join(self.normalizations)}"
            )

    def _check_pooling(self, kind: PoolKind) -> None:
        require_pool(kind)
        if type(self).pooled is PairwiseAffinity.pooled:
            raise ValueError(f"{type(self).__name__} has no sub_sample; leave it out")
        if (self.symmetrization, self.normalization) != ("none", self.pooled_normalization):
            raise ValueError(
                f"sub_sample={kind!r} makes the weights rectangular, which have no transpose to average with "
                'and no symmetric normalisation; use symmetrization="none" and '
                f"normalization={self.pooled_normalization!r}"
            )


class FactorAffinity(PairwiseAffinity):
    """An affinity whose weights have a shift of their own, which is then normalised."""

    def weights(self, query: Tensor, key: Tensor) -> ShiftOperator:
        """``M``; by default ``θ φᵀ``."""
        return LowRankShift(query, key, is_symmetric=False, ranks=self.ranks)

    def build_shift(self, query: Tensor, key: Tensor, spatial: Sequence[int]) -> ShiftOperator:
        return self.normalised(self.weights(query, key))


def require_gamma(gamma: float) -> float:
    """``γ``, or a ``ValueError`` where it is not positive."""
    number = require_number("gamma must be positive and finite; it", gamma)
    if number <= 0:
        raise ValueError(f"gamma must be positive and finite, got {gamma}")
    return number
