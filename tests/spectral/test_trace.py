"""The graphs of a forward pass, and a model that is left as it was."""

import pytest
import torch
from torch import nn

from gsp_nonlocal import SNL
from gsp_nonlocal.models import preresnet20
from gsp_nonlocal.spectral import block_shifts


class Late(nn.Module):
    """A block called by keyword, one that never runs, and a failure on request."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.idle = SNL(4), SNL(4)
        self.norm = nn.BatchNorm2d(4)
        self.fail = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.used(x=self.norm(x))
        if self.fail:
            raise RuntimeError("failed late")
        return y


def hooks_of(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def test_catches_input_and_shift_of_every_block_that_runs():
    torch.manual_seed(0)
    model = preresnet20(block=SNL)
    x = torch.randn(2, 3, 16, 16)
    (path, (block, seen, shift)), *rest = block_shifts(model, x).items()
    assert path == "layer3.1.nonlocal_block"
    assert not rest
    assert block is model.get_submodule(path)
    assert torch.equal(shift.to_dense(), block.shift(seen).to_dense().detach())
    with torch.no_grad():
        body = model.eval().layer2(model.layer1(model.conv(x)))
        unit = model.layer3[1]
        body = model.layer3[0](body)
        expected = body + unit.conv2(unit.bn2(unit.conv1(unit.bn1(body).relu())).relu())
    torch.testing.assert_close(seen, expected)


def test_restores_modes_hooks_and_statistics():
    model = Late()
    model.norm.eval()
    hooks, mean = hooks_of(model), model.norm.running_mean.clone()
    caught = block_shifts(model, torch.randn(2, 4, 5, 5) + 3)
    assert list(caught) == ["used"]
    assert not caught["used"].shift.to_dense().requires_grad
    assert model.training
    assert not model.norm.training
    assert model.used.training
    assert hooks_of(model) == hooks
    assert torch.equal(model.norm.running_mean, mean)


def test_restores_them_after_a_failure_too():
    model = Late()
    model.fail = True
    with pytest.raises(RuntimeError, match="failed late"):
        block_shifts(model, torch.randn(2, 4, 5, 5))
    assert model.training
    assert hooks_of(model) == 0
    assert torch.is_grad_enabled()


def test_a_block_is_a_model_too():
    assert list(block_shifts(SNL(4), torch.randn(1, 4, 3))) == [""]


def test_a_model_without_blocks_is_refused():
    with pytest.raises(ValueError, match=r"Sequential has no nonlocal block.*Conv2d, ReLU.*insert_blocks"):
        block_shifts(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()), torch.randn(1, 3, 4, 4))
