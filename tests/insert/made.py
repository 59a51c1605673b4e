"""Small networks, each with one layout of a map or one trap for a block after its module ``"body"``."""

from __future__ import annotations

import torch
from torch import Tensor, nn

C = 6


class Net(nn.Module):
    """A convolution to ``C`` channels, a body, and the mean of what it returns."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, C, 3, stride=2, padding=1)
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.body(self.before(x)))

    def before(self, x: Tensor) -> Tensor:
        return self.stem(x)

    def after(self, y) -> Tensor:
        y = y if isinstance(y, Tensor) else next(iter(y.values() if isinstance(y, dict) else y))
        return y.flatten(1).cumsum(1)  # every number of the body's output counts, each otherwise


class ChannelsLastNet(Net):
    def before(self, x: Tensor) -> Tensor:
        return self.stem(x).permute(0, 2, 3, 1)


class TokenNet(Net):
    """As a vision transformer of one size: ``prefix`` learned tokens before those of the patches."""

    def __init__(self, body: nn.Module, prefix: int = 0, at_the_end: int = 0) -> None:
        super().__init__(body)
        self.prefix = nn.Parameter(torch.randn(1, prefix, C))
        self.suffix = nn.Parameter(torch.randn(1, at_the_end, C))
        self.position = nn.Parameter(torch.randn(1, prefix + 64 + at_the_end, C))

    def before(self, x: Tensor) -> Tensor:
        x = super().before(x).flatten(2).mT
        parts = [p.expand(len(x), -1, -1) for p in (self.prefix, self.suffix)]
        if self.prefix.shape[1] + self.suffix.shape[1]:
            x = torch.cat([parts[0], x, *([parts[1]] if parts[1].shape[1] else [])], dim=1)
        return x + self.position


class OfOneSize(Net):
    """The body's map has no size but this one."""

    def __init__(self, body: nn.Module, last: bool, size: int) -> None:
        super().__init__(body)
        self.last, self.size = last, size

    def before(self, x: Tensor) -> Tensor:
        if x.shape[2] != 2 * self.size:
            raise ValueError("another size")
        return self.stem(x).movedim(1, -1) if self.last else self.stem(x)


class HeadOfOneSize(Net):
    """What follows the body takes cubes of 8 × 8 × 8 alone."""

    def after(self, y: Tensor) -> Tensor:
        return super().after(y) + torch.ones(512)


class Branches(nn.Module):
    """Two branches side by side, as GoogLeNet's: their widths add up."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(C, 3, 1), nn.Conv2d(C, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.left(x), self.right(x)], 1)


class Halves(nn.Module):
    """As ShuffleNet's unit: one half passes, the other is changed; the widths of all ends are equal."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Conv2d(C // 2, C // 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, 1)
        return torch.cat([left, self.branch(right)], 1)


class Ghost(nn.Module):
    """As GhostNet's: features and cheap copies of them, of one chain of layers."""

    def __init__(self) -> None:
        super().__init__()
        self.primary, self.cheap = nn.Conv2d(C, 4, 1), nn.Conv2d(4, 4, 3, padding=1, groups=4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.primary(x)
        return torch.cat([y, self.cheap(y)], 1)


class Stage(nn.Module):
    """As timm's RegStage: it runs its children, whatever they are."""

    def __init__(self) -> None:
        super().__init__()
        self.b1, self.b2 = nn.Conv2d(C, C, 1), nn.Conv2d(C, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        for child in self.children():
            x = child(x)
        return x


class StageAndMore(Stage):
    """It goes on after its children."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 1


class InPlace(Stage):
    """The same, without another tensor."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).add_(1)


class Twice(nn.Sequential):
    """It runs its items two times."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(super().forward(x))


class Dense(nn.ModuleDict):
    """As DenseNet's block: each item gets a list."""

    def __init__(self) -> None:
        super().__init__({"a": nn.Conv2d(C, 2, 1), "b": nn.Conv2d(C + 2, 2, 1)})

    def forward(self, x: Tensor) -> Tensor:
        found = [x]
        for item in self.values():
            found.append(item(torch.cat(found, 1)))
        return torch.cat(found, 1)


class Returns(nn.Module):
    """It returns what a function makes of a map."""

    def __init__(self, function) -> None:
        super().__init__()
        self.conv, self.function = nn.Conv2d(C, 4, 1), function

    def forward(self, x: Tensor):
        return self.function(self.conv(x))


class Loop(Net):
    """It calls its body two times."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.before(x)
        return self.after(self.body(self.body(y)))


class Around(Net):
    """It goes through the items of its body by itself, and takes the last one for something else."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.before(x)
        for item in self.body:
            y = item(y)
        return self.after(y)


class LastItem(Net):
    """It calls its body, and uses its last item's weights once more."""

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.body(self.before(x))) + sum(p.sum() for p in self.body[-1].parameters())


class Batchless(Net):
    """Positions first, as sequences of nn.Transformer."""

    def before(self, x: Tensor) -> Tensor:
        return self.stem(x).flatten(2).permute(2, 0, 1)

    def after(self, y: Tensor) -> Tensor:
        return y.sum(0)


class Shrink(nn.Module):
    """A block of its own kind, of one line."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.linspace(0.5, 1, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(2, keepdim=True) * self.scale.view(1, -1, *[1] * (x.dim() - 2))


class Mixer(nn.Module):
    """A mixing of tokens: its layers' width is the number of positions."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(64, 64)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x)


class MixerNet(Net):
    def before(self, x: Tensor) -> Tensor:
        return self.stem(x).flatten(2)
