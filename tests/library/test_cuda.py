"""The same laws on a GPU; collected only where there is one, so that nothing is skipped in silence."""

import copy
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor.parallel import parallelize_module

from filters import Chebyshev
from gsp_nonlocal import NL, SNL
from gsp_nonlocal.analysis import Limits, snapshot
from gsp_nonlocal.distributed import NodeParallel
from gsp_nonlocal.interop.pyg import SpectralConv
from gsp_nonlocal.probe import SpectralProbe
from gsp_nonlocal.report import analyze
from gsp_nonlocal.shifts import AttentionShift
from gsp_nonlocal.spectral import spectral_density, spectrum
from gsp_nonlocal.testing import check_affinity, check_block, check_filter, check_shift
from tests.cases import affinities
from tests.cases.blocks import BLOCKS, C, made, open_gates
from tests.cases.filters import FILTERS
from tests.cases.readers import BY_FUNCTION, READERS
from tests.cases.shifts import LARGE, SHIFTS
from tests.cases.signals import IN, edges, relative, signal
from tests.distributed.cases import MAKE, a_map, build, cut, run, worst
from tests.filters.test_filter_laws import PAIRS, make
from tests.library import compile_program
from tests.library.test_compile import agreed
from tests.library.test_half_precision import CASES, HALF, OF_UPDATE, updates

pytestmark = pytest.mark.cuda
CUDA = torch.device("cuda")


def is_tensor(value):
    return isinstance(value, torch.Tensor)


def outcome(module, *inputs):
    """Value and gradients in inputs and weights, on the processor."""
    given = [x.detach().clone().requires_grad_(x.is_floating_point()) if is_tensor(x) else x for x in inputs]
    y = module(*given)
    if y.requires_grad:
        y.square().sum().backward()
    tensors = [*(x for x in given if is_tensor(x) and x.requires_grad), *module.parameters()]
    gradients = [torch.zeros_like(t).cpu() if t.grad is None else t.grad.cpu() for t in tensors]
    return [y.detach().cpu(), *gradients]


def agree(found, expected, limit):
    greatest = max(other.norm() for other in expected)
    for one, other in zip(found, expected, strict=True):
        assert (one - other).norm() <= limit * max(1e-3 * greatest, other.norm(), 1e-6)


DIVIDED = [name for name in MAKE if name.startswith("block") or ("," not in name and "filter" not in name)]


def divided(rank, folder, backend, world):
    """How far blocks on parts of the nodes are from blocks on all of them."""
    torch.cuda.set_device(0)
    dist.init_process_group(backend, init_method=f"file://{folder}/meeting", rank=rank, world_size=world)
    mesh, found = init_device_mesh("cuda", (world,)), {}
    for name in DIVIDED:
        block = build(name, torch.float64).cuda()
        x, cotangent = (part.cuda() for part in a_map(block, torch.float64))
        whole = run(block, x, cotangent)
        parts = {"values": x, "of x": cotangent}
        if world > 1:
            whole, parts = (cut(values, rank, world) for values in (whole, parts))
        module = parallelize_module(build(name, torch.float64).cuda(), mesh, NodeParallel())
        found[name] = worst(run(module, parts["values"], parts["of x"]), whole)
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


if torch.cuda.is_available():

    @pytest.mark.parametrize(("backend", "world"), [("nccl", 1), ("gloo", 2)])
    def test_nodes_are_divided(backend, world, tmp_path):
        """NCCL takes one process a GPU; two processes share it by gloo."""
        mp.spawn(divided, args=(str(tmp_path), backend, world), nprocs=world)
        for rank in range(world):
            found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
            assert {name: value for name, value in found.items() if not value < 1e-10} == {}

    @pytest.mark.parametrize(("name", "graph"), PAIRS)
    def test_a_filter_keeps_the_laws_on_every_shift(name, graph):
        check_filter(make(name).cuda(), SHIFTS[graph]().to(CUDA))

    @pytest.mark.parametrize("name", FILTERS)
    def test_a_filter_keeps_the_laws(name):
        check_filter(make(name).cuda())

    @pytest.mark.parametrize(("name", "graph"), PAIRS[::3])
    def test_a_filter_is_that_of_the_processor(name, graph):
        f, shift = make(name), SHIFTS[graph]().detach()
        expected = outcome(f, signal(), shift)
        agree(outcome(make(name).cuda(), signal().cuda(), shift.to(CUDA)), expected, 1e-9)

    @pytest.mark.parametrize("graph", SHIFTS)
    def test_a_shift_keeps_the_laws(graph):
        check_shift(SHIFTS[graph]().to(CUDA))

    @pytest.mark.parametrize("graph", LARGE)
    def test_resolvents_of_large_batches_are_right(graph):
        shift = LARGE[graph]().to(CUDA)
        z = signal(3, shift.shape[-1], shift.shape[0]).cuda()
        y = shift.solve(z, 1j, 0.5)
        assert relative(1j * y + 0.5 * (shift @ y), z.to(y.dtype)) < 1e-10

    @pytest.mark.parametrize(("name", "symmetrization", "normalization"), list(affinities.combinations()))
    def test_an_affinity_keeps_the_laws(name, symmetrization, normalization):
        affinity = affinities.build(name, symmetrization, normalization).cuda()
        arranged = affinities.AFFINITIES[name].arranged
        check_affinity(affinity, affinities.CHANNELS, affinities.GRID, arranged=arranged)

    @pytest.mark.parametrize("name", BLOCKS)
    def test_a_block_keeps_the_laws(name):
        case = BLOCKS[name]
        sizes = [(6, 5)] if case.on_grid else [(30,), (6, 5), (3, 4, 2)]
        check_block(made(name).cuda(), sizes, arranged=case.arranged)

    @pytest.mark.parametrize("form", ["low_rank", "dense"])
    def test_forms_agree_with_the_processor(form):
        block = SNL(32, order=3, form=form, gate=False).double()
        x = torch.randn(2, 32, 12, 10, dtype=torch.float64)
        assert relative(copy.deepcopy(block).cuda()(x.cuda()).cpu(), block(x)) < 1e-10

    @pytest.mark.parametrize("name", CASES)
    @pytest.mark.parametrize("dtype", HALF)
    @pytest.mark.parametrize("autocast", [True, False])
    def test_the_update_of_a_block_in_half_precision(name, dtype, autocast):
        torch.manual_seed(0)
        block, x = open_gates(CASES[name](C)).cuda(), torch.randn(2, C, 16, 16).cuda()
        given = x if autocast else x.to(dtype)
        block = block if autocast else block.to(dtype)
        exact = copy.deepcopy(block).double()
        y, found = updates(block, given, torch.autocast("cuda", dtype=dtype, enabled=autocast))
        _, expected = updates(exact, given.double(), torch.autocast("cuda", enabled=False))
        assert y.dtype == given.dtype
        assert relative(found[0], expected[0]) < OF_UPDATE

    @pytest.mark.parametrize("dtype", HALF)
    @pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
    def test_half_precision_at_every_scale(dtype, scale):
        block = SNL(32, order=3, gate=False).cuda()
        exact = copy.deepcopy(block).double()
        x = scale * torch.randn(2, 32, 64, 64, device=CUDA)
        with torch.autocast("cuda", dtype=dtype):
            y = block(x)
        assert relative(y.double(), exact(x.double())) < 2e-2

    @pytest.mark.parametrize("tf32", [False, True])
    def test_tf32_is_as_close_as_its_products(tf32):
        earlier = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        try:
            block, x = SNL(64, order=3, gate=False).cuda(), torch.randn(2, 64, 48, 48, device=CUDA)
            exact = copy.deepcopy(block).double()(x.double())
            assert relative(block(x).double(), exact) < (3e-3 if tf32 else 1e-5)
        finally:
            torch.set_float32_matmul_precision(earlier)

    def test_blocks_compile():
        names = [f"agrees: {name} {shape}" for name, _, shape in compile_program.cases("inductor")]
        assert agreed("inductor", "cuda") == names

    def test_a_step_is_captured_as_a_graph():
        """CUDA graphs take no copy to the host."""
        block, x = SNL(32, order=3, form="low_rank").cuda(), torch.randn(2, 32, 24, 24, device=CUDA)
        block = open_gates(block)
        step = torch.cuda.make_graphed_callables(copy.deepcopy(block), (x.clone().requires_grad_(),))
        block.train(), step.train()
        assert relative(step(x), block(x)) < 1e-5

    @pytest.mark.parametrize("graph", SHIFTS)
    def test_spectra_are_those_of_the_processor(graph):
        shift = SHIFTS[graph]()
        on_gpu, here = (spectrum(s).eigenvalues.abs().sort().values.cpu() for s in (shift.to(CUDA), shift))
        assert relative(on_gpu, here) < 1e-6  # of directed graphs eigenvalues are ill-conditioned
        if shift.is_symmetric:
            on_gpu, here = (spectral_density(s).mean.cpu() for s in (shift.to(CUDA), shift))
            assert relative(on_gpu, here) < 1e-6

    def test_some_eigenvalues_of_a_large_softmax_graph():
        query = 0.4 * torch.randn(1, 3000, 16, generator=torch.Generator().manual_seed(0))
        here, on_gpu = (
            spectrum(AttentionShift(q, q), 8).eigenvalues.abs().sort().values
            for q in (query.double(), query.double().cuda())
        )
        assert relative(on_gpu.cpu(), here) < 1e-6

    def test_a_graph_convolution_is_that_of_the_processor():
        index, weight = edges()
        conv = SpectralConv(Chebyshev(IN, 3, order=3)).double()
        x = signal()[0]
        expected = outcome(conv, x, index, weight)
        conv.zero_grad(set_to_none=True)
        agree(outcome(conv.cuda(), x.cuda(), index.cuda(), weight.cuda()), expected, 1e-10)

    @pytest.mark.parametrize("name", [*READERS, *BY_FUNCTION])
    def test_the_probe_reads_on_the_gpu(name):
        case = (READERS | BY_FUNCTION)[name]
        module, inputs = case.make().eval(), case.inputs()
        found = []
        for device in (torch.device("cpu"), CUDA):
            with SpectralProbe(nn.Sequential(module).to(device)[0]) as probe:
                module(*(x.to(device) for x in inputs))
            traces = [trace for each in probe.traces.values() for trace in each]
            found.append([trace.shift.to_dense().double().cpu() for trace in traces])
        agree(found[1], found[0], 1e-4)

    def test_a_megapixel_map_trains():
        block, x = SNL(32, order=3).cuda(), torch.randn(1, 32, 1024, 1024, device=CUDA, requires_grad=True)
        torch.cuda.reset_peak_memory_stats()
        block(x).square().mean().backward()
        assert x.grad.isfinite().all()
        assert torch.cuda.max_memory_allocated() < 4 * 2**30

    def test_an_analysis_is_that_of_the_processor():
        torch.manual_seed(0)
        model = nn.Sequential(SNL(6, form="low_rank"), NL(6), nn.MaxPool2d(2), NL(6))
        images = torch.randn(2, 6, 12, 10)
        limits = Limits(nodes=60, matrix=60, k=3, steps=8)  # the first NL is large
        found, wanted = (snapshot(model.to(device), images, limits=limits) for device in ("cuda", "cpu"))
        for one, other in zip(found.blocks, wanted.blocks, strict=True):
            for name in ("spectral_radius", "row_entropy", "row_distance", "dirichlet_after"):
                assert abs(one.mean(name) - other.mean(name)) < 1e-4
        assert analyze(model.cuda(), images.cuda()).views
