"""Blocks that a configuration can vary by plain values where the library's constructors take modules."""

from functools import partial
from typing import get_args

from gsp_nonlocal import SNL
from gsp_nonlocal.affinity import ReLUDot
from gsp_nonlocal.affinity.normalization import Normalization, Symmetrization
from gsp_nonlocal.blocks import A2, UNNORMALISED, NonlocalBlock
from gsp_nonlocal.interop.by_name import filter_by_name
from gsp_nonlocal.shifts import Form


def snl(
    channels: int,
    inner_channels: int | None = None,
    stages: int = 1,
    *,
    order: int | None = None,
    filter: str | None = None,
    symmetrization: Symmetrization | None = None,
    normalization: Normalization | None = None,
    gate: bool = True,
    form: Form = "auto",
) -> NonlocalBlock:
    """Return an :class:`~gsp_nonlocal.SNL`, or the same block with another filter or graph.

    Args:
        channels: Of the map.
        inner_channels: As of ``SNL``.
        stages: As of ``SNL``.
        order: Of the filter; 1 by default where it has one.
        filter: Name of a filter of ``filters.registry``; ``"chebyshev"`` by default.
        symmetrization: Of the ReLU-dot affinity; ``"average"`` by default, ``"none"`` for a directed graph.
        normalization: Of it; ``"symmetric"`` by default.
        gate: As of ``SNL``.
        form: As of ``SNL``.

    Raises:
        ValueError: If a name is unknown, or the filter has no order.
    """
    _check("symmetrization", symmetrization, get_args(Symmetrization))
    _check("normalization", normalization, get_args(Normalization))
    if filter is None and symmetrization is None and normalization is None:
        return SNL(
            channels, inner_channels, stages, order=1 if order is None else order, gate=gate, form=form
        )
    graph = {"symmetrization": symmetrization, "normalization": normalization}
    affinity = partial(ReLUDot, form=form, **{k: v for k, v in graph.items() if v is not None})  # type: ignore[arg-type]
    make = filter_by_name("chebyshev" if filter is None else filter, order)
    return NonlocalBlock(channels, inner_channels, affinity=affinity, filter=make, stages=stages, gate=gate)


def a2_unnormalised(
    channels: int, inner_channels: int | None = None, stages: int = 1, *, gate: bool = True
) -> NonlocalBlock:
    """Return A² of ``S = relu(θ) relu(φ)ᵀ``, which Zhu et al. (2021) call A²."""
    return A2(channels, inner_channels, stages, affinity=UNNORMALISED, gate=gate)


def _check(key: str, value: str | None, known: tuple[str, ...]) -> None:
    if value is not None and value not in known:
        raise ValueError(f"{key}={value!r} is unknown; choose one of {', '.join(known)}")
