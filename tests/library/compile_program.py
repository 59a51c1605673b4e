"""Compile blocks without graph breaks and compare with eager; run by ``test_compile.py``, on its own.

The shape checks of the other tests wrap functions in code that TorchDynamo cannot trace: hence a program.
"""

import copy
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle

import torch
from torch import Tensor, nn
from torch.export import Dim, export
from torchvision.ops import Permute

import filters
from filters import Chebyshev, Diffusion, Heat
from gsp_nonlocal import NL, NonlocalBlock, insert_blocks
from gsp_nonlocal.affinity import EmbeddedGaussian
from gsp_nonlocal.blocks import registry
from gsp_nonlocal.insert import Tokens
from tests.cases.affinities import AFFINITIES, POOLED
from tests.cases.blocks import BLOCKS, made, open_gates
from tests.cases.own import Horner, Learned

FILTERS = {
    "composed": lambda i, o: Chebyshev(i, o, 2) @ Chebyshev(i, i) + 2.0 * Diffusion(i, o),
    **{f"own {kind.__name__.lower()}": kind for kind in (Learned, Horner)},
    "fixed": lambda i, o: Chebyshev(i, o) @ Heat(0.5),
    **{name: filters.registry.get(name) for name in filters.registry.names()},
}
ALIKE = {
    name
    for name in filters.registry.names()
    if filters.registry.get(name).terms is Chebyshev.terms and filters.registry.get(name) is not Chebyshev
}
"""Polynomials: on a dense matrix they run the code of Chebyshev's, which is there."""
SHAPES = {"low-rank": (2, 8, 6, 5), "dense": (2, 64, 3, 3)}

IN_BLOCKS = {type(made(name).affinity) for name in BLOCKS}
third_order = partial(NonlocalBlock, filter=partial(Chebyshev, order=3))
KNOWN = {
    **{name: case.make for name, case in BLOCKS.items()},
    **{
        f"affinity {name}": partial(third_order, affinity=case.make)
        for name, case in AFFINITIES.items()
        if case.kind not in IN_BLOCKS
    },
    **{
        f"affinity {name}, {pool}": partial(NL, affinity=AFFINITIES[name].make, sub_sample=pool)
        for name, pool in zip(POOLED, cycle(["max", "average"]), strict=False)
    },
    "embedded gaussian, symmetric": partial(
        third_order,
        affinity=partial(EmbeddedGaussian, symmetrization="average", normalization="symmetric"),
    ),
    "nl, in chunks": NL,
    "nl, inserted": lambda c: insert_blocks(nn.Sequential(nn.Conv2d(c, c, 1), nn.ReLU()), {"0": NL}),
    "nl, inserted, channels last": lambda c: insert_blocks(
        nn.Sequential(Permute([0, 2, 3, 1]), nn.Linear(c, c)), {"1": NL}, layout="channels_last"
    ),
    "nl, inserted, tokens": lambda c: insert_blocks(
        nn.Sequential(nn.Flatten(2), Permute([0, 2, 1]), nn.Linear(c, c)), {"2": NL}, layout=Tokens(prefix=1)
    ),
}
"""Blocks of float64, with open gates: gradients that cancel are no noise there."""
HALF = ("snl", "cgnl, groups")
"""Blocks of bfloat16 as well, whose norms run in float32."""
LARGE = ("nl, in chunks",)
"""On a map with more weights than exist at once."""
WITH_AOT = (
    *(f"filter {name}" for name in ("chebyshev", "cayley", "arma", "rational", "fixed", "composed")),
    *(name for name in BLOCKS if "," not in name),
    *(name for name in KNOWN if name.startswith("affinity") and "," not in name),
    "nl, in chunks",
    "cgnl, groups, half",
)
"""Every backward pass that is written by hand, and every kind of arithmetic in one graph with its gradients;
the others are traced forward, which finds what breaks a graph in a third of the time."""
WITH_INDUCTOR = ("filter chebyshev", "filter rational", "nl", "dnl")
TOLERANCES = {torch.bfloat16: 1e-2, torch.float32: 1e-5, torch.float64: 1e-11}
Case = tuple[str, Callable[[int], nn.Module], tuple[int, ...]]


def cases(backend: str) -> list[Case]:
    """Names, makers of a block, and shapes of its input."""
    chosen = {
        "inductor": lambda name, shape: name in WITH_INDUCTOR,
        "aot_eager": lambda name, shape: _with_aot(name, shape),
        "eager": lambda name, shape: not _with_aot(name, shape),
    }[backend]
    return [case for case in _cases() if chosen(case[0], case[2])]


def _with_aot(name: str, shape: tuple[int, ...]) -> bool:
    return name in WITH_AOT and shape != SHAPES["dense"]


def _cases() -> Iterator[Case]:
    for name, family in FILTERS.items():
        for form, shape in SHAPES.items():
            if not (form == "dense" and name in ALIKE):
                yield f"filter {name}", partial(NonlocalBlock, gate=False, filter=family), shape
    for name, make in KNOWN.items():
        shape = (2, 8, 28, 28) if name in LARGE else (2, 8, 6, 5)
        yield name, lambda c, make=make: open_gates(make(c)).double(), shape
    for name in HALF:
        make = BLOCKS[name].make
        yield f"{name}, half", lambda c, make=make: open_gates(make(c)).bfloat16(), (2, 8, 6, 5)


def values(block: nn.Module, runner: nn.Module, x: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    block.zero_grad()
    y = runner(x)
    y.square().sum().backward()
    return [y, x.grad, *(p.grad for p in block.parameters())]


def require_equal(what: str, found: list[Tensor], truth: list[Tensor]) -> None:
    """End the program where relative differences are more than rounding in the type of the output."""
    for value, expected in zip(found, truth, strict=True):
        error = (value - expected).norm() / expected.norm().clamp_min(1e-3)
        if not error < TOLERANCES[truth[0].dtype]:
            sys.exit(f"{what}: relative difference {error:.1e}")


def compare(backend: str, device: str = "cpu") -> None:
    """Each case by a backend, on a device."""
    for name, make, shape in cases(backend):
        torch.manual_seed(0)
        torch._dynamo.reset()
        block = make(shape[1]).to(device)
        if device != "cpu" and next(block.parameters()).dtype == torch.float32:
            block = block.double()  # there float32 leaves more of gradients that cancel
        x, twin = torch.randn(shape, dtype=next(block.parameters()).dtype).to(device), copy.deepcopy(block)
        compiled = torch.compile(twin, fullgraph=True, backend=backend)
        require_equal(f"{name}, {shape}", values(twin, compiled, x), values(block, block, x))
        print("agrees:", name, shape, flush=True)


SIZES = [(2, 12, 10), (3, 9, 13), (2, 20, 17), (4, 6, 7), (3, 5, 21)]


def compare_sizes() -> None:
    """Every named block, compiled once for all sizes."""
    for name in registry:
        torch.manual_seed(0)
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        block = open_gates(registry.get(name)(16)).double()
        compiled = torch.compile(block, fullgraph=True, backend="eager", dynamic=True)
        for batch, *spatial in SIZES:
            x = torch.randn(batch, 16, *spatial, dtype=torch.float64)
            require_equal(f"{name}, {spatial}", values(block, compiled, x), values(block, block, x))
        graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
        if graphs != 1:
            sys.exit(f"{name} was compiled {graphs} times for {len(SIZES)} sizes")
        print("agrees:", name, "at all sizes", flush=True)


def compare_package(path: str) -> None:
    """One block through AOTInductor."""
    dynamic = dict.fromkeys((0, 2, 3), Dim.DYNAMIC)
    block = open_gates(registry.get("snl")(8)).eval()
    program = export(block, (torch.randn(2, 8, 12, 10),), dynamic_shapes=(dynamic,))
    torch._inductor.aoti_compile_and_package(program, package_path=path)
    packaged = torch._inductor.aoti_load_package(path)
    with torch.no_grad():
        for batch, *spatial in SIZES:
            x = torch.randn(batch, 8, *spatial)
            require_equal(f"snl, {spatial}", [packaged(x)], [block(x)])
    print("agrees: snl, packaged")


if __name__ == "__main__":
    task, *rest = sys.argv[1:]
    {"dynamic": compare_sizes, "packaged": compare_package}.get(task, partial(compare, task))(*rest)
