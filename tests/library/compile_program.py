"""Compile blocks without graph breaks and compare with eager; run by ``test_compile.py``, on its own.

The shape checks of the other tests wrap functions in code that TorchDynamo cannot trace: hence a program.
"""

import copy
import sys
from functools import partial

import torch

import filters
from filters import Chebyshev, Diffusion, Filter, Heat
from gsp_nonlocal import SNL, NonlocalBlock


class Scaled(Filter):
    """A user's filter with a learned factor, as a reader of the README would write it."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, order=1)
        self.factor = torch.nn.Parameter(torch.tensor(0.3))

    def terms(self, shift, z):
        yield z
        yield self.factor * shift(z) - z


BLOCKS = {
    "snl": partial(SNL, gate=False),
    "snl, 2 stages": partial(SNL, gate=False, stages=2),
    "snl, gated": partial(SNL),
    "order 3": partial(SNL, order=3, gate=False),
    "composed": partial(
        NonlocalBlock,
        gate=False,
        filter=lambda i, o: Chebyshev(i, o, 2) @ Chebyshev(i, i) + 2.0 * Diffusion(i, o),
    ),
    "user's filter": partial(NonlocalBlock, gate=False, filter=Scaled),
    "fixed": partial(NonlocalBlock, gate=False, filter=lambda i, o: Chebyshev(i, o) @ Heat(0.5)),
    **{
        name: partial(NonlocalBlock, gate=False, filter=filters.registry.get(name))
        for name in filters.registry.names()
    },
}
ALIKE = ("bernstein", "chebyshev_interpolation", "jacobi", "legendre", "monomial", "aggregation", "diffusion")
"""Polynomials: on a dense matrix they run the code of Chebyshev's, which is there."""
WITH_INDUCTOR = ("snl", "cayley", "rational")
SHAPES = {"low-rank": (2, 8, 6, 5), "dense": (2, 64, 3, 3)}


def values(block: torch.nn.Module, runner: torch.nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    x = x.clone().requires_grad_()
    block.zero_grad()
    y = runner(x)
    y.square().sum().backward()
    return [y, x.grad, *(p.grad for p in block.parameters())]


def main(backend: str) -> None:
    names = WITH_INDUCTOR if backend == "inductor" else BLOCKS
    for name in names:
        make = BLOCKS[name]
        for form, shape in SHAPES.items():
            if form == "dense" and name in ALIKE:
                continue
            torch.manual_seed(0)
            torch._dynamo.reset()
            block, x = make(shape[1]), torch.randn(shape)
            twin = copy.deepcopy(block)
            compiled = torch.compile(twin, fullgraph=True, backend=backend)
            for value, expected in zip(values(twin, compiled, x), values(block, block, x), strict=True):
                error = (value - expected).norm() / expected.norm().clamp_min(1e-12)
                if not error < 1e-5:
                    sys.exit(f"{name}, {form}: relative difference {error:.1e}")
            print("agrees:", name, form, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
