"""The GPU's questions: what the card can do, and which share of it blocks reach, by precision."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.flop_counter import FlopCounterMode

from experiments.benchmark.block_sections import TextbookNL, ours_of
from experiments.benchmark.filter_sections import compare_families
from experiments.benchmark.measure import Step, median_ratio, summary, time_in_turns, training_step
from experiments.benchmark.reference import Floor, TextbookSNL
from experiments.benchmark.sections import Row, Section, Shape, compare_orders, device, growth
from experiments.benchmark.spectral_sections import find_all
from gsp_nonlocal import SNL

PRECISIONS = ("float32", "TF32", "bfloat16")
"""As PyTorch names them: products in float32, in TF32, under autocast to bfloat16."""
SHAPES: list[Shape] = [(8, 64, 32, 32), (8, 256, 56, 56), (4, 512, 64, 128), (32, 1024, 14, 14)]
NL_SHAPES: list[Shape] = [(8, 64, 32, 32), (4, 256, 64, 64), (1, 256, 128, 128)]


@contextmanager
def computing_in(precision: str) -> Iterator[None]:
    """Matrix products and convolutions in one of :data:`PRECISIONS`."""
    earlier = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    is_tf32 = precision == "TF32"
    try:
        torch.set_float32_matmul_precision("high" if is_tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = is_tf32
        with torch.autocast(device(), dtype=torch.bfloat16, enabled=precision == "bfloat16"):
            yield
    finally:
        torch.set_float32_matmul_precision(earlier[0])
        torch.backends.cudnn.allow_tf32 = earlier[1]


def rates(size: int, rounds: int) -> Iterable[Row]:
    """Bandwidth of a copy and rate of a matrix product, ``size × size``: what shares are taken of."""
    one, other = torch.randn(2, size, size, device=device()).unbind()
    seconds = _median(lambda: _unused(other.copy_(one)), rounds)
    yield {"what": "copy", "GB/s": 2 * one.numel() * one.element_size() / seconds / 1e9}
    for precision in PRECISIONS:
        yield {"what": f"matrix product, {precision}", "TFLOP/s": matmul_rate(precision, size, rounds) / 1e12}


def matmul_rate(precision: str, size: int, rounds: int) -> float:
    """Operations a second of a product ``size × size``: the floor that cuBLAS sets."""
    one, other = torch.randn(2, size, size, device=device()).unbind()
    if precision == "bfloat16":
        one, other = one.bfloat16(), other.bfloat16()
    with computing_in(precision):
        return 2 * size**3 / _median(lambda: _unused(one @ other), rounds)


def compare_precisions(shapes: Iterable[Shape], size: int, rounds: int) -> Iterable[Row]:
    """A training step of SNL, of the textbook's and of the floor, in turns, in each precision."""
    for shape in shapes:
        for precision in PRECISIONS:
            blocks = {"snl": SNL(shape[1]), "textbook": TextbookSNL(shape[1], shape[1] // 2)}
            yield _compared(
                shape, precision, blocks | {"floor": Floor(shape[1], shape[1] // 2)}, size, rounds
            )


def compare_attention(shapes: Iterable[Shape], size: int, rounds: int) -> Iterable[Row]:
    """The same of NL, with PyTorch's fused attention by itself as the floor."""
    for shape in shapes:
        for precision in PRECISIONS:
            textbook = TextbookNL(shape[1])
            blocks = {"nl": ours_of(textbook), "textbook": textbook, "floor": FusedAttention()}
            yield _compared(shape, precision, blocks, size, rounds)


class FusedAttention(nn.Module):
    """``softmax(q kᵀ / √r) v`` by PyTorch's kernel; the first half of the channels is ``q``, ``k``, ``v``."""

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W) -> (B, C, H, W)``, the half filtered twice over."""
        nodes = x[:, : x.shape[1] // 2].flatten(2).mT.unsqueeze(1)
        y = scaled_dot_product_attention(nodes, nodes, nodes)
        return y.squeeze(1).mT.repeat(1, 2, 1).view(x.shape)


def _compared(shape: Shape, precision: str, blocks: dict[str, nn.Module], size: int, rounds: int) -> Row:
    torch.manual_seed(0)
    x = torch.randn(shape, device=device()).requires_grad_()
    steps = {name: _within(precision, training_step(f.to(device()), x)) for name, f in blocks.items()}
    times, name = time_in_turns(steps, rounds), next(iter(blocks))
    row: Row = {"map": "×".join(map(str, shape)), "precision": precision}
    for kind, values in times.items():
        row |= summary(kind, values)
    row["times faster than textbook"] = median_ratio(times["textbook"], times[name])
    row["times the floor"] = median_ratio(times[name], times["floor"])
    with FlopCounterMode(display=False) as counter:
        steps[name]()
    reached = counter.get_total_flops() / statistics.median(times[name])
    return row | {"share of the rate of products": reached / matmul_rate(precision, size, rounds)}


def compare_captured(shapes: Iterable[Shape], rounds: int) -> Iterable[Row]:
    """Training steps of SNL, the textbook's and the floor in TF32, each captured once as a CUDA graph."""
    for shape in shapes:
        torch.manual_seed(0)
        x = torch.randn(shape, device=device()).requires_grad_()
        sizes = shape[1], shape[1] // 2
        blocks = {
            "snl": SNL(sizes[0]),
            "snl order 3": SNL(sizes[0], order=3),
            "textbook": TextbookSNL(*sizes),
            "floor": Floor(*sizes),
        }
        with computing_in("TF32"):
            steps = {name: training_step(_captured(f.to(device()), x), x) for name, f in blocks.items()}
            times = time_in_turns(steps, rounds)
        row: Row = {"map": "×".join(map(str, shape))}
        for kind, values in times.items():
            row |= summary(kind, values)
        row["times faster than textbook"] = median_ratio(times["textbook"], times["snl"])
        yield row | {"times the floor": median_ratio(times["snl"], times["floor"])}


def _captured(block: nn.Module, x: Tensor) -> nn.Module:
    if device() == "cuda":  # in place
        torch.cuda.make_graphed_callables(block, (x.detach().clone().requires_grad_(),))
    return block


def spectra(exponents: Iterable[int], rounds: int) -> Iterable[Row]:
    """All eigenvalues of SNL's affinity by its factors, over the number of nodes."""
    for exponent in exponents:
        with torch.device(device()):
            times = time_in_turns({"factors": find_all(2**exponent, "factors")}, rounds)
        yield {"nodes": float(2**exponent), **summary("factors", times["factors"])}


def gpu_sections(rounds: int) -> dict[str, Section]:
    """Title to rows, not yet measured."""
    size = 8192
    return {
        "rates": Section(rates(size, rounds), 1 + len(PRECISIONS), rounds),
        "SNL": Section(compare_precisions(SHAPES, size, rounds), len(SHAPES) * len(PRECISIONS), rounds),
        "captured": Section(compare_captured(SHAPES, rounds), len(SHAPES), rounds),
        "NL": Section(compare_attention(NL_SHAPES, size, rounds), len(NL_SHAPES) * len(PRECISIONS), rounds),
        "orders": Section(compare_orders(65_536, 128, 2 * rounds), 4, 2 * rounds),
        "families": Section(compare_families(65_536, 128, 2 * rounds), 12, 2 * rounds),
        "spectra": Section(spectra(range(12, 19), rounds), 7, rounds),
        "growth": Section(growth(range(12, 23, 2), rounds), 6, rounds),
    }


def _within(precision: str, step: Step) -> Step:
    def wrapped() -> None:
        with computing_in(precision):
            step()

    return wrapped


def _median(step: Step, rounds: int) -> float:
    return statistics.median(time_in_turns({"": step}, rounds)[""])


def _unused(_: object) -> None:
    """A step returns nothing."""
