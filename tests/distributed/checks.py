"""What a group of processes does beside a step: each check returns a word for what went wrong, or nothing."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor.parallel import parallelize_module
from torch.nn.parallel import DistributedDataParallel

from filters import Cayley, Heat
from gsp_nonlocal import CC, NL, NS, SNL, NonlocalBlock, insert_blocks
from gsp_nonlocal.affinity import EmbeddedGaussian, ReLUDot
from gsp_nonlocal.distributed import NodeParallel, ProcessRanks
from gsp_nonlocal.distributed.scale import PaperBlock
from gsp_nonlocal.shifts.structure import rows
from gsp_nonlocal.spectral import dirichlet_energy, signal_density, spectrum, total_variation
from gsp_nonlocal.spectral.measures import asymmetry
from gsp_nonlocal.spectral.stability import stable_penalty
from tests.cases.blocks import open_gates
from tests.distributed.cases import WHOLE, run

Check = Callable[[DeviceMesh], list[str]]


def divided(mesh: DeviceMesh, make: Callable[[], nn.Module], **style: bool) -> NonlocalBlock:
    torch.manual_seed(0)
    return parallelize_module(open_gates(make()).double(), mesh, NodeParallel(**style))


def _part(x: Tensor, mesh: DeviceMesh) -> Tensor:
    return x.split(WHOLE[mesh.size()], -1)[mesh.get_local_rank()]


def raised(call: Callable[[], Any], kind: type[Exception]) -> str:
    try:
        call()
    except kind as error:
        return str(error)
    return ""


def maps_that_do_not_fit(mesh: DeviceMesh) -> list[str]:
    """Each process is told what each brings."""
    block, place = divided(mesh, partial(SNL, 8)), mesh.get_local_rank()
    odd = {
        "9 channels": torch.zeros(2, 9, 4, dtype=torch.float64),
        "torch.float32": torch.zeros(2, 8, 4),
        "batch 3": torch.zeros(3, 8, 4, dtype=torch.float64),
        "no positions": torch.zeros(2, 8, 0, dtype=torch.float64),
        "no map": torch.zeros(2),
    }
    plain = torch.zeros(2, 8, 4, dtype=torch.float64)
    told = {
        words: raised(lambda x=x: block(x if place == 1 else plain), ValueError) for words, x in odd.items()
    }
    told["in evaluation"] = raised(lambda: block.train(place != 1)(plain), ValueError)
    wrong = [words for words, message in told.items() if f"rank 1: {words}" not in message]
    return [words for words in wrong if not ("rank 1" in told[words] and words in told[words])]


def numbers_sent(mesh: DeviceMesh) -> list[str]:
    """As many for 10³ nodes as for 10⁵, and those of the model on paper; with a resolvent, too."""
    channels, wrong = 16, []
    for order in (1, 3):
        sizes = [_sent(mesh, partial(SNL, channels, order=order), nodes) for nodes in (10**3, 10**5)]
        paper = PaperBlock(channels, channels // 2, order).sent
        if not sorted(sizes[0]) == sorted(sizes[1]) == sorted(paper):
            wrong.append(f"order {order}: {sizes}, on paper {paper}")
    few, many = (sum(_sent(mesh, partial(SNL, channels, filter=Cayley), n)) for n in (10**3, 10**5))
    most = sum(PaperBlock(channels, channels // 2, order=3).sent)
    return wrong if few == many <= most else [*wrong, f"cayley: {few}, {many}"]


def _sent(mesh: DeviceMesh, make: Callable[[], nn.Module], nodes: int) -> list[int]:
    """The size of each all-reduce of a training step."""
    block, sizes, reduce = divided(mesh, make), [], dist.all_reduce

    def counted(tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
        sizes.append(tensor.numel())
        return reduce(tensor, *args, **kwargs)

    x = torch.randn(1, block.channels, nodes, dtype=torch.float64)
    with patch.object(dist, "all_reduce", counted):
        run(block, x, torch.ones_like(x))
    return sizes


def spectra(mesh: DeviceMesh) -> list[str]:
    """All that follows from the Gram matrix."""
    generator, place, found = torch.Generator().manual_seed(1), mesh.get_local_rank(), {}
    x = torch.randn(2, 8, sum(WHOLE[mesh.size()]), generator=generator, dtype=torch.float64)
    for name, choices in {"symmetric": {}, "directed": {"symmetrization": "none"}}.items():
        make = partial(NonlocalBlock, 8, affinity=partial(ReLUDot, form="low_rank", **choices))
        torch.manual_seed(0)
        one, many = open_gates(make()).double(), divided(mesh, make)
        pair = [(one, x), (many, _part(x, mesh))]
        with torch.no_grad():
            whole, part = ([block.shift(z), z.mT] for block, z in pair)
        nodes = torch.tensor([place == 0]).nonzero().flatten()  # the first asks, the others do not
        asked = [rows(whole[0], torch.tensor([0])), rows(part[0], nodes)]
        found[f"{name}: rows"] = _part(asked[0], mesh), asked[1]
        for question in (spectrum_of, energies, density, measures):
            found[f"{name}: {question.__name__}"] = question(*whole), question(*part)
    frequent = [spectrum(shift, eigenvectors=True) for shift in (whole[0] + whole[0].T, part[0] + part[0].T)]
    return [name for name, (a, b) in found.items() if a.shape != b.shape or (a - b).abs().max() > 1e-10] + [
        "vectors" for one in frequent if one.eigenvectors is None
    ]


def spectrum_of(shift: Any, z: Tensor) -> Tensor:
    return torch.view_as_real(spectrum(shift).eigenvalues.to(torch.complex128))


def energies(shift: Any, z: Tensor) -> Tensor:
    return torch.stack([dirichlet_energy(z, shift), total_variation(z, shift)])


def density(shift: Any, z: Tensor) -> Tensor:
    found = signal_density(z, shift)
    return (found.weights * found.frequencies).sum(-1)


def measures(shift: Any, z: Tensor) -> Tensor:
    return torch.cat([asymmetry(shift), stable_penalty(shift)])


def refusals(mesh: DeviceMesh) -> list[str]:
    """By name, before anything is changed."""
    told = {
        "rows and columns": (lambda: CC(8), ValueError),
        "sub_sample": (lambda: NL(8, sub_sample="max"), ValueError),
        "name the block itself": (lambda: nn.Linear(3, 3), TypeError),
        "is_pointwise": (lambda: SNL(8, norm=lambda c: nn.Softmax(-1)), ValueError),
        "dense form": (lambda: SNL(8, form="dense"), ValueError),
        "a resolvent by iteration": (
            partial(NonlocalBlock, 8, affinity=EmbeddedGaussian, filter=Cayley),
            ValueError,
        ),
    }
    x = torch.zeros(1, 8, 4, dtype=torch.float64)
    wrong = []
    for words, (make, kind) in told.items():
        message = raised(lambda make=make: divided(mesh, make)(x), kind)
        if words not in message:
            wrong.append(f"{words}: {message}")
    again = raised(lambda: divided(mesh, lambda: divided(mesh, partial(SNL, 8))), ValueError)
    return wrong if "divided already" in again else [*wrong, f"twice: {again}"]


def copies(mesh: DeviceMesh) -> list[str]:
    """A deep copy is divided and sums its gradients; what is saved whole is read as a whole block, which can
    be divided again."""
    block = divided(mesh, partial(SNL, 8))
    x = _part(torch.randn(2, 8, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(1)), mesh)
    file = io.BytesIO()
    torch.save(block, file)
    file.seek(0)
    found = run(block, x, torch.ones_like(x))
    again = run(copy.deepcopy(block), x, torch.ones_like(x))
    loaded = torch.load(file, weights_only=False)
    plain = open_gates(SNL(8)).double()
    plain.load_state_dict(loaded.state_dict())
    same = all(torch.equal(found[k], v) for k, v in again.items() if k.startswith("of "))
    alone = run(loaded, x, torch.ones_like(x))
    expected = run(plain, x, torch.ones_like(x))
    close = all(torch.allclose(alone[k], v) for k, v in expected.items())
    file.seek(0)
    many = parallelize_module(torch.load(file, weights_only=False), mesh, NodeParallel())
    anew = run(many, x, torch.ones_like(x))
    alike = all(torch.allclose(anew[k], v) for k, v in found.items())
    return ["copy"] * (not same) + ["saved"] * (not close) + ["divided again"] * (not alike)


def autocast(mesh: DeviceMesh) -> list[str]:
    """Half-precision products around, sums of nodes in float32."""
    wrong = []
    for make in (SNL, NS):
        torch.manual_seed(0)
        one = open_gates(make(8))
        many = parallelize_module(copy.deepcopy(one), mesh, NodeParallel())
        x = torch.randn(2, 8, 24, generator=torch.Generator().manual_seed(1))
        with torch.autocast("cpu", torch.bfloat16):
            whole, part = one(x), many(_part(x, mesh))
        wrong += [make.__name__] * (not torch.allclose(part, _part(whole, mesh), rtol=2e-2, atol=2e-2))
    return wrong


def compiled(mesh: DeviceMesh) -> list[str]:
    """One graph without breaks, with its gradients."""
    block = divided(mesh, partial(SNL, 8, order=2))
    x = _part(torch.randn(2, 8, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(1)), mesh)
    expected = run(copy.deepcopy(block), x, torch.ones_like(x))
    block.zero_grad()
    given = x.clone().requires_grad_()
    y = torch.compile(block, backend="aot_eager", fullgraph=True)(given)
    y.sum().backward()
    weights = {f"of {name}": p.grad for name, p in block.named_parameters()}
    found = {"values": y.detach(), "of x": given.grad, **weights}
    return [name for name, value in found.items() if not torch.allclose(value, expected[name], rtol=1e-10)]


def network() -> nn.Module:
    """Per-position layers around a block; samples meet nowhere."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv1d(3, 8, 1), nn.ReLU(), nn.Conv1d(8, 4, 1))
    make = partial(SNL, order=2, norm=partial(nn.GroupNorm, 2))
    return open_gates(insert_blocks(net, {"1": make}, example=torch.zeros(1, 3, 5))).double()


def losses(model: nn.Module, x: Tensor, steps: int = 4) -> list[float]:
    """Of a training by SGD; each the mean over what this process has."""
    optimiser, found = torch.optim.SGD(model.parameters(), lr=0.1), []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = (model(x) - x[:, :1]).square().mean()
        loss.backward()
        optimiser.step()
        found.append(loss.item())
    return found


def data_and_nodes(mesh: DeviceMesh) -> list[str]:
    """Two pairs: two samples, each with its positions in two processes, under DDP over all four."""
    pairs = DeviceMesh("cpu", [[0, 1], [2, 3]], mesh_dim_names=("data", "nodes"))
    x = torch.randn(2, 3, 24, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    own = x.chunk(2)[pairs["data"].get_local_rank()].chunk(2, -1)[pairs["nodes"].get_local_rank()]
    expected = losses(network(), x)
    plan = {"1.nonlocal_block": NodeParallel(sum_gradients=False)}
    model = parallelize_module(network(), pairs["nodes"], plan)
    found = torch.tensor(losses(DistributedDataParallel(model), own), dtype=torch.float64)
    dist.all_reduce(found)
    wrong = [] if torch.allclose(found / 4, torch.tensor(expected, dtype=torch.float64)) else ["losses"]
    twice = parallelize_module(network(), pairs["nodes"], {"1.nonlocal_block": NodeParallel()})
    message = raised(lambda: DistributedDataParallel(twice)(own), ValueError)
    return wrong if "sum_gradients=False" in message else [*wrong, f"summed twice: {message}"]


def a_process_ends(mesh: DeviceMesh) -> list[str]:
    """Without a word, before its step; the others are told."""
    block = divided(mesh, partial(SNL, 8))
    if mesh.get_local_rank() == mesh.size() - 1:
        return []
    x = torch.zeros(2, 8, 4, dtype=torch.float64)
    message = raised(lambda: block(x), ConnectionError)
    return [] if "look for its own error" in message else [message]


def derived_weights(mesh: DeviceMesh) -> list[str]:
    """Weights that are computed of the block's own have their gradients summed once."""
    block = divided(mesh, partial(SNL, 8))
    x = _part(torch.randn(2, 8, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(1)), mesh)
    expected = run(block, x, torch.ones_like(x))
    block.zero_grad()
    derived = {name: 1.0 * weight for name, weight in block.named_parameters()}
    torch.func.functional_call(block, derived, (x,)).sum().backward()
    grads = {f"of {name}": p.grad for name, p in block.named_parameters() if p.grad is not None}
    return [name for name, grad in grads.items() if not torch.allclose(grad, expected[name])]


def parts_that_learn_otherwise(mesh: DeviceMesh) -> list[str]:
    """Another frozen weight, another module in evaluation, an input that asks for its gradient."""
    first, x, wrong = mesh.get_local_rank() == 0, torch.zeros(2, 8, 4, dtype=torch.float64), []
    frozen = divided(mesh, partial(SNL, 8))
    frozen.stages[0].norm.weight.requires_grad_(first)
    frozen.stages[0].norm.bias.requires_grad_(not first)
    still = divided(mesh, partial(SNL, 8))
    still.stages[0].norm.train(first)
    asks = divided(mesh, partial(SNL, 8))
    for name, call in {
        "frozen": lambda: frozen(x),
        "evaluation": lambda: still(x),
        "input": lambda: asks(x.clone().requires_grad_(first)),
    }.items():
        wrong += [name] * ("do not fit together" not in raised(call, ValueError))
    return wrong


def one_bad_part(mesh: DeviceMesh) -> list[str]:
    """NaN on one process is said on all, and the next step goes on."""
    first = mesh.get_local_rank() == 0
    affinity = partial(ReLUDot, form="low_rank", normalization="mean")
    block = divided(mesh, partial(NonlocalBlock, 8, 8, affinity=affinity, filter=lambda *_: Heat()))
    x = torch.rand(2, 8, 4, dtype=torch.float64)
    message = raised(lambda: block(torch.full_like(x, torch.nan) if first else x), ValueError)
    wrong = [] if "NaN" in message else [f"{first}: {message}"]
    return wrong + ["the next step"] * (not block(x).isfinite().all())


def means_in_half_precision(mesh: DeviceMesh) -> list[str]:
    """Sums beyond 65,504, the greatest number of float16."""
    ranks = ProcessRanks(mesh.get_group())
    x = torch.full((1, 70_000, 1), 20.0, dtype=torch.float16)
    mean, weights = ranks.mean(x), ranks.softmax(x)
    right = mean.dtype == torch.float16 and mean.item() == 20.0 and weights.isfinite().all()
    return [] if right and int(ranks.count(x)) == 70_000 * mesh.size() else [f"{mean}"]


CHECKS: list[Check] = [
    maps_that_do_not_fit,
    numbers_sent,
    spectra,
    refusals,
    copies,
    autocast,
    data_and_nodes,
    derived_weights,
    parts_that_learn_otherwise,
    one_bad_part,
    means_in_half_precision,
]
"""Of all processes; :func:`compiled` is of two, which suffice, and :func:`a_process_ends` comes last."""
