"""Networks of attention that is written out, or fused, with the same weights."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

N, C, HEADS, LAYERS, CLASSES = 7, 12, 3, 3, 4


def soft(q, k):
    return torch.softmax((C // HEADS) ** -0.5 * q @ k.mT, dim=-1)


def written(q, k, v):
    """Attention with its weights, and these."""
    weights = soft(q, k)
    if weights.requires_grad:
        weights.retain_grad()
    return weights @ v, weights


def turned(q, k, v):
    """``(vᵀ Aᵀ)ᵀ``."""
    return (v.mT @ soft(q, k).mT).mT, None


def in_letters(q, k, v):
    """An einsum that puts heads behind nodes."""
    return torch.einsum("bhij,bhjd->bihd", soft(q, k), v).transpose(1, 2), None


def fused(q, k, v):
    return functional.scaled_dot_product_attention(q, k, v), None


def together(q, k, v):
    """Images and heads in one dimension."""
    q, k, v = (part.flatten(0, 1) for part in (q, k, v))
    return torch.bmm(soft(q, k), v).unflatten(0, (-1, HEADS)), None


def overwritten(q, k, v):
    y = soft(q, k) @ v
    y.mul_(3)
    y.transpose(1, 2).div_(3)
    return y, None


def unnormalised(q, k, v):
    weights = 0.3 * q @ k.mT
    weights.retain_grad()
    return weights @ v, weights


LINEAR = {
    "explicit": unnormalised,
    "factors": lambda q, k, v: (0.3 * q @ (k.mT @ v), None),
    "factors, channels first": lambda q, k, v: (((0.3 * v.mT @ k) @ q.mT).mT, None),
}
"""Ways to write linear attention."""

WAYS = {
    "written": written,
    "turned": turned,
    "in letters": in_letters,
    "fused": fused,
    "together": together,
    "overwritten": overwritten,
}


class Attending(nn.Module):
    def __init__(self, way):
        super().__init__()
        self.way, self.weights = way, None
        self.qkv, self.out = nn.Linear(C, 3 * C), nn.Linear(C, C)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        y, self.weights = self.way(q, k, v)
        return self.out(y.transpose(1, 2).flatten(2))


class Network(nn.Module):
    """``LAYERS`` attentions with residuals; a class is read from node 0. Features ``(B, N, C)``."""

    def __init__(self, way="written"):
        super().__init__()
        self.layers = nn.ModuleList(Attending((WAYS | LINEAR)[way]) for _ in range(LAYERS))
        self.head = nn.Linear(C, CLASSES)

    def forward(self, x):
        for layer in self.layers:
            x = x + torch.tanh(layer(x))
        return self.head(x[:, 0])


def network(way="written"):
    torch.manual_seed(0)
    return Network(way).double()


def features(batch=2):
    return 2 * torch.randn(batch, N, C, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
