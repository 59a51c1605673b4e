"""What SNL is measured against: the dense textbook form, and the floor of unavoidable multiply-adds."""

import torch
from torch import Tensor, nn


def pointwise(in_channels: int, out_channels: int) -> nn.Conv2d:
    """A 1×1 convolution without bias."""
    return nn.Conv2d(in_channels, out_channels, 1, bias=False)


class TextbookSNL(nn.Module):
    r"""SNL as its equations read, with the N×N affinity: ``x + relu(bn(W_1 z + W_2 (Â z)))``.

    ``M = relu(θ) relu(φ)ᵀ``, ``M̂ = ½(M + Mᵀ)``, ``Â = D^{-1/2} M̂ D^{-1/2}``, each formed in memory.
    """

    def __init__(self, channels: int, inner_channels: int) -> None:
        super().__init__()
        self.theta = pointwise(channels, inner_channels)
        self.phi = pointwise(channels, inner_channels)
        self.value = pointwise(channels, inner_channels)
        self.w_1 = pointwise(inner_channels, channels)
        self.w_2 = pointwise(inner_channels, channels)
        self.norm = nn.BatchNorm2d(channels)

    def affinity(self, x: Tensor) -> Tensor:
        """``Â (B, N, N)``."""
        query = self.theta(x).flatten(2).mT.relu()
        key = self.phi(x).flatten(2).relu()
        product = query @ key
        symmetric = (product + product.mT) / 2
        degree = symmetric.sum(dim=2)
        scale = torch.where(degree > 0, degree, 1.0).rsqrt() * (degree > 0)
        return scale.unsqueeze(2) * symmetric * scale.unsqueeze(1)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W) -> (B, C, H, W)``."""
        z = self.value(x)
        aggregated = torch.bmm(self.affinity(x), z.flatten(2).mT).mT.reshape(z.shape)
        return x + self.norm(self.w_1(z) + self.w_2(aggregated)).relu()


class Floor(nn.Module):
    r"""Seven 1×1 convolutions ``C ↔ r``, batch norm, residual: SNL's multiply-adds and nothing else.

    SNL spends ``C r N`` on each of ``θ, φ, g``, ``W_1 z`` and ``rightᵀ z``, and twice that on ``left c``
    (``C = 2 r``).
    """

    def __init__(self, channels: int, inner_channels: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(pointwise(channels, inner_channels) for _ in range(3))
        self.up = nn.ModuleList(pointwise(inner_channels, channels) for _ in range(4))
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W) -> (B, C, H, W)``."""
        y = x
        for down, up in zip(self.down[:-1], self.up, strict=False):
            y = up(down(y))
        hidden = self.down[-1](y)
        return x + self.norm(self.up[2](hidden) + self.up[3](hidden))
