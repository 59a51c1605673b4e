"""The spectral questions: all eigenvalues and some, the density, the probe's overhead, the page."""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import timm
import torch
from scipy.stats import wasserstein_distance
from torch import nn
from torchvision.models import resnet50, vit_b_16

from experiments.benchmark.measure import Step, measured, median_ratio, summary, time_in_turns
from experiments.benchmark.sections import MIB, Row, Section
from gsp_nonlocal import insert_blocks
from gsp_nonlocal.affinity import relu_dot_shift
from gsp_nonlocal.affinity.normalization import normalise_exponential
from gsp_nonlocal.blocks import ANL, CC, NL, SNL
from gsp_nonlocal.probe import SpectralProbe
from gsp_nonlocal.report import analyze
from gsp_nonlocal.shifts import AttentionShift, ShiftOperator
from gsp_nonlocal.spectral import spectral_density, spectrum, symmetric_part

RANK = 128  # r of SNL: the factors have 2 r columns
MOST_MATRIX_NODES = 2**12
K, WIDTH = 20, 8
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def low_rank(nodes: int) -> ShiftOperator:
    """SNL's affinity of random features."""
    torch.manual_seed(0)
    return relu_dot_shift(torch.randn(1, nodes, 2 * RANK).relu(), "low_rank")


def random_softmax(nodes: int) -> ShiftOperator:
    """NL's affinity of random features of few dimensions: its spectrum falls, as those of trained ones do."""
    torch.manual_seed(0)
    query, key = torch.randn(2, 1, nodes, WIDTH).unbind()
    return AttentionShift(query, key, scale=WIDTH**-0.5)


def smooth_softmax(nodes: int) -> ShiftOperator:
    """A graph as training makes them: queries and keys of 64 channels, of smooth random fields, the position
    and some noise; exponents with a standard deviation of 2."""
    torch.manual_seed(0)
    side = math.isqrt(nodes - 1) + 1
    fields = nn.functional.interpolate(torch.randn(1, 62, 16, 16), side, mode="bicubic")
    line = torch.linspace(-2, 2, side)
    place = torch.stack(torch.meshgrid(line, line, indexing="ij")).unsqueeze(0)
    features = torch.cat([fields, place], 1).flatten(2).mT[:, :nodes]
    features = features + 0.3 * torch.randn(features.shape)
    first, second = torch.randn(2, 64, 64)
    query, key = features @ first, features @ (0.6 * first + 0.8 * second)
    pairs = torch.randint(nodes, (2, 4096))
    exponents = (query[0, pairs[0]] * key[0, pairs[1]]).sum(-1)
    return AttentionShift(query, key, scale=2 / float(exponents.std()))


SOFTMAX = {"random, r = 8": random_softmax, "smooth, r = 64": smooth_softmax}


def find_all(nodes: int, method: str) -> Step:
    """All eigenvalues of SNL's affinity, by its factors or by its matrix."""
    shift = low_rank(nodes)
    return lambda: _unused(spectrum(shift, method=method, max_nodes=nodes))  # type: ignore[arg-type]


def find_some(graph: str, nodes: int) -> Step:
    """``K`` extreme eigenvalues of a softmax affinity, by products."""
    shift = SOFTMAX[graph](nodes)
    return lambda: _unused(spectrum(shift, K, "krylov"))


def all_eigenvalues(exponents: Iterable[int]) -> Iterable[Row]:
    """Factors against LAPACK on the matrix, each in a warm process of its own."""
    for exponent in exponents:
        nodes = 2**exponent
        row: Row = {"nodes": float(nodes), "r": float(RANK)}
        for method in ("factors", "dense"):
            if method == "factors" or nodes <= MOST_MATRIX_NODES:
                peak, times = measured(find_all, nodes, method)
                row |= {**summary(method, times, "s"), f"{method} MiB": peak / MIB}
        yield row


def some_eigenvalues(cases: Iterable[tuple[str, int]]) -> Iterable[Row]:
    """Extreme eigenvalues of softmax affinities."""
    for graph, nodes in cases:
        peak, times = measured(find_some, graph, nodes, rounds=3)
        row: Row = {"graph": graph, "nodes": float(nodes), "k": float(K), **summary("step", times, "s")}
        yield row | {"MiB": peak / MIB, "MiB of S": 4 * nodes**2 / MIB}


def densities(nodes: int) -> Iterable[Row]:
    """Wasserstein distance of the density to all eigenvalues by LAPACK, and the seconds of both."""
    torch.manual_seed(0)
    features = torch.randn(1, nodes, 4)
    graphs: dict[str, Callable[[], ShiftOperator]] = {
        "softmax, symmetric": lambda: normalise_exponential(features, features, "average", "symmetric"),
        "softmax, symmetric part": lambda: symmetric_part(AttentionShift(features, features.roll(1, -1))),
        "sharp softmax, symmetric part": lambda: symmetric_part(AttentionShift(4 * features, 4 * features)),
    }
    for name, make in graphs.items():
        shift = make()
        start = time.perf_counter()
        found = spectral_density(shift)
        middle = time.perf_counter()
        exact = spectrum(shift, method="dense", max_nodes=nodes).frequencies[0]
        end = time.perf_counter()
        distance = wasserstein_distance(found.frequencies[0], exact, found.weights[0])
        yield {
            "graph": name,
            "nodes": float(nodes),
            "Wasserstein distance × 1000": 1e3 * distance,
            "density s": middle - start,
            "LAPACK s": end - middle,
        }


def probed_models() -> dict[str, Callable[[], nn.Module]]:
    """Whole models by name."""
    return {
        "torchvision vit_b_16": vit_b_16,
        "timm vit_small_patch16_224": partial(timm.create_model, "vit_small_patch16_224"),
        "timm vit_tiny_patch16_224": partial(timm.create_model, "vit_tiny_patch16_224"),
        "torchvision resnet50 + SNL": lambda: insert_blocks(resnet50(), {"layer3.4": SNL}),
    }


def probe_overhead(rounds: int) -> Iterable[Row]:
    """A forward pass of one 224×224 image in evaluation mode, with the probe and without."""
    for name, make in probed_models().items():
        torch.manual_seed(0)
        model, image = make().eval(), torch.randn(1, 3, 224, 224)
        times = time_in_turns({"plain": _forward(model, image), "probe": _probed(model, image)}, rounds)
        with torch.no_grad(), SpectralProbe(model) as probe:
            model(image)
        yield {
            "model": name,
            "blocks caught": float(len(probe.traces)),
            **summary("plain", times["plain"]),
            **summary("with the probe", times["probe"]),
            "ratio": median_ratio(times["probe"], times["plain"]),
        }


def page() -> Iterable[Row]:
    """The page of five blocks on eight images with maps of 32×32 positions."""
    torch.manual_seed(0)
    blocks = [SNL(16), SNL(16, order=3), CC(16, recurrence=1), ANL(16), NL(16)]
    model = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), *blocks)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        found = analyze(model, torch.rand(8, 3, 32, 32))
        middle = time.perf_counter()
        file = found.write(Path(folder) / "analysis")
        end = time.perf_counter()
        row: Row = {"blocks": 5.0, "images": 8.0, "analyze s": middle - start, "write s": end - middle}
        row |= {"page MB": file.stat().st_size / 1e6, **_opened(file)}
        yield row


def spectral_sections(rounds: int, quick: bool) -> dict[str, Section]:
    """Title to rows, not yet measured."""
    all_of, sizes = (range(10, 12), (1024,)) if quick else (range(10, 15), (4096, 12_000, 65_536))
    some_of, passes = [(graph, nodes) for graph in SOFTMAX for nodes in sizes], 2 if quick else rounds
    return {
        "all eigenvalues": Section(all_eigenvalues(all_of), len(all_of), 5),
        "some eigenvalues": Section(some_eigenvalues(some_of), len(some_of), 3),
        "density": Section(densities(512 if quick else 4096), 3),
        "probe": Section(probe_overhead(passes), len(probed_models()), passes),
        "page": Section(page(), 1),
    }


def _forward(model: nn.Module, image: torch.Tensor) -> Step:
    @torch.no_grad()
    def step() -> None:
        model(image)

    return step


def _probed(model: nn.Module, image: torch.Tensor) -> Step:
    @torch.no_grad()
    def step() -> None:
        with SpectralProbe(model):
            model(image)

    return step


def _opened(file: Path) -> Row:
    """Milliseconds until the page is loaded in a headless browser; nothing without one."""
    executable = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if executable is None:
        return {}
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        opened = browser.new_page()
        start = time.perf_counter()
        opened.goto(file.resolve().as_uri(), wait_until="load")
        opened.wait_for_selector(".explorer-app:not([hidden])")
        seconds = time.perf_counter() - start
        browser.close()
    return {"opens in s": seconds}


def _unused(_: object) -> None:
    """A step returns nothing."""
