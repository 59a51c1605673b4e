"""A probe catches what every filter of a forward pass saw, and leaves the model as it was."""

import pytest
import torch
import transformers
from timm import create_model
from timm.layers import Attention, NonLocalAttn
from torch import nn
from torch.utils.checkpoint import checkpoint
from torchvision import models

from gsp_nonlocal import SNL, LowRankShift, insert_blocks
from gsp_nonlocal.affinity import Gaussian
from gsp_nonlocal.blocks import CC, CGNL, DNL, NL, NonlocalBlock
from gsp_nonlocal.blocks import registry as blocks
from gsp_nonlocal.models import preresnet20
from gsp_nonlocal.probe import SpectralProbe, Trace, evaluation, readers, register_reader
from gsp_nonlocal.spectral import Layout, block_response, spectrum


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


def probed(model, *args, **settings):
    with SpectralProbe(model, **settings) as probe:
        model(*args)
    return probe


def opened(block):
    """The block with gates that are open, so that its input differs from its output."""
    for unit in block.units:
        if unit.gate is not None:
            nn.init.constant_(unit.gate, 0.5)
    return block.double()


def maps(*shape):
    return torch.randn(*shape, dtype=torch.float64)


# what is caught


def test_catches_the_shift_of_a_block_in_a_model():
    torch.manual_seed(0)
    model, x = preresnet20(block=SNL).eval(), torch.randn(2, 3, 16, 16)
    probe = probed(model, x)
    block = model.layer3[1].nonlocal_block
    with torch.no_grad():
        body, unit = model.layer3[0](model.layer2(model.layer1(model.conv(x)))), model.layer3[1]
        seen = body + unit.conv2(unit.bn2(unit.conv1(unit.bn1(body).relu())).relu())
        assert list(probe.traces) == list(probe.shifts) == list(probe.signals) == ["layer3.1.nonlocal_block"]
        torch.testing.assert_close(
            probe.shifts["layer3.1.nonlocal_block"].to_dense(), block.shift(seen).to_dense()
        )
        expected = block.units[0].value(seen.flatten(2).mT)
    torch.testing.assert_close(probe.signals["layer3.1.nonlocal_block"], expected)
    assert probe.modules["layer3.1.nonlocal_block"] is block


SETTINGS = [(name, {}) for name in blocks.names()] + [
    ("dnl", {"stages": 2}),
    ("snl", {"stages": 2}),
    ("cc", {"recurrence": 3}),
    ("cgnl", {"groups": 2}),
    ("nl", {"sub_sample": "average"}),
    ("a2", {"stages": 2}),
]


@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_every_known_block_is_caught_as_its_filter_saw_it(name, settings):
    """One trace a unit and round; its response is the unit's; the spectrum is that of its matrix."""
    torch.manual_seed(0)
    block = opened(blocks.get(name)(8, **settings))
    model, seen = nn.Sequential(nn.Conv2d(3, 8, 3).double(), block), []
    for unit in block.units:
        unit.filter.register_forward_hook(lambda module, args, output: seen.append((*args, output)))
    traces = probed(model, maps(2, 3, 8, 7)).traces["1"]
    assert len(traces) == len(seen) == len(block.units) * block.recurrence
    for number, (trace, (signal, shift, output)) in enumerate(zip(traces, list(seen), strict=True)):
        torch.testing.assert_close(trace.shift.to_dense(), shift.to_dense().detach())
        assert torch.equal(trace.signal, signal)
        assert len(trace.signal) == 2 * trace.graphs
        assert trace.signal.shape[1] == trace.layout.extra + trace.layout.channels * trace.layout.positions
        torch.testing.assert_close(trace.filtered, output.detach())
        expected = block_response(block, stage=number % len(block.units))
        assert torch.equal(trace.respond(None)[0].matrices, expected.matrices)
        eigenvalues = spectrum(trace.shift).eigenvalues.to(torch.complex128)
        for power in (1, 2, 3):  # traces: single eigenvalues of a graph far from normal are lost to rounding
            walks = torch.linalg.matrix_power(shift.to_dense(), power).diagonal(dim1=1, dim2=2).sum(-1)
            torch.testing.assert_close(eigenvalues.pow(power).sum(-1), walks.detach().to(torch.complex128))


def test_units_of_dnl_are_caught_with_their_own_term():
    torch.manual_seed(0)
    for trace in probed(opened(DNL(4, stages=2)), maps(1, 4, 5, 5)).traces[""]:
        sums = trace.shift.to_dense().sum(-1)
        torch.testing.assert_close(sums, 2 * torch.ones_like(sums))


def test_nodes_that_are_channels_of_positions_are_laid_out():
    trace = probed(CGNL(8, 6, groups=2).double(), maps(3, 8, 4, 5)).traces[""][0]
    assert (trace.layout, trace.graphs) == (Layout((4, 5), channels=3), 2)
    assert trace.shift.shape == (6, 60, 60)
    assert trace.signal.shape == (6, 60, 1)


def test_rounds_of_a_recurrence_see_a_new_shift():
    torch.manual_seed(0)
    block, x = opened(CC(4, recurrence=2)), maps(1, 4, 5, 5)
    once = opened(CC(4, recurrence=1))
    once.load_state_dict(block.state_dict())
    first, second = probed(block, x).traces[""]
    with torch.no_grad():
        torch.testing.assert_close(first.shift.to_dense(), block.shift(x).to_dense())
        torch.testing.assert_close(second.shift.to_dense(), block.shift(once(x)).to_dense())


def test_a_unit_may_be_called_by_names_and_without_a_map():
    unit = SNL(4).double().units[0]
    x = maps(2, 6, 4)
    shift = SNL(4).double().shift(x.mT)
    with SpectralProbe(unit) as probe:
        unit(nodes=x, shift=shift)
    assert probe.traces[""][0].layout == Layout((6,))


def test_max_pooling_is_skipped_by_name():
    model = nn.Sequential(NL(8, sub_sample="max"), SNL(8))
    probe = probed(model, torch.randn(2, 8, 6, 6))
    assert list(probe.traces) == ["1"]
    assert 'use sub_sample="average"' in probe.skipped["0"]


def test_factors_are_kept_and_no_matrix():
    numbers = []
    shift = probed(NL(8), torch.randn(1, 8, 40, 40)).shifts[""]
    shift.mapped(lambda part: (numbers.append(part.numel()), part)[1])
    assert sum(numbers) == 2 * 1600 * 4


class Twice(nn.Module):
    def __init__(self, block) -> None:
        super().__init__()
        self.block = self.again = opened(block)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.again(self.block(x))


def test_a_shared_module_leaves_a_trace_a_call_and_a_forward_pass_replaces_the_last():
    model, x = Twice(SNL(4)), maps(1, 4, 5, 5)
    with SpectralProbe(model) as probe:
        model(x)
        first = probe.traces["block"]
        model(2 * x)
        assert len(first) == len(probe.traces["block"]) == 2
        with torch.no_grad():
            expected = model.block.shift(2 * x).to_dense()
        torch.testing.assert_close(probe.shifts["block"].to_dense(), expected)
    model(3 * x)
    torch.testing.assert_close(probe.shifts["block"].to_dense(), expected)


class Overwriting(nn.Module):
    """Writes to a block's input and output afterwards, as activations in place do."""

    def __init__(self) -> None:
        super().__init__()
        self.block = NonlocalBlock(4, affinity=Gaussian, value=None).double()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + 1
        y = self.block(x)
        x.zero_()
        return y.zero_()


def test_what_is_overwritten_later_is_kept_as_it_was_seen():
    model, x = Overwriting(), maps(1, 4, 3, 3)
    with torch.no_grad():
        trace = probed(model, x).traces["block"][0]
        assert torch.equal(trace.signal, (x + 1).flatten(2).mT)
        torch.testing.assert_close(trace.shift.to_dense(), model.block.shift(x + 1).to_dense())


class Checkpointed(nn.Module):
    def __init__(self, *, reentrant: bool) -> None:
        super().__init__()
        self.block, self.reentrant = opened(NL(4)), reentrant

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return checkpoint(self.block, x, use_reentrant=self.reentrant)


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_module_that_runs_again_in_the_backward_pass_is_caught_once(reentrant):
    model, x = Checkpointed(reentrant=reentrant), maps(1, 4, 5, 5).requires_grad_()
    with SpectralProbe(model) as probe:
        model(x).sum().backward()
    assert len(probe.traces["block"]) == 1
    assert x.grad is not None


def test_compiled_models_are_caught_and_stay_compiled():
    """Compiled before or during the probe: inside, the module runs as it is written."""
    compiled = []

    def backend(graph, inputs):
        compiled.append(graph)
        return graph.forward

    model, x = torch.compile(nn.Sequential(Attention(4, 2)), backend=backend), torch.rand(1, 3, 4)
    for _ in range(2):
        before = len(compiled)
        assert list(probed(model, x).traces) == ["_orig_mod.0"]
        assert len(compiled) == before
        model(x)
    assert compiled


# what is left alone


def test_modes_hooks_statistics_and_gradients_are_those_without_a_probe():
    torch.manual_seed(0)
    model, twin, x = Late(), Late(), torch.randn(2, 4, 5, 5) + 3
    twin.load_state_dict(model.state_dict())
    model.norm.eval()
    twin.norm.eval()
    with SpectralProbe(model) as probe:
        y = model(x)
    assert torch.equal(y, twin(x))
    assert list(probe.traces) == ["used"]
    assert not probe.signals["used"].requires_grad
    assert not probe.shifts["used"].to_dense().requires_grad
    assert (model.training, model.norm.training, model.used.training) == (True, False, True)
    assert hooks_of(model) == 0
    y.sum().backward()
    twin(x).sum().backward()
    pairs = zip(model.parameters(), twin.parameters(), strict=True)
    assert all(a.grad is b.grad is None or torch.equal(a.grad, b.grad) for a, b in pairs)


def test_hooks_are_gone_after_a_failure_too():
    model = Late()
    model.fail = True
    with pytest.raises(RuntimeError, match="failed late"), SpectralProbe(model) as probe:
        model(torch.randn(2, 4, 5, 5))
    assert hooks_of(model) == 0
    assert torch.is_grad_enabled()
    model.fail = False
    with probe:
        model(torch.randn(2, 4, 3, 3))
    assert probe.shifts["used"].shape == (2, 9, 9)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_modes_without_gradients(mode):
    model = nn.Sequential(NL(4), NonLocalAttn(4, rd_ratio=0.5))
    with mode():
        probe = probed(model, torch.randn(1, 4, 3, 3))
    assert [trace.filtered.shape for (trace,) in probe.traces.values()] == [(1, 9, 4)] * 2


def test_evaluation_restores_every_mode():
    model = Late()
    model.norm.eval()
    with pytest.raises(RuntimeError), evaluation(model):
        assert not any(module.training for module in model.modules())
        assert not torch.is_grad_enabled()
        raise RuntimeError
    assert (model.training, model.norm.training, model.idle.training) == (True, False, True)


# what is refused


def test_a_model_without_a_graph_says_how_to_get_one():
    with pytest.raises(
        ValueError, match=r"Sequential ran no nonlocal block and no attention.*insert_blocks.*register_reader"
    ) as error:
        probed(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()), torch.randn(1, 3, 4, 4))
    assert len(str(error.value).splitlines()) <= 10


def test_paths_choose_modules():
    model = nn.Sequential(SNL(4), SNL(4))
    assert list(probed(model, torch.randn(1, 4, 3, 3), paths=["1"]).traces) == ["1"]
    with pytest.raises(ValueError, match="nothing to read at '2': Sequential has no such module; near it"):
        SpectralProbe(model, ["1", "2"])
    model = nn.Sequential(nn.Conv2d(4, 4, 1), SNL(4))
    with pytest.raises(ValueError, match="nothing to read at '0'; choose among 1"):
        probed(model, torch.randn(1, 4, 3, 3), paths=["0", "1"])


def test_the_budget_counts_nodes_of_all_graphs_and_modules():
    model, x = nn.Sequential(SNL(4), CGNL(4, 4, groups=2)), torch.randn(2, 4, 3, 3)
    held = 2 * 9 + 4 * 18
    assert len(probed(model, x, max_nodes=held).traces) == 2
    message = rf"^1 has 4 graphs of 18 nodes.*hold {held} nodes.*max_nodes={held - 1}.*fewer.*paths.*raise"
    with pytest.raises(ValueError, match=message):
        probed(model, x, max_nodes=held - 1)
    assert hooks_of(model) == 0
    with pytest.raises(ValueError, match="at least 1, got 0"):
        SpectralProbe(model, max_nodes=0)


# other modules


class Mean(nn.Module):
    """Every node gets the mean of all."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(1, keepdim=True).expand_as(x)


class Half(Mean):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) / 2


def read_mean(module, call, share=1.0):
    x = call.argument(0, "x")
    ones = torch.ones_like(x[..., :1])
    shift = LowRankShift(share * ones / x.shape[1], ones)
    yield Trace(shift, x, lambda z, shift: shift @ z, Layout(x.shape[1:2]))


def read_half(module, call):
    yield from read_mean(module, call, 0.5)


@pytest.fixture
def fresh(monkeypatch):
    monkeypatch.setattr(readers, "_ENTRIES", dict(readers._ENTRIES))


@pytest.mark.usefixtures("fresh")
def test_a_reader_serves_a_class_its_subclasses_and_names():
    model, x = nn.Sequential(Mean(), Half()), maps(2, 5, 3)
    register_reader("tests.Mean", read_mean)
    assert not torch.allclose(probed(model, x).traces["1"][0].filtered, model(x))  # read as its base
    register_reader(Half, read_half)
    probe = probed(model, x)
    torch.testing.assert_close(probe.traces["0"][0].filtered, model[0](x))
    torch.testing.assert_close(probe.traces["1"][0].filtered, model(x))
    assert not probe.responses


@pytest.mark.usefixtures("fresh")
def test_a_reader_may_stand_for_a_block_above_it():
    register_reader(Mean, read_mean, levels=1)
    model = nn.Sequential(nn.Sequential(nn.ReLU(), Mean()))
    probe = probed(model, maps(2, 5, 3))
    assert list(probe.traces) == ["0"]
    assert probe.modules["0"] is model[0]


@pytest.mark.parametrize("kind", ["Mean", 3, None])
def test_a_kind_is_a_class_or_a_name(kind):
    with pytest.raises(TypeError, match=r'a class or "package\.Class", got'):
        register_reader(kind, read_mean)


# whole models


def check_whole(model, x, paths):
    """All are caught, and the output is the same."""
    with torch.no_grad():
        expected = model.eval()(x)
        with SpectralProbe(model) as probe:
            output = model(x)
    assert torch.equal(getattr(output, "logits", output), getattr(expected, "logits", expected))
    assert list(probe.traces) == paths
    assert not probe.skipped
    assert all(len(traces) == 1 for traces in probe.traces.values())
    return probe


def test_vision_transformer_of_torchvision():
    model = models.vit_b_16(weights=None, image_size=48)
    paths = [f"encoder.layers.encoder_layer_{i}.self_attention" for i in range(12)]
    probe = check_whole(model, torch.randn(2, 3, 48, 48), paths)
    assert probe.shifts[paths[0]].shape == (24, 10, 10)
    assert len(probe.responses[paths[-1]]) == 12


def test_vision_transformer_of_timm():
    model = create_model("vit_tiny_patch16_224", pretrained=False, img_size=48)
    probe = check_whole(model, torch.randn(2, 3, 48, 48), [f"blocks.{i}.attn" for i in range(12)])
    assert probe.shifts["blocks.0.attn"].shape == (6, 10, 10)


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_vision_transformer_of_hugging_face(implementation):
    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=8,
        image_size=16,
        patch_size=4,
        attn_implementation=implementation,
    )
    model, x = transformers.ViTForImageClassification(config), torch.randn(2, 3, 16, 16)
    probe = check_whole(model, x, [p for p, m in model.named_modules() if type(m).__name__ == "ViTAttention"])
    if implementation == "eager":
        given = model(x, output_attentions=True).attentions
        for trace, weights in zip(probe.traces.values(), given, strict=True):
            torch.testing.assert_close(trace[0].shift.to_dense(), weights[..., :, :].flatten(0, 1).detach())


def test_text_model_of_clip_is_causal():
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8}
    model = transformers.CLIPTextModel(transformers.CLIPTextConfig(**sizes, vocab_size=20)).eval()
    words, padding = torch.randint(0, 20, (2, 6)), torch.ones(2, 6, dtype=torch.long)
    padding[0, 4:] = 0
    for mask in (None, padding):
        with torch.no_grad(), SpectralProbe(model) as probe:
            model(words, attention_mask=mask)
        assert len(probe.traces) == 2
        assert all(shift.to_dense().triu(1).eq(0).all() for shift in probe.shifts.values())
    assert probe.shifts[next(iter(probe.shifts))].to_dense()[:2, :4, 4:].eq(0).all()


def test_convolutional_network_with_a_block():
    model = insert_blocks(models.resnet50(weights=None), {"layer3.4": SNL})
    probe = check_whole(model, torch.randn(1, 3, 64, 64), ["layer3.4.nonlocal_block"])
    assert probe.traces["layer3.4.nonlocal_block"][0].layout == Layout((4, 4))


def test_blocks_of_other_packages_in_one_network():
    bricks = pytest.importorskip("mmcv.cnn", reason="mmcv is not installed; make test-peers brings it")
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3),
        bricks.NonLocal2d(16),
        NonLocalAttn(16, rd_ratio=0.5),
        SNL(16),
        nn.ReLU(inplace=True),
    )
    probe = check_whole(model, torch.randn(2, 3, 8, 7), ["1", "2", "3"])
    assert {trace.layout for (trace,) in probe.traces.values()} == {Layout((6, 5))}
