"""The same laws on a GPU; collected only where there is one, so that nothing is skipped in silence."""

import copy

import torch

from gsp_nonlocal import SNL
from tests.cases.signals import relative

if torch.cuda.is_available():

    def test_forms_agree_with_the_cpu():
        for form in ("low_rank", "dense"):
            block = SNL(32, order=3, form=form, gate=False).double()
            x = torch.randn(2, 32, 12, 10, dtype=torch.float64)
            assert relative(copy.deepcopy(block).cuda()(x.cuda()).cpu(), block(x)) < 1e-10

    def test_half_precision_is_finite_and_close():
        for dtype in (torch.bfloat16, torch.float16):
            for scale in (1e-3, 1.0, 1e3):
                block = SNL(32, order=3, gate=False).cuda()
                exact = copy.deepcopy(block).double()
                x = scale * torch.randn(2, 32, 64, 64, device="cuda")
                with torch.autocast("cuda", dtype=dtype):
                    y = block(x)
                assert relative(y.double(), exact(x.double())) < 2e-2

    def test_a_megapixel_map_trains():
        block, x = SNL(32, order=3).cuda(), torch.randn(1, 32, 1024, 1024, device="cuda", requires_grad=True)
        torch.cuda.reset_peak_memory_stats()
        block(x).square().mean().backward()
        assert x.grad.isfinite().all()
        assert torch.cuda.max_memory_allocated() < 4 * 2**30

    def test_an_analysis_is_that_of_the_cpu():
        from gsp_nonlocal import NL
        from gsp_nonlocal.analysis import Limits, snapshot
        from gsp_nonlocal.report import analyze

        torch.manual_seed(0)
        model = torch.nn.Sequential(SNL(6, form="low_rank"), NL(6), torch.nn.MaxPool2d(2), NL(6))
        images = torch.randn(2, 6, 12, 10)
        limits = Limits(nodes=60, matrix=60, k=3, steps=8)  # the first NL is large
        found, wanted = (snapshot(model.to(device), images, limits=limits) for device in ("cuda", "cpu"))
        for one, other in zip(found.blocks, wanted.blocks, strict=True):
            for name in ("spectral_radius", "row_entropy", "row_distance", "dirichlet_after"):
                assert abs(one.mean(name) - other.mean(name)) < 1e-4
        assert analyze(model.cuda(), images.cuda()).views
