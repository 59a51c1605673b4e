"""Blocks of mmcv: ``NonLocal1d``, ``NonLocal2d``, ``NonLocal3d``, read and written; ``ContextBlock`` and
``CrissCrossAttention``, read.

mmcv itself is not needed: modules are known by their attributes, and only tensors are read.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn

from filters import Aggregation
from filters.registry import Registry
from gsp_nonlocal.affinity import Concatenation, DotProduct, EmbeddedGaussian, Gaussian
from gsp_nonlocal.blocks import NonlocalBlock
from gsp_nonlocal.interop import gcnet, official
from gsp_nonlocal.interop.translation import (
    Rule,
    State,
    batch_norm,
    load_translated,
    pointwise,
    require_keys,
    reshaped,
    sizes,
    terms,
    translate,
    translate_back,
    vectors,
)
from gsp_nonlocal.nodes import Bias, PointwiseProjection
from gsp_nonlocal.shifts.pooled import PoolKind

DIMENSIONS = {"NonLocal1d": 1, "NonLocal2d": 2, "NonLocal3d": 3}
_BY_STATE: dict[str, Callable[[State], NonlocalBlock]] = {
    "ContextBlock": gcnet.load_block,
    "CrissCrossAttention": partial(official.load_block, "cc"),
}
"""Modules whose state says all of them."""


def convert(module: nn.Module) -> NonlocalBlock:
    """Our block with the weights and settings of mmcv's: the same values and gradients.

    Args:
        module: a ``NonLocal1d``, ``NonLocal2d`` or ``NonLocal3d`` of mmcv, with batch norm or without norm; a
            ``ContextBlock`` that adds what attention pooled; a ``CrissCrossAttention``, run once.

    Returns:
        The block, in the module's mode, data type and device.

    Raises:
        TypeError: for another module, or another norm.
        ValueError: for a state whose keys do not fit.

    References:
        Wang, Girshick, Gupta, He (2018), *Non-local Neural Networks*, as mmcv has it: no ReLU after the norm.

    Example:
        >>> class NonLocal2d(nn.ModuleDict):  # the state and the settings of mmcv's
        ...     mode, sub_sample, use_scale = "gaussian", False, True
        >>> def conv(i, o):
        ...     return nn.ModuleDict({"conv": nn.Conv2d(i, o, 1)})
        >>> block = convert(NonLocal2d({"g": conv(8, 4), "conv_out": conv(4, 8)}))
        >>> block.describe().shift, block.training
        ('S = D⁻¹ M, M_ij = exp(s x_iᵀx_j)', True)
    """
    settings: Any = module
    kind = type(module).__name__
    if kind in _BY_STATE:
        return _BY_STATE[kind](module.state_dict()).train(module.training)
    dims = DIMENSIONS.get(kind)
    if dims is None:
        raise TypeError(f"expected one of {', '.join([*DIMENSIONS, *_BY_STATE])} of mmcv, got {kind}")
    norm = getattr(settings.conv_out, "norm", None)
    block = load_block(
        settings.mode,
        module.state_dict(),
        dims=dims,
        sub_sample=settings.sub_sample,
        use_scale=settings.use_scale,
        eps=_eps(norm),
        momentum=None if norm is None else norm.momentum,
    )
    return block.train(module.training)


def load_block(
    mode: str,
    state_dict: State,
    *,
    dims: int = 2,
    sub_sample: bool = False,
    use_scale: bool = True,
    eps: float = 1e-5,
    momentum: float | None = 0.1,
) -> NonlocalBlock:
    """Our block with the weights of mmcv's ``state_dict``; channels and norm are found in it.

    Args:
        mode: ``"gaussian"``, ``"embedded_gaussian"``, ``"dot_product"`` or ``"concatenation"``.
        state_dict: tensors under mmcv's keys.
        dims: spatial dimensions of the maps, 1 to 3.
        sub_sample: whether keys and values were max-pooled.
        use_scale: whether exponents of the embedded Gaussian were divided by ``√r``.
        eps: of the batch norm.
        momentum: of the batch norm.

    Returns:
        The block, in training mode, without a gate and without an activation.

    Raises:
        TypeError: for what is no mapping of keys to tensors.
        ValueError: for an unknown mode, or a state whose keys or shapes do not fit (missing and surplus keys
            named).

    References:
        Wang, Girshick, Gupta, He (2018), *Non-local Neural Networks*, as mmcv has it: no ReLU after the norm.

    Example:
        >>> def conv(i, o):
        ...     return nn.ModuleDict({"conv": nn.Conv2d(i, o, 1)})
        >>> names = {"g": (8, 4), "theta": (8, 4), "phi": (8, 4), "conv_out": (4, 8)}
        >>> theirs = nn.ModuleDict({name: conv(*sizes) for name, sizes in names.items()}).state_dict()
        >>> block = load_block("dot_product", theirs)
        >>> block.channels, block.inner_channels, block.describe().shift
        (8, 4, 'S = M/N, M_ij = θ_iᵀφ_j')
    """
    settings: dict[str, Any] = {"scale": None} if mode == "embedded_gaussian" and use_scale else {}
    if mode != "gaussian":
        settings |= {"bias": True}
    pooling: PoolKind | None = "max" if sub_sample else None
    affinity = partial(modes.get(mode), sub_sample=pooling, **settings)
    value = f"g.{'0.' if sub_sample else ''}conv.weight"
    require_keys(state_dict, [value], "an mmcv block")
    inner, channels = sizes(state_dict, value, "an mmcv block")
    has_norm = "conv_out.bn.weight" in state_dict
    block = NonlocalBlock(
        channels,
        inner,
        affinity=affinity,
        filter=Aggregation,
        norm=partial(nn.BatchNorm1d, eps=eps, momentum=momentum) if has_norm else Bias,
        activation=nn.Identity,
        value=partial(PointwiseProjection, bias=True),
        gate=False,
    )
    rules = _rules(mode, dims, inner, sub_sample=sub_sample, has_norm=has_norm)
    load_translated(block, translate(rules, state_dict, f"an mmcv block of mode {mode!r}"), state_dict)
    return block


def state_dict_of(block: NonlocalBlock, dims: int = 2) -> dict[str, Tensor]:
    """The state of a block under mmcv's keys: the inverse of :func:`load_block`.

    Args:
        block: a block made by :func:`convert` or :func:`load_block`, trained further or not. An embedded
            Gaussian of scale ``1/√r`` belongs to mmcv's ``use_scale=True``, of scale 1 to ``False``.
        dims: spatial dimensions of the maps.

    Returns:
        Copies of the tensors, by mmcv's keys.

    Raises:
        ValueError: for a block of another structure, which mmcv cannot hold.

    Example:
        >>> def conv(i, o):
        ...     return nn.ModuleDict({"conv": nn.Conv2d(i, o, 1)})
        >>> theirs = nn.ModuleDict({"g": conv(8, 4), "conv_out": conv(4, 8)}).state_dict()
        >>> back = state_dict_of(load_block("gaussian", theirs))
        >>> back.keys() == theirs.keys(), all(back[key].equal(theirs[key]) for key in theirs)
        (True, True)
    """
    affinity: Any = block.affinity
    mode = next((name for name in modes.names() if type(affinity) is modes.get(name)), None)
    state = block.state_dict()
    has_norm = "stages.0.norm.running_var" in state
    if mode is None:
        raise ValueError(f"mmcv has no block with the affinity {type(affinity).__name__}")
    rules = _rules(mode, dims, block.inner_channels, sub_sample=bool(affinity.sub_sample), has_norm=has_norm)
    if set(state) != {rule.ours for rule in rules} or not _is_mmcvs(block, mode):
        raise ValueError(
            "mmcv holds blocks of one stage as load_block makes them: an aggregation of order 1, biases, max "
            "pooling or none, no gate, no activation, its own scales and normalisations; this one is "
            f"{block}"
        )
    return translate_back(rules, state)


def _is_mmcvs(block: NonlocalBlock, mode: str) -> bool:
    """Whether the settings that no tensor shows are those of mmcv."""
    affinity: Any = block.affinity
    unit, width = block.units[0], block.inner_channels
    scales = {"gaussian": (1.0,), "embedded_gaussian": (1.0, width**-0.5)}.get(mode, (None,))
    normalization = "random_walk" if "gaussian" in mode else "mean"
    return (
        isinstance(unit.filter, Aggregation)
        and unit.filter.order == 1
        and isinstance(unit.activation, nn.Identity)
        and block.recurrence == 1
        and getattr(affinity, "scale", None) in scales
        and not getattr(affinity, "whiten", False)
        and (affinity.symmetrization, affinity.normalization) == ("none", normalization)
        and affinity.sub_sample in (None, "max")
    )


def _rules(mode: str, dims: int, inner: int, *, sub_sample: bool, has_norm: bool) -> list[Rule]:
    pooled = "0." if sub_sample else ""
    rules = [
        pointwise("stages.0.value.weight", f"g.{pooled}conv.weight", dims=dims),
        vectors("stages.0.value.bias", f"g.{pooled}conv.bias"),
        terms("stages.0.filter.weight", "conv_out.conv.weight", dims=dims),
    ]
    rules += batch_norm("stages.0.norm", "conv_out.bn") if has_norm else []
    rules += [] if has_norm else [vectors("stages.0.norm.bias", "conv_out.conv.bias")]
    if mode != "gaussian":
        embeddings = ("theta.conv", f"phi.{pooled}conv")
        weights, biases = ([f"{name}.{kind}" for name in embeddings] for kind in ("weight", "bias"))
        rules += [pointwise("affinity.theta_phi.weight", *weights, dims=dims)]
        rules += [vectors("affinity.theta_phi.bias", *biases)]
    if mode == "concatenation":
        shape = (1, 2 * inner, 1, 1)  # two-dimensional for maps of any dimension
        rules += [reshaped("affinity.weight", "concat_project.conv.weight", (2 * inner,), shape)]
    return rules


def _eps(norm: nn.Module | None) -> float:
    if norm is None:
        return 1e-5
    if not isinstance(norm, nn.modules.batchnorm._BatchNorm):
        raise TypeError(f"only batch norm, or no norm, can be read; this block has {type(norm).__name__}")
    return norm.eps


modes: Registry[Callable[..., Any]] = Registry("mode")
modes.register("concatenation", Concatenation)
modes.register("dot_product", DotProduct)
modes.register("embedded_gaussian", EmbeddedGaussian)
modes.register("gaussian", Gaussian)
