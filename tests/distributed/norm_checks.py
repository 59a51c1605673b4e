"""Norms whose means are over all processes: each check returns a word for what went wrong, or nothing."""

from __future__ import annotations

import copy
from functools import partial

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh

from filters import Chebyshev
from gsp_nonlocal import A2, SNL, NonlocalBlock
from gsp_nonlocal.distributed import join_batch_norms
from gsp_nonlocal.nodes import PointwiseProjection
from tests.distributed.checks import Check, divided, raised


def batch_norms_of_a_backbone(mesh: DeviceMesh) -> list[str]:
    """Of frames, unevenly many a process: values, gradients, running statistics, and evaluation after it."""
    torch.manual_seed(0)
    whole = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.BatchNorm2d(4, affine=False))
    whole, place = whole.double(), mesh.get_local_rank()
    many = join_batch_norms(copy.deepcopy(whole), mesh)
    frames, cotangent = torch.randn(9, 3, 6, 5).double(), torch.randn(9, 4, 4, 3).double()
    cuts = [[3, 1, 4, 1][: mesh.size()], place]
    wrong = []
    for training in (True, False):
        part, of_part = (x.split(cuts[0])[cuts[1]] for x in (frames, cotangent))
        expected = _passed(whole.train(training), frames, cotangent)
        found = _passed(many.train(training), part, of_part)
        for one in found[2:]:
            dist.all_reduce(one)
        own = [x.split(cuts[0])[cuts[1]] for x in expected[:2]] + expected[2:]
        wrong += [f"{training}" for a, b in zip(found, own, strict=True) if not torch.allclose(a, b)]
    for name, value in whole.state_dict().items():
        wrong += [name] * (not torch.allclose(many.state_dict()[name], value))
    square = DeviceMesh("cpu", [[0, 1], [2, 3]])
    message = raised(lambda: join_batch_norms(nn.BatchNorm2d(4), square), TypeError)
    return wrong if "one dimension" in message else [*wrong, message]


def _passed(network: nn.Module, x: Tensor, cotangent: Tensor) -> list[Tensor]:
    """Values, gradient of the input, gradients of the weights."""
    network.zero_grad()
    x = x.clone().requires_grad_()
    y = network(x)
    y.backward(cotangent)
    return [y.detach(), x.grad, *(p.grad.clone() for p in network.parameters())]


class _Doubled(nn.BatchNorm2d):
    def forward(self, input: Tensor) -> Tensor:
        return 2 * super().forward(input)


class _Normed(Chebyshev):
    """A filter with a norm inside, over nodes that it alone knows."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.inner = nn.BatchNorm1d(in_channels)


def norms_of_other_kinds(mesh: DeviceMesh) -> list[str]:
    """Subclasses, norms of values and norms in filters are refused; one norm with two names stays one."""
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), _Doubled(4))
    told = {
        "2 is a _Doubled": (lambda: join_batch_norms(network, mesh), TypeError),
        "(no subclass)": (lambda: divided(mesh, lambda: SNL(8, norm=_Doubled1d)), ValueError),
        "norm of the block": (lambda: divided(mesh, partial(SNL, 8, filter=_Normed)), ValueError),
        "InstanceNorm1d(4": (
            lambda: divided(mesh, lambda: NonlocalBlock(8, value=_normed_value)),
            ValueError,
        ),
    }
    wrong = [words for words, (call, kind) in told.items() if words not in raised(call, kind)]
    wrong += ["changed before"] * (type(network[1]) is not nn.BatchNorm2d)
    norm = nn.BatchNorm2d(4)
    twice = join_batch_norms(nn.ModuleDict({"one": norm, "other": norm}), mesh)
    return wrong + ["two names"] * (twice["one"] is not twice["other"] or twice["one"] is norm)


class _Doubled1d(nn.BatchNorm1d):
    def forward(self, input: Tensor) -> Tensor:
        return 2 * super().forward(input)


def _normed_value(channels: int, inner: int) -> nn.Module:
    return nn.Sequential(PointwiseProjection(channels, inner), nn.InstanceNorm1d(inner))


def batch_norms_of_features(mesh: DeviceMesh) -> list[str]:
    """Features without positions, cumulative statistics over several batches, half precision, large means."""
    place, generator, wrong = mesh.get_local_rank(), torch.Generator().manual_seed(1), []
    whole = nn.BatchNorm1d(4, momentum=None).double()
    many = join_batch_norms(copy.deepcopy(whole), mesh)
    for _ in range(4):
        x = 3 * torch.rand(12, 4, generator=generator, dtype=torch.float64)
        own = x.chunk(mesh.size())[place]
        wrong += ["features"] * (not torch.allclose(many(own), whole(x).chunk(mesh.size())[place], 1e-12))
    for name in ("running_mean", "running_var"):
        wrong += [name] * (not torch.allclose(getattr(many, name), getattr(whole, name), 1e-14, 1e-14))
    return wrong + _half_precision(mesh) + _large_mean(mesh)


def _half_precision(mesh: DeviceMesh) -> list[str]:
    """Under autocast, and of a network in bfloat16: as PyTorch's own norm."""
    x = torch.randn(12, 4, 5, 5, generator=torch.Generator().manual_seed(1)).bfloat16()
    place, wrong = mesh.get_local_rank(), []
    for dtype in (torch.float32, torch.bfloat16):
        whole = nn.BatchNorm2d(4).to(dtype)
        many = join_batch_norms(copy.deepcopy(whole), mesh)
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.float32):
            expected, found = whole(x).chunk(mesh.size())[place], many(x.chunk(mesh.size())[place])
        wrong += [f"{dtype}"] * (
            found.dtype != expected.dtype or not torch.allclose(found, expected, 1e-2, 1e-2)
        )
        wrong += [f"{dtype} mean"] * (not torch.allclose(many.running_mean, whole.running_mean, 8e-3))
    return wrong


def _large_mean(mesh: DeviceMesh) -> list[str]:
    """A mean a thousand times the deviation, in float32: gradients as close to float64's as PyTorch's own
    norm has them, to a factor of ten."""
    generator, place = torch.Generator().manual_seed(1), mesh.get_local_rank()
    x = 1e3 + torch.randn(2, 4, 4000, generator=generator)
    cotangent = torch.randn(x.shape, generator=generator)
    exact = _passed(nn.BatchNorm1d(4).double(), x.double(), cotangent.double())
    whole = _passed(nn.BatchNorm1d(4), x, cotangent)
    many = join_batch_norms(nn.BatchNorm1d(4), mesh)
    found = _passed(many, *(part.chunk(mesh.size(), -1)[place] for part in (x, cotangent)))
    dist.all_reduce(found[2])
    exact[1], whole[1] = (part.chunk(mesh.size(), -1)[place] for part in (exact[1], whole[1]))
    return [
        f"{name}: {_off(found[at], exact[at]):.1e}, in one process {_off(whole[at], exact[at]):.1e}"
        for at, name in ((1, "x"), (2, "weight"))
        if _off(found[at], exact[at]) > 10 * _off(whole[at], exact[at])
    ]


def _off(found: Tensor, exact: Tensor) -> float:
    return float((found - exact).norm() / exact.norm())


def second_derivatives(mesh: DeviceMesh) -> list[str]:
    """Of a batch norm over ranks they are refused by name."""
    block = divided(mesh, partial(A2, 8))
    x = torch.randn(2, 8, 6, dtype=torch.float64).requires_grad_()
    (grad,) = torch.autograd.grad(block(x).square().sum(), x, create_graph=True)
    message = raised(lambda: grad.square().sum().backward(), NotImplementedError)
    return [] if "group norm" in message else [message]


NORM_CHECKS: list[Check] = [
    batch_norms_of_a_backbone,
    norms_of_other_kinds,
    batch_norms_of_features,
    second_derivatives,
]
"""Of all processes."""
