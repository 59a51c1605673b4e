"""Backbones that no library ships: the paper's CIFAR networks."""

from gsp_nonlocal.models.preresnet import (
    PreActBottleneck,
    PreActUnit,
    PreResNet,
    preresnet20,
    preresnet56,
    preresnet110,
)

__all__ = ["PreActBottleneck", "PreActUnit", "PreResNet", "preresnet20", "preresnet56", "preresnet110"]
