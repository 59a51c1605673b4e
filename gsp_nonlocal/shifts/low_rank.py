"""Shift operators kept as exact low-rank factors."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Literal, cast

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from filters.checks import common_batch, require_some_node
from filters.export import is_exporting, is_transformed
from filters.operators.gains import Gains
from filters.operators.linear import factorised, matmul_real, require_real_floating, symmetrised
from filters.operators.promises import Promises, promised
from filters.operators.ranks import Ranks, require_whole
from filters.operators.shift import ShiftOperator, require_same_nodes
from filters.operators.signal import S, Scalar, SignalMap, on_tensor
from gsp_nonlocal.shifts.gram import gram
from gsp_nonlocal.shifts.implicit import add
from gsp_nonlocal.shifts.lazy import Base, LowRankSignal
from gsp_nonlocal.shifts.reduced import reduced
from gsp_nonlocal.shifts.signal_factor import WIDE, of_type

STEEPEST = 2.0**4
"""Of ``|b/a| m max(1, m)``, up to which ``(aI + bS)⁻¹`` is solved in the data type of the factors.

``m`` is the spectral bound, or of shifts without one ``max |core G|``. ``left c'`` cancels ``z A / a`` where
``|b μ| ≫ |a|``, with an error of ``ε |b μ / a|``, and products with ``S`` that follow enlarge it by ``μ``
each where the truth stays: of graphs that no normalisation bounds, 4 of 300 in float32 where a dense solve
was right to six digits. Beyond, the signal goes on in float64."""


class LowRankShift(ShiftOperator):
    r"""``S = left · core · rightᵀ``, never formed: ``S @ z`` costs ``2 N R C``.

    Everything that a filter builds from a signal ``z`` has the form ``z A + left c`` with ``c`` of
    size ``R × C``. With ``Y = core rightᵀ z`` and ``G = rightᵀ left``, each computed once,

    .. math::
        S (z A + left\,c) = left\,(Y A + core\,G\,c), \qquad
        (aI + bS)^{-1} (z A + left\,c) = z A / a + left\,c',
        \quad (aI + b\,core\,G)\,c' = c - (b/a)\,Y A.

    So a filter of any order touches the ``N`` nodes twice: once in ``Y``, once at its end; and a
    resolvent is an exact solve of size ``R``. :meth:`signal` returns such lazy signals. ``G`` is formed in
    the data type of the factors, and where it leaves that (from factors of 10¹⁹ on in float32) the signal
    goes on in float64; not in compiled code, which looks at no number: scale factors first there.

    Args:
        left: ``(B, N, R)``, real floating-point.
        right: ``(B, N, R)``; by default the tensor ``left`` itself.
        core: ``(R, R)`` or ``(B, R, R)``; by default the identity. ``"halves"`` is ``½ [[0, I], [I, 0]]``,
            a symmetric one that is never multiplied by: it swaps halves.
        is_symmetric: promise that ``S = Sᵀ``; by default true when both factors are one tensor
            and there is no core.
        is_row_stochastic: promise that entries are ``≥ 0`` and rows sum to 1, or to 0.
        spectral_bound: a bound of ``|μ|``, if one is known.
        ranks: the processes that hold the nodes; by default this one, with all of them. Else ``left``,
            ``right`` and :attr:`shape` are those of the nodes that are here, and what is summed over nodes,
            ``Y`` and ``G``, is summed over the processes.

    Raises:
        TypeError: if a factor is not real floating-point.
        ValueError: if the shapes do not fit.

    References:
        Golub, Van Loan (2013), *Matrix Computations*, for the resolvent (Sherman, Morrison, Woodbury);
        Katharopoulos et al. (2020), for attention by its factors.

    Example:
        >>> q = torch.rand(1, 1000, 4)
        >>> S = LowRankShift(q / 50)
        >>> (S @ torch.ones(1, 1000, 2)).shape, S.rank
        (torch.Size([1, 1000, 2]), 4)
    """

    def __init__(
        self,
        left: Tensor,
        right: Tensor | None = None,
        core: Tensor | Literal["halves"] | None = None,
        *,
        is_symmetric: bool | None = None,
        is_row_stochastic: bool = False,
        spectral_bound: float | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        right = left if right is None else right
        _check_factors(left, right, core)
        self.left, self.right = left, right
        self.ranks = self.ranks if ranks is None else ranks
        self._core = core.unsqueeze(0) if isinstance(core, Tensor) and core.dim() == 2 else core
        symmetric = right is left and core is None if is_symmetric is None else is_symmetric
        self.promises = promised(symmetric, is_row_stochastic, spectral_bound)

    @property
    def rank(self) -> int:
        """``R``, the number of columns of the factors, an upper bound of the rank of ``S``."""
        return self.left.shape[-1]

    @property
    def core(self) -> Float[Tensor, "#B R R"] | None:
        """The matrix between the factors; ``None`` for the identity."""
        if not isinstance(self._core, str):
            return self._core
        identity = torch.eye(self.rank, dtype=self.dtype, device=self.device)
        return _swapped(identity.unsqueeze(0), dim=-1)

    @property
    def shape(self) -> torch.Size:
        batch, nodes, _ = self.left.shape
        return torch.Size((batch, nodes, nodes))

    @property
    def dtype(self) -> torch.dtype:
        return self.left.dtype

    @property
    def device(self) -> torch.device:
        return self.left.device

    @property
    def gram(self) -> Float[Tensor, "B R R"]:
        """``S`` restricted to the span of ``left``, ``core G = core · rightᵀ · left (B, R, R)``.

        Its eigenvalues are the non-zero eigenvalues of ``S`` (and zeros). Computed anew at each use: kept on
        the shift, it would carry the autograd graph, or the lack of one, from one use into the next. The
        signals of one call share it (:class:`gsp_nonlocal.shifts.lazy.Base`).
        """
        same = self.right is self.left
        return self.through_core(self.ranks.sum(gram(self.left) if same else self.right.mT @ self.left))

    def project(self, z: Shaped[Tensor, "#B N C"]) -> Shaped[Tensor, "_ R C"]:
        """``Y = core · rightᵀ z``, shape ``(B, R, C)``."""
        return self.through_core(self.meet(z))

    def signal(self, z: Tensor) -> LowRankSignal:
        """``z`` as a lazy signal, on which a whole filter runs in ``R × C`` numbers."""
        return LowRankSignal(Base(self, z), 1.0, None, z.shape[-1])

    def __call__(self, z: S) -> S:
        if isinstance(z, LowRankSignal):
            return cast(S, z.shifted(self))
        return on_tensor(lambda dense: matmul_real(self.left, self.project(dense)), z)

    @property
    def T(self) -> LowRankShift:  # noqa: N802
        core = self._core.mT if isinstance(self._core, Tensor) else self._core
        promises = self.promises.transposed.keywords()
        return LowRankShift(self.right, self.left, core, ranks=self.ranks, **promises)

    def resolvent(self, a: Scalar, b: Scalar) -> SignalMap:
        if isinstance(a, int | float | complex) and a == 0:
            raise ValueError("a = 0: b S alone has no inverse, since S is low-rank; use a ≠ 0 in (aI + bS)⁻¹")
        small: dict[torch.dtype, Callable[[Tensor], Tensor]] = {}  # some signals are in float64 already
        steep: list[bool] = []

        def solve(signal: LowRankSignal) -> LowRankSignal:
            if signal.dtype not in WIDE and not steep:
                steep.append(self._is_steep(signal.base.gram, a, b))
            signal = signal.double if steep and steep[0] else signal
            dtype = signal.dtype
            one, other = of_type(dtype, a), of_type(dtype, b)
            if dtype not in small:
                eye = torch.eye(self.rank, dtype=dtype, device=self.device)
                small[dtype] = factorised(one * eye + other * signal.base.gram)
            return signal.solved(self, one, other, small[dtype])

        def apply(z: S) -> S:
            if isinstance(z, LowRankSignal):
                return cast(S, solve(z))
            return on_tensor(lambda dense: solve(self.signal(dense)).to_dense(), z)

        return apply

    def before_solve(self, z: S, a: Scalar, b: Scalar) -> S:
        if not isinstance(z, LowRankSignal) or z.dtype in WIDE or not self._is_steep(z.base.gram, a, b):
            return z
        return cast(S, z.double)

    def overflows(self, gram: Tensor) -> bool:
        """Whether ``core G`` has left its data type; asked on a CPU alone, where a look costs nothing.

        Of one factor without a core of its own, a bound of the spectrum holds it in.
        """
        plain = self.right is self.left and not isinstance(self._core, Tensor)
        if (
            (plain and self.spectral_bound is not None)
            or gram.device.type != "cpu"
            or not _can_be_asked(gram)
        ):
            return False
        return not bool(gram.isfinite().all())

    def _is_steep(self, small: Tensor, a: Scalar, b: Scalar) -> bool:
        """Whether the system of a resolvent is too large for its data type, see :data:`STEEPEST`."""
        if not _can_be_asked(small):
            return False
        with torch.no_grad():
            bound = self.spectral_bound
            size = small.abs().amax() if bound is None else small.new_tensor(bound)
            steepness = size * size.clamp(min=1) * torch.as_tensor(b / a).abs().amax()
            within = self.ranks.greatest(steepness) <= STEEPEST
            return not bool(within)  # NaN is steep: a matrix that overflowed

    def function(self, z: S, gains: Callable[[Tensor], Gains]) -> S | None:
        if not isinstance(z, LowRankSignal) or self.right is not self.left or _is_recorded():
            return None
        small = reduced(self.left, self.core, self.ranks)
        return None if small is None else cast(S | None, small(z, gains(small.mu)))

    def eigenpairs(self) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            basis, small = self.compressed()
            eigenvalues, vectors = map(self.ranks.agreed, torch.linalg.eigh(symmetrised(small)))
            return eigenvalues, basis @ vectors

    def compressed(self) -> tuple[Float[Tensor, "B N K"], Float[Tensor, "B K K"]]:
        """``Q`` and ``Qᵀ S Q`` for an orthonormal basis of the span of ``left``, ``K = min(N, R)``.

        Every eigenvector of ``S`` with ``μ ≠ 0`` is ``Q v`` with an eigenvector ``v`` of the small matrix.
        """
        basis, factor = orthonormalised(self.left, self.ranks)
        return basis, self.times_core(factor) @ self.ranks.sum(self.right.mT @ basis)

    def rotated(self) -> Float[Tensor, "B K K"]:
        """``M = Qᵀ S Q`` with ``S = Q M Qᵀ``, ``Q`` orthonormal, ``K = min(N, 2 R)``; ``R`` of one factor."""
        same = self.right is self.left
        both = self.left if same else torch.cat([self.left, self.right], dim=-1)
        basis, _ = orthonormalised(both, self.ranks)
        left, right = (self.ranks.sum(basis.mT @ factor) for factor in (self.left, self.right))
        return self.times_core(left) @ right.mT

    def times_core(self, left: Shaped[Tensor, "#B M R"]) -> Shaped[Tensor, "_ M R"]:
        """``left · core``, of the left factor or of what stands in its place."""
        if isinstance(self._core, str):
            return _swapped(left, dim=-1)
        return left if self._core is None else left @ self._core

    def to_dense(self) -> Tensor:
        require_whole(self.ranks, "the matrix of a graph")
        return self.times_core(self.left) @ self.right.mT

    def mapped(self, function: Callable[[Tensor], Tensor], promises: Promises | None = None) -> LowRankShift:
        left = function(self.left)
        right = left if self.right is self.left else function(self.right)
        core = function(self._core) if isinstance(self._core, Tensor) else self._core
        return LowRankShift(left, right, core, ranks=self.ranks, **(promises or self.promises).keywords())

    def __add__(self, other: ShiftOperator) -> ShiftOperator:
        if not isinstance(other, LowRankShift):
            return add(self, other)
        require_same_nodes(self, other)
        batch, parts = common_batch(self, other), (self, other)
        left = torch.cat([part.times_core(part.left).expand(batch, -1, -1) for part in parts], dim=-1)
        right = torch.cat([part.right.expand(batch, -1, -1) for part in parts], dim=-1)
        promises = Promises.of_sum([self.promises, other.promises]).keywords()
        return LowRankShift(left, right, ranks=self.ranks, **promises)

    def meet(self, z: Shaped[Tensor, "#B N C"]) -> Shaped[Tensor, "_ R C"]:
        """``rightᵀ z``, shape ``(B, R, C)``."""
        return self.ranks.sum(matmul_real(self.right.mT, z))

    def through_core(self, y: Tensor) -> Tensor:
        """``core · y``."""
        if isinstance(self._core, str):
            return _swapped(y, dim=-2)
        return y if self._core is None else matmul_real(self._core, y)

    def __repr__(self) -> str:
        return f"LowRankShift(shape={tuple(self.shape)}, rank={self.rank}, dtype={self.dtype})"


def _swapped(half_by_half: Tensor, dim: int) -> Tensor:
    """``J · y``, or ``y · J`` along the last dimension, for ``J = ½ [[0, I], [I, 0]]``."""
    return 0.5 * half_by_half.roll(half_by_half.shape[dim] // 2, dims=dim)


def _can_be_asked(small: Tensor) -> bool:
    """Whether float64 is more, and the numbers are known: compiled, exported, under ``vmap`` they are not."""
    if (
        small.dtype in WIDE
        or type(small) is not Tensor
        or small.is_meta
        or not small.numel()
        or _is_recorded()
    ):
        return False
    return not (small.is_cuda and torch.cuda.is_current_stream_capturing())


def _is_recorded() -> bool:
    """Whether other numbers than these will run through the same code."""
    if torch.compiler.is_compiling() or is_exporting() or is_transformed():
        return True
    tracing = sys.modules.get("torch.fx.experimental.proxy_tensor")  # of make_fx, if it was ever loaded
    return tracing is not None and tracing.get_proxy_mode() is not None


def _check_factors(left: Tensor, right: Tensor, core: Tensor | str | None) -> None:
    for name, factor in {"left": left, "right": right}.items():
        require_real_floating(factor, f"the {name} factor of a shift")
    if isinstance(core, str):
        _require_halves(core, left.shape[-1])
    elif core is not None:
        require_real_floating(core, "the core of a shift")
    if left.dim() != 3 or left.shape != right.shape:
        raise ValueError(
            "factors have one common shape (B, N, R), "
            f"got left {tuple(left.shape)} and right {tuple(right.shape)}"
        )
    require_some_node(left.shape[:-1])
    batch, _, rank = left.shape
    sizes = [(rank, rank), (1, rank, rank), (batch, rank, rank)]
    if isinstance(core, Tensor) and tuple(core.shape) not in sizes:
        raise ValueError(
            f"core has shape (R, R) or (B, R, R) with B = {batch}, R = {rank}, got {tuple(core.shape)}"
        )


def _require_halves(core: str, rank: int) -> None:
    if core != "halves":
        raise ValueError(f'core is a tensor, None or "halves", got {core!r}')
    if rank % 2:
        raise ValueError(f'core="halves" needs factors of an even number of columns, got {rank}')


def orthonormalised(factor: Float[Tensor, "B N R"], ranks: Ranks) -> tuple[Tensor, Tensor]:
    """``Q (B, N, K)``, orthonormal over all nodes, and ``T (B, K, R)`` with ``factor = Q T``.

    Of divided nodes every process finds its own ``Q_i T_i``, and all find ``Q' T`` of the ``T_i`` below each
    other; the rows of ``Q_i Q'_i`` are its own (Demmel, Grigori, Hoemmen, Langou 2012). ``P R²`` numbers
    travel.
    """
    basis, small = torch.linalg.qr(factor)
    if not ranks.is_split:
        return basis, small
    parts = ranks.gathered(small)
    joint, small = map(ranks.agreed, torch.linalg.qr(torch.cat(parts, dim=-2)))
    own = joint.split([part.shape[-2] for part in parts], dim=-2)[ranks.place]
    return basis @ own, small
