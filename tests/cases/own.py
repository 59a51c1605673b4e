"""Filters as a user writes them: one method each, and no more of an ``__init__`` than they need."""

import torch
from torch import nn

from filters import Filter, mix


class Squared(Filter):
    """``y = z W_0 + S² z W_1``: terms alone."""

    def terms(self, shift, z):
        yield z
        yield shift(shift(z))


class Learned(Filter):
    """``y = z W_0 + (a S − I) z W_1`` with a learned ``a``: a parameter of its own, weights as any filter."""

    def __init__(self, in_channels, out_channels, order=1):
        super().__init__(in_channels, out_channels, order=order, terms=2)
        self.factor = nn.Parameter(torch.tensor(0.3))

    def terms(self, shift, z):
        yield z
        yield self.factor * shift(z) - z


class Horner(Filter):
    """``y = Σ_k S^k z W_k`` as ``z W_0 + S (z W_1 + S (…))``: weights and products by turns."""

    def evaluate(self, shift, z, weight):
        y = mix(z, weight[-1])
        for w in reversed(weight[:-1].unbind()):
            y = shift(y) + mix(z, w)
        return y


class Clenshaw(Filter):
    """``y = Σ_k T_k(S) z W_k`` by ``b_k = z W_k + 2 S b_{k+1} − b_{k+2}``, ``y = z W_0 + S b_1 − b_2``."""

    def evaluate(self, shift, z, weight):
        first, *others = (mix(z, w) for w in weight.unbind())
        if not others:
            return first
        b, after = others[-1], None
        for mixed in reversed(others[:-1]):
            following = mixed + 2.0 * shift(b)
            b, after = (following if after is None else following - after), b
        y = first + shift(b)
        return y if after is None else y - after
