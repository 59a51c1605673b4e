"""Compile blocks without graph breaks and compare with eager; run by ``test_compile.py``, on its own.

The shape checks of the other tests wrap functions in code that TorchDynamo cannot trace: hence a program.
"""

import copy
import sys
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

import filters
from filters import Chebyshev, Diffusion, Heat
from gsp_nonlocal import SNL, NonlocalBlock, insert_blocks
from gsp_nonlocal.affinity import RBF, Concatenation, CrissCross, DotProduct, EmbeddedGaussian, Gaussian
from gsp_nonlocal.blocks import A2, ANL, CC, CGNL, DNL, GC, NL, NS, UNNORMALISED
from tests.cases.own import Horner, Learned

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
    **{kind.__name__.lower(): partial(NonlocalBlock, gate=False, filter=kind) for kind in (Learned, Horner)},
    "fixed": partial(NonlocalBlock, gate=False, filter=lambda i, o: Chebyshev(i, o) @ Heat(0.5)),
    **{
        name: partial(NonlocalBlock, gate=False, filter=filters.registry.get(name))
        for name in filters.registry.names()
    },
}
ALIKE = {
    name
    for name in filters.registry.names()
    if filters.registry.get(name).terms is Chebyshev.terms and filters.registry.get(name) is not Chebyshev
}
"""Polynomials: on a dense matrix they run the code of Chebyshev's, which is there."""
SHAPES = {"low-rank": (2, 8, 6, 5), "dense": (2, 64, 3, 3)}

KNOWN = {
    "a2": A2,
    "a2, unnormalised": partial(A2, affinity=UNNORMALISED),
    "anl": ANL,
    "cc": partial(CC, recurrence=2),
    "cgnl, groups": partial(CGNL, groups=2),
    "dnl": DNL,
    "dnl, 2 stages": partial(DNL, stages=2),
    "gc": GC,
    "nl": NL,
    "nl, gaussian": partial(NL, affinity=partial(Gaussian, scale=None)),
    "nl, dot product": partial(NL, affinity=DotProduct),
    "nl, concatenation": partial(NL, affinity=Concatenation),
    **{
        f"nl, {kind.__name__}, {pool}": partial(NL, affinity=partial(kind, sub_sample=pool))
        for kind, pool in (
            (EmbeddedGaussian, "max"),
            (EmbeddedGaussian, "average"),
            (DotProduct, "max"),
            (Concatenation, "average"),
        )
    },
    "nl, criss-cross": partial(NL, affinity=CrissCross),
    "nl, in chunks": NL,
    "nl, inserted": lambda c: insert_blocks(nn.Sequential(nn.Conv2d(c, c, 1), nn.ReLU()), {"0": NL}),
    "ns, 2 stages": partial(NS, stages=2),
    "rbf": partial(NonlocalBlock, affinity=RBF, filter=partial(Chebyshev, order=3)),
    "embedded gaussian, symmetric": partial(
        NonlocalBlock,
        affinity=partial(EmbeddedGaussian, symmetrization="average", normalization="symmetric"),
        filter=partial(Chebyshev, order=3),
    ),
}
"""Blocks of float64, with open gates: gradients that cancel are no noise there."""
HALF = {"snl": SNL, "cgnl, groups": partial(CGNL, groups=2)}
"""Blocks of bfloat16, whose norms run in float32."""
LARGE = ("nl, in chunks",)
"""On a map with more weights than exist at once."""
WITH_INDUCTOR = ("snl", "cayley", "rational", "nl", "cc", "dnl")
TOLERANCES = {torch.bfloat16: 1e-2, torch.float32: 1e-5, torch.float64: 1e-11}


def open_gates(block: nn.Module) -> nn.Module:
    for name, parameter in block.named_parameters():
        if name.endswith("gate"):
            nn.init.constant_(parameter, 0.7)
    return block


def cases() -> Iterator[tuple[str, Callable[[int], nn.Module], tuple[int, ...]]]:
    """Names, makers of a block, and shapes of its input."""
    for name, make in BLOCKS.items():
        for form, shape in SHAPES.items():
            if not (form == "dense" and name in ALIKE):
                yield name, make, shape
    for name, make in KNOWN.items():
        shape = (2, 8, 28, 28) if name in LARGE else (2, 8, 6, 5)
        yield name, lambda c, make=make: open_gates(make(c)).double(), shape
    for name, make in HALF.items():
        yield f"{name}, half", lambda c, make=make: open_gates(make(c)).bfloat16(), (2, 8, 6, 5)


def selected(backend: str) -> list[tuple[str, Callable[[int], nn.Module], tuple[int, ...]]]:
    """The cases of a backend; Inductor, which takes long, has one of each kind."""
    return [case for case in cases() if backend != "inductor" or case[0] in WITH_INDUCTOR]


def values(block: nn.Module, runner: nn.Module, x: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    block.zero_grad()
    y = runner(x)
    y.square().sum().backward()
    return [y, x.grad, *(p.grad for p in block.parameters())]


def main(backend: str) -> None:
    for name, make, shape in selected(backend):
        torch.manual_seed(0)
        torch._dynamo.reset()
        block = make(shape[1])
        x, twin = torch.randn(shape, dtype=next(block.parameters()).dtype), copy.deepcopy(block)
        compiled = torch.compile(twin, fullgraph=True, backend=backend)
        for value, expected in zip(values(twin, compiled, x), values(block, block, x), strict=True):
            error = (value - expected).norm() / expected.norm().clamp_min(1e-3)
            if not error < TOLERANCES[x.dtype]:
                sys.exit(f"{name}, {shape}: relative difference {error:.1e}")
        print("agrees:", name, shape, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
