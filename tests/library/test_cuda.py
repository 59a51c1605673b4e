"""The same laws on a GPU; collected only where there is one, so that nothing is skipped in silence."""

import copy

import torch

from gsp_nonlocal import SNL
from tests.filters.cases import relative

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
