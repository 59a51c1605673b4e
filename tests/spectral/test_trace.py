"""The graphs of a forward pass, and a model that is left as it was."""

import pytest
import torch
from torch import nn

from gsp_nonlocal import SNL
from gsp_nonlocal.blocks import CC, DNL, NL
from gsp_nonlocal.blocks import registry as blocks
from gsp_nonlocal.models import preresnet20
from gsp_nonlocal.spectral import block_response, block_shifts, spectrum, write_report
from gsp_nonlocal.spectral.spectrum import stored_tensors


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
    (path, trace), *rest = block_shifts(model, x).items()
    block, seen, shift = trace.block, trace.input, trace.shift
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


@pytest.mark.parametrize("name", blocks.names())
def test_every_known_block_is_caught_and_analysed(name, tmp_path):
    """The shift caught is what the filter saw, and the response is the unit's linear part."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), blocks.get(name)(8)).double()
    x = torch.randn(2, 3, 8, 7, dtype=torch.float64)
    trace = block_shifts(model, x)["1"]
    signal, shift = trace.stages[0]
    assert shift.shape[-1] == signal.shape[1]
    eigenvalues = spectrum(shift).eigenvalues.to(torch.complex128)
    for power in (1, 2, 3):  # traces: single eigenvalues of a graph far from normal are lost to rounding
        walks = torch.linalg.matrix_power(shift.to_dense(), power).diagonal(dim1=1, dim2=2).sum(-1)
        torch.testing.assert_close(eigenvalues.pow(power).sum(-1), walks.to(torch.complex128))
    assert block_response(trace.block, torch.tensor([0.25, 1.75])).matrices.shape[:2] == (2, 8)
    write_report(model, x, tmp_path / "report.html")


def test_the_units_of_dnl_are_caught_with_their_own_term():
    torch.manual_seed(0)
    block = DNL(4, stages=2).double()
    trace = block_shifts(block, torch.randn(1, 4, 5, 5, dtype=torch.float64))[""]
    assert len(trace.stages) == 2
    for stage in trace.stages:
        sums = stage.shift.to_dense().sum(-1)
        torch.testing.assert_close(sums, 2 * torch.ones_like(sums))


def test_a_recurrence_is_caught_at_its_last_run():
    torch.manual_seed(0)
    block, x = CC(4, recurrence=2).double(), torch.randn(1, 4, 5, 5, dtype=torch.float64)
    with torch.no_grad():
        block.units[0].gate.fill_(0.5)
        once = CC(4, recurrence=1).double()
        once.load_state_dict(block.state_dict())
        second = once(x)
    assert len(block_shifts(block, x)[""].stages) == 1
    torch.testing.assert_close(
        block_shifts(block, x)[""].shift.to_dense(), block.shift(second).to_dense().detach()
    )


def test_blocks_with_max_pooling_are_left_out_of_the_report_by_name(tmp_path):
    pooled = nn.Sequential(nn.Conv2d(3, 8, 3), NL(8, sub_sample="max"))
    with pytest.raises(ValueError, match="max pooling of values in 1 is not linear"):
        write_report(pooled, torch.randn(2, 3, 8, 8), tmp_path / "report.html")
    write_report(nn.Sequential(pooled, SNL(8)), torch.randn(2, 3, 8, 8), tmp_path / "report.html")
    assert "no spectrum: 0.1." in (tmp_path / "report.html").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="no response"):
        block_response(pooled[1])


def test_what_a_graph_holds_is_counted_without_its_matrix():
    trace = block_shifts(NL(8), torch.randn(1, 8, 40, 40))[""]
    assert sum(t.numel() for t in stored_tensors(trace.shift)) == 2 * 1600 * 4
