"""CIFAR pre-activation residual networks."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from filters.checks import require_integer
from gsp_nonlocal.insert import insert_blocks


class PreActUnit(nn.Module):
    r"""``x ← shortcut(x) + conv(relu(bn(conv(relu(bn(x))))))`` with 3×3 convolutions.

    The shortcut is ``x`` itself; a 1×1 convolution and a batch norm where ``stride`` or channels change it.

    Args:
        in_channels: channels of ``x (B, in, H, W)``.
        channels: channels of the result.
        stride: of the first convolution, and of the shortcut.

    Raises:
        TypeError: if a number is no integer.
        ValueError: if a number is below 1.

    References:
        He, Zhang, Ren, Sun (2016), *Identity Mappings in Deep Residual Networks*.

    Example:
        >>> import torch
        >>> PreActUnit(16, 32, stride=2)(torch.randn(2, 16, 8, 8)).shape
        torch.Size([2, 32, 4, 4])
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        for name, number in {"in_channels": in_channels, "channels": channels, "stride": stride}.items():
            require_integer(name, number)
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != channels:
            projection = nn.Conv2d(in_channels, channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, in, H, W) -> (B, out, H/stride, W/stride)``."""
        y = self.conv1(self.bn1(x).relu())
        y = self.conv2(self.bn2(y).relu())
        return y + (x if self.downsample is None else self.downsample(x))


class PreActBottleneck(nn.Module):
    r"""``x ← shortcut(x) + conv₁(relu(bn(conv₃(relu(bn(conv₁(relu(bn(x)))))))))`` by 1×1, 3×3 and 1×1.

    In the middle there are a quarter of ``channels``. The shortcut is that of :class:`PreActUnit`.

    Args:
        in_channels: channels of ``x (B, in, H, W)``.
        channels: channels of the result, at least 4.
        stride: of the 3×3 convolution, and of the shortcut.

    Raises:
        TypeError: if a number is no integer.
        ValueError: if a number is below 1, or ``channels`` below 4.

    References:
        He, Zhang, Ren, Sun (2016), *Identity Mappings in Deep Residual Networks*.

    Example:
        >>> import torch
        >>> unit = PreActBottleneck(64, 128, stride=2)
        >>> unit(torch.randn(2, 64, 8, 8)).shape, unit.conv2.out_channels
        (torch.Size([2, 128, 4, 4]), 32)
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        for name, number in {"in_channels": in_channels, "stride": stride}.items():
            require_integer(name, number)
        width = require_integer("channels", channels, least=4) // 4
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, channels, 1, bias=False)
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != channels:
            projection = nn.Conv2d(in_channels, channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, in, H, W) -> (B, out, H/stride, W/stride)``."""
        y = self.conv1(self.bn1(x).relu())
        y = self.conv2(self.bn2(y).relu())
        y = self.conv3(self.bn3(y).relu())
        return y + (x if self.downsample is None else self.downsample(x))


class PreResNet(nn.Module):
    r"""Pre-activation ResNet for small images: three stages of ``n`` units at 16, 32, 64 channels.

    ``depth = 6 n + 2``; with bottleneck units ``9 n + 2``, and four times as many channels.
    Head: ``bn, relu, 1×1 conv, bn, relu, mean over positions, dropout, linear``.

    Args:
        depth: 20, 56, 110, or any ``6 n + 2`` with ``n ≥ 1``; ``9 n + 2`` with ``bottleneck``.
        num_classes: length of the logits.
        in_channels: channels of the images.
        block: factory of a nonlocal block, called ``block(64)``, or ``block(256)`` with ``bottleneck``; it
            stands in stage 3 before the third residual unit, the paper's placement (before the last one in
            networks with fewer).
        dropout: probability before the last layer.
        bottleneck: units of 1×1, 3×3 and 1×1 convolutions in place of two of 3×3. The authors' code has them
            in what it calls PreResNet-56 and 110, nine and eighteen a stage: ``depth`` is 83 and 164 then.

    Raises:
        TypeError: if ``depth``, ``num_classes`` or ``in_channels`` is no integer, or ``block`` no factory of
            modules.
        ValueError: if ``depth`` is not ``6 n + 2``, or ``9 n + 2`` with ``bottleneck``; if a number is below
            1, or ``dropout`` not between 0 and 1.

    References:
        He, Zhang, Ren, Sun (2016), *Identity Mappings in Deep Residual Networks*; placement and head as in
        the code of Zhu et al. (2021). Deviation: the head averages over all positions, so that images of
        any size are taken (the authors' code averages over a fixed window).

    Example:
        >>> import torch
        >>> PreResNet(20, num_classes=10)(torch.randn(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        depth: int,
        num_classes: int = 10,
        in_channels: int = 3,
        *,
        block: Callable[[int], nn.Module] | None = None,
        dropout: float = 0.5,
        bottleneck: bool = False,
    ) -> None:
        super().__init__()
        units = _units(require_integer("depth", depth), bottleneck)
        unit, wide = (PreActBottleneck, 4) if bottleneck else (PreActUnit, 1)
        self.conv = nn.Conv2d(require_integer("in_channels", in_channels), 16, 3, padding=1, bias=False)
        self.layer1 = _stage(unit, 16, 16 * wide, units, stride=1)
        self.layer2 = _stage(unit, 16 * wide, 32 * wide, units, stride=2)
        self.layer3 = _stage(unit, 32 * wide, 64 * wide, units, stride=2)
        self.bn1 = nn.BatchNorm2d(64 * wide)
        self.fc1 = nn.Conv2d(64 * wide, 64 * wide, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(64 * wide)
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(64 * wide, require_integer("num_classes", num_classes))
        if block is not None:
            insert_blocks(self, {f"layer3.{min(1, units - 1)}": block})

    def forward(self, x: Tensor) -> Tensor:
        """Images ``(B, in_channels, H, W)`` to logits ``(B, num_classes)``."""
        x = self.layer3(self.layer2(self.layer1(self.conv(x))))
        x = self.fc1(self.bn1(x).relu())
        x = self.bn2(x).relu().mean(dim=(2, 3))
        return self.fc2(self.dropout(x))


def _units(depth: int, bottleneck: bool) -> int:
    """Residual units of a stage."""
    layers, known = (9, "83, 164") if bottleneck else (6, "20, 56, 110")
    units, rest = divmod(depth - 2, layers)
    if rest or units < 1:
        raise ValueError(f"depth must be {layers} n + 2 with n >= 1 ({known}, ...), got {depth}")
    return units


def _stage(
    unit: Callable[..., nn.Module], in_channels: int, channels: int, units: int, stride: int
) -> nn.Sequential:
    first = unit(in_channels, channels, stride)
    return nn.Sequential(first, *(unit(channels, channels) for _ in range(units - 1)))


def preresnet20(
    num_classes: int = 10,
    in_channels: int = 3,
    *,
    block: Callable[[int], nn.Module] | None = None,
    dropout: float = 0.5,
) -> PreResNet:
    """:class:`PreResNet` of depth 20, for images of 32×32 pixels or any other size.

    Args:
        num_classes: length of the logits.
        in_channels: channels of the images.
        block: factory of a nonlocal block; see :class:`PreResNet`.
        dropout: probability before the last layer.

    Raises:
        TypeError: if ``num_classes`` is no integer, or ``block`` no factory of modules.
        ValueError: if ``num_classes`` is below 1, or ``dropout`` not between 0 and 1.

    References:
        He, Zhang, Ren, Sun (2016), *Identity Mappings in Deep Residual Networks*; see :class:`PreResNet`.

    Example:
        >>> import torch
        >>> from gsp_nonlocal import SNL
        >>> network = preresnet20(num_classes=5, block=SNL)
        >>> network(torch.randn(2, 3, 32, 32)).shape, len(network.layer1)
        (torch.Size([2, 5]), 3)
    """
    return PreResNet(20, num_classes, in_channels, block=block, dropout=dropout)


def preresnet56(
    num_classes: int = 10,
    in_channels: int = 3,
    *,
    block: Callable[[int], nn.Module] | None = None,
    dropout: float = 0.5,
) -> PreResNet:
    """:class:`PreResNet` of depth 56, for images of 32×32 pixels or any other size.

    Args:
        num_classes: length of the logits.
        in_channels: channels of the images.
        block: factory of a nonlocal block; see :class:`PreResNet`.
        dropout: probability before the last layer.

    Raises:
        TypeError: if ``num_classes`` is no integer, or ``block`` no factory of modules.
        ValueError: if ``num_classes`` is below 1, or ``dropout`` not between 0 and 1.

    References:
        He, Zhang, Ren, Sun (2016), *Identity Mappings in Deep Residual Networks*; see :class:`PreResNet`.

    Example:
        >>> len(preresnet56().layer1)  # n of 56 = 6 n + 2
        9
    """
    return PreResNet(56, num_classes, in_channels, block=block, dropout=dropout)


def preresnet110(
    num_classes: int = 10,
    in_channels: int = 3,
    *,
    block: Callable[[int], nn.Module] | None = None,
    dropout: float = 0.5,
) -> PreResNet:
    """:class:`PreResNet` of depth 110, for images of 32×32 pixels or any other size.

    Args:
        num_classes: length of the logits.
        in_channels: channels of the images.
        block: factory of a nonlocal block; see :class:`PreResNet`.
        dropout: probability before the last layer.

    Raises:
        TypeError: if ``num_classes`` is no integer, or ``block`` no factory of modules.
        ValueError: if ``num_classes`` is below 1, or ``dropout`` not between 0 and 1.

    References:
        He, Zhang, Ren, Sun (2016), *Identity Mappings in Deep Residual Networks*; see :class:`PreResNet`.

    Example:
        >>> len(preresnet110().layer1)  # n of 110 = 6 n + 2
        18
    """
    return PreResNet(110, num_classes, in_channels, block=block, dropout=dropout)
