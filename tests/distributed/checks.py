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

from filters import Cayley
from gsp_nonlocal import CC, NL, NS, SNL, NonlocalBlock, insert_blocks
from gsp_nonlocal.affinity import EmbeddedGaussian, ReLUDot
from gsp_nonlocal.distributed import NodeParallel, join_batch_norms
from gsp_nonlocal.distributed.scale import PaperBlock
from gsp_nonlocal.shifts.structure import rows
from gsp_nonlocal.spectral import dirichlet_energy, signal_density, spectrum, total_variation
from gsp_nonlocal.spectral.measures import asymmetry
from gsp_nonlocal.spectral.stability import stable_penalty
from tests.cases.blocks import open_gates
from tests.distributed.cases import WHOLE, run

Check = Callable[[DeviceMesh], list[str]]


def _divided(mesh: DeviceMesh, make: Callable[[], nn.Module], **style: bool) -> NonlocalBlock:
    torch.manual_seed(0)
    return parallelize_module(open_gates(make()).double(), mesh, NodeParallel(**style))


def _part(x: Tensor, mesh: DeviceMesh) -> Tensor:
    return x.split(WHOLE[mesh.size()], -1)[mesh.get_local_rank()]


def _raised(call: Callable[[], Any], kind: type[Exception]) -> str:
    try:
        call()
    except kind as error:
        return str(error)
    return ""


def maps_that_do_not_fit(mesh: DeviceMesh) -> list[str]:
    """Each process is told what each brings."""
    block, place = _divided(mesh, partial(SNL, 8)), mesh.get_local_rank()
    odd = {
        "9 channels": torch.zeros(2, 9, 4, dtype=torch.float64),
        "torch.float32": torch.zeros(2, 8, 4),
        "batch 3": torch.zeros(3, 8, 4, dtype=torch.float64),
        "no positions": torch.zeros(2, 8, 0, dtype=torch.float64),
        "no map": torch.zeros(2),
    }
    plain = torch.zeros(2, 8, 4, dtype=torch.float64)
    told = {
        words: _raised(lambda x=x: block(x if place == 1 else plain), ValueError) for words, x in odd.items()
    }
    told["in evaluation"] = _raised(lambda: block.train(place != 1)(plain), ValueError)
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
    block, sizes, reduce = _divided(mesh, make), [], dist.all_reduce

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
        one, many = open_gates(make()).double(), _divided(mesh, make)
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
        message = _raised(lambda make=make: _divided(mesh, make)(x), kind)
        if words not in message:
            wrong.append(f"{words}: {message}")
    again = _raised(lambda: _divided(mesh, lambda: _divided(mesh, partial(SNL, 8))), ValueError)
    return wrong if "divided already" in again else [*wrong, f"twice: {again}"]


def copies(mesh: DeviceMesh) -> list[str]:
    """A deep copy is divided and sums its gradients; what is saved whole is read as a whole block, which can
    be divided again."""
    block = _divided(mesh, partial(SNL, 8))
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
    divided = parallelize_module(torch.load(file, weights_only=False), mesh, NodeParallel())
    anew = run(divided, x, torch.ones_like(x))
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
    block = _divided(mesh, partial(SNL, 8, order=2))
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
    message = _raised(lambda: DistributedDataParallel(twice)(own), ValueError)
    return wrong if "sum_gradients=False" in message else [*wrong, f"summed twice: {message}"]


def batch_norms_of_a_backbone(mesh: DeviceMesh) -> list[str]:
    """Of frames, unevenly many a process: values, gradients, running statistics, and evaluation after it."""
    torch.manual_seed(0)
    whole = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.BatchNorm2d(4, affine=False))
    whole, place = whole.double(), mesh.get_local_rank()
    divided = join_batch_norms(copy.deepcopy(whole), mesh)
    frames, cotangent = torch.randn(9, 3, 6, 5).double(), torch.randn(9, 4, 4, 3).double()
    cuts = [[3, 1, 4, 1][: mesh.size()], place]
    wrong = []
    for training in (True, False):
        part, of_part = (x.split(cuts[0])[cuts[1]] for x in (frames, cotangent))
        expected = _passed(whole.train(training), frames, cotangent)
        found = _passed(divided.train(training), part, of_part)
        for one in found[2:]:
            dist.all_reduce(one)
        own = [x.split(cuts[0])[cuts[1]] for x in expected[:2]] + expected[2:]
        wrong += [f"{training}" for a, b in zip(found, own, strict=True) if not torch.allclose(a, b)]
    for name, value in whole.state_dict().items():
        wrong += [name] * (not torch.allclose(divided.state_dict()[name], value))
    square = DeviceMesh("cpu", [[0, 1], [2, 3]])
    message = _raised(lambda: join_batch_norms(nn.BatchNorm2d(4), square), TypeError)
    return wrong if "one dimension" in message else [*wrong, message]


def _passed(network: nn.Module, x: Tensor, cotangent: Tensor) -> list[Tensor]:
    """Values, gradient of the input, gradients of the weights."""
    network.zero_grad()
    x = x.clone().requires_grad_()
    y = network(x)
    y.backward(cotangent)
    return [y.detach(), x.grad, *(p.grad.clone() for p in network.parameters())]


def a_process_ends(mesh: DeviceMesh) -> list[str]:
    """Without a word, before its step; the others are told."""
    block = _divided(mesh, partial(SNL, 8))
    if mesh.get_local_rank() == mesh.size() - 1:
        return []
    x = torch.zeros(2, 8, 4, dtype=torch.float64)
    message = _raised(lambda: block(x), ConnectionError)
    return [] if "look for its own error" in message else [message]


CHECKS: list[Check] = [
    maps_that_do_not_fit,
    numbers_sent,
    spectra,
    refusals,
    copies,
    autocast,
    data_and_nodes,
    batch_norms_of_a_backbone,
]
"""Of all processes; :func:`compiled` is of two, which suffice, and :func:`a_process_ends` comes last."""
