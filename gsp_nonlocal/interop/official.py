"""Weights of the authors' public code (Zhu et al. 2021), read into our blocks and networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from filters.registry import Registry
from gsp_nonlocal.blocks import SNL, NonlocalBlock
from gsp_nonlocal.models import PreResNet

State = Mapping[str, Tensor]


def load_block(kind: str, state_dict: State) -> NonlocalBlock:
    """A block with the weights of the authors' ``Stage``; channels and stages are found in the state.

    Args:
        kind: ``"snl"``.
        state_dict: tensors ``t.weight``, ``p.weight``, ``stages.i.{g,w_1,w_2}.weight``, ``stages.i.bn.*``.

    Returns:
        The block, in training mode, without a gate (the authors' plain residual).

    Raises:
        ValueError: for an unknown kind, or a state whose keys do not fit (missing and surplus keys named).
    """
    return kinds.get(kind)(state_dict)


def load_network(state_dict: State) -> PreResNet:
    """The authors' CIFAR network with one SNL block in stage 3: depth, classes, channels from the state.

    Raises:
        ValueError: if the keys do not fit (missing and surplus keys named).
    """
    block_state, backbone = _split_network(state_dict)
    _require(backbone, ["conv.weight", "fc2.weight"], "network")
    units = len({key.split(".")[1] for key in backbone if key.startswith("layer1.")})
    network = PreResNet(
        6 * units + 2,
        num_classes=backbone["fc2.weight"].shape[0],
        in_channels=backbone["conv.weight"].shape[1],
        block=(lambda channels: load_block("snl", block_state)) if block_state else None,
    )
    inserted = {k: v for k, v in network.state_dict().items() if ".nonlocal_block." in k}
    _load(network, {**backbone, **inserted})
    return network


def _snl(state: State) -> NonlocalBlock:
    _require(state, ["t.weight", "p.weight"], "block")
    stages = len({key.split(".")[1] for key in state if key.startswith("stages.")})
    inner, channels = state["t.weight"].shape[:2]
    block = SNL(channels, inner, stages=max(stages, 1), gate=False)
    embeddings = [_pointwise(state[f"{name}.weight"]) for name in ("t", "p")]
    translated = {"affinity.theta_phi.weight": torch.cat(embeddings, dim=1)}
    for index in range(max(stages, 1)):
        translated |= _snl_unit(state, f"stages.{index}.")
    surplus = {k: v for k, v in state.items() if k not in _snl_keys(stages)}
    _load(block, {**translated, **surplus})
    return block


def _snl_unit(state: State, prefix: str) -> dict[str, Tensor]:
    _require(state, [prefix + f"{name}.weight" for name in ("g", "w_1", "w_2", "bn")], "block")
    mixing = [_pointwise(state[f"{prefix}{name}.weight"]) for name in ("w_1", "w_2")]
    norm = {k.replace(".bn.", ".norm."): v for k, v in state.items() if k.startswith(prefix + "bn.")}
    return {
        f"{prefix}value.weight": _pointwise(state[f"{prefix}g.weight"]),
        f"{prefix}filter.weight": torch.stack(mixing),
        **norm,
    }


def _snl_keys(stages: int) -> set[str]:
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    unit = [f"{n}.weight" for n in ("g", "w_1", "w_2")] + [f"bn.{n}" for n in norm]
    return {"t.weight", "p.weight"} | {f"stages.{i}.{k}" for i in range(stages) for k in unit}


def _pointwise(weight: Tensor) -> Tensor:
    """A 1×1 convolution's ``(out, in, 1, 1)`` as a mixing matrix ``(in, out)``."""
    return weight.flatten(1).mT


def _split_network(state: State) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The state of the SNL block, which the authors place as ``layer3.2``, and the backbone's."""
    if "layer3.2.t.weight" not in state:
        return {}, dict(state)
    prefix = "layer3.2."
    block = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    rest = {k: v for k, v in state.items() if not k.startswith(prefix)}
    return block, {_before_block(key): value for key, value in rest.items()}


def _before_block(key: str) -> str:
    """The key of a residual unit as it is numbered without the block in the same sequence."""
    stage, _, rest = key.partition(".")
    index, _, name = rest.partition(".")
    if stage != "layer3" or int(index) < 2:
        return key
    return f"layer3.{int(index) - 1}.{name}"


def _require(state: State, keys: list[str], what: str) -> None:
    missing = [key for key in keys if key not in state]
    if missing:
        raise ValueError(
            f"not the state of the authors' {what}: missing {', '.join(missing)}; "
            f"it has {', '.join(sorted(state)[:8]) or 'no keys'} ..."
        )


def _load(module: nn.Module, state: State) -> None:
    result = module.load_state_dict(dict(state), strict=False)
    missing = [k for k in result.missing_keys if not k.endswith("num_batches_tracked")]
    if missing or result.unexpected_keys:
        raise ValueError(
            "the state does not fit: "
            f"missing {', '.join(missing) or 'nothing'}; "
            f"surplus {', '.join(result.unexpected_keys) or 'nothing'}"
        )


kinds: Registry[Callable[[State], NonlocalBlock]] = Registry("kind of block")
kinds.register("snl", _snl)
