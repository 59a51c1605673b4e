"""What else touches a model: a network with blocks stays the same network, at other sizes too."""

import copy
import io
import pickle
from collections.abc import Callable
from functools import partial

import pytest
import safetensors.torch
import torch
from timm.utils import ModelEmaV2, ModelEmaV3
from torch import Tensor, nn
from torch.ao.quantization import get_default_qconfig_mapping, quantize_dynamic
from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx
from torch.func import functional_call, grad, vmap
from torch.fx import symbolic_trace
from torch.fx.experimental.optimization import fuse
from torch.optim.swa_utils import AveragedModel
from torch.utils.checkpoint import checkpoint
from torchvision.models.feature_extraction import create_feature_extractor

from gsp_nonlocal import insert_blocks
from tests.cases.blocks import BLOCKS, C, open_gates, without_batch_statistics
from tests.cases.signals import relative

SIZES = [(2, 6, 5), (3, 7, 4), (1, 12, 9)]
"""Batch, height and width: of the example first."""


def network(name: str, **place) -> nn.Module:
    """A CNN in float64 with a block as a layer, and one that follows a convolution before its batch norm."""
    torch.manual_seed(0)
    make = BLOCKS[name].make
    cnn = nn.Sequential(
        *(nn.Conv2d(3, C, 3, padding=1), nn.BatchNorm2d(C), nn.ReLU(), make(C)),
        *(nn.Conv2d(C, C, 1), nn.BatchNorm2d(C), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(C, 3)),
    )
    return open_gates(insert_blocks(cnn, {"4": make})).double().eval()


def example(batch: int, height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(batch)
    return torch.randn(batch, 3, height, width, dtype=torch.float64, generator=generator)


X = example(*SIZES[0])


def saved_trace(model: nn.Module) -> nn.Module:
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(model, X), file)
    file.seek(0)
    return torch.jit.load(file)


def extractor(model: nn.Module) -> Callable[[Tensor], Tensor]:
    features = create_feature_extractor(model, ["3", "4.nonlocal_block", "8"])

    def run(x: Tensor) -> Tensor:
        found = features(x)
        assert torch.equal(found["3"], model[:4](x))
        assert torch.equal(found["4.nonlocal_block"], model[:5](x))
        return found["8"]

    return run


def mapped(model: nn.Module) -> Callable[[Tensor], Tensor]:
    return lambda x: vmap(lambda one: model(one.unsqueeze(0)))(x).squeeze(1)


def through_safetensors(model: nn.Module) -> nn.Module:
    other = copy.deepcopy(model).apply(randomise)
    other.load_state_dict(safetensors.torch.load(safetensors.torch.save(model.state_dict())))
    return other


def randomise(module: nn.Module) -> None:
    for parameter in module.parameters(recurse=False):
        nn.init.normal_(parameter)


def averaged(model: nn.Module, average: Callable[[nn.Module], nn.Module]) -> nn.Module:
    mean = average(copy.deepcopy(model).apply(randomise))
    for _ in range(2):
        (mean.update_parameters if isinstance(mean, AveragedModel) else mean.update)(model)
    return mean if isinstance(mean, AveragedModel) else mean.module


def from_meta(model: nn.Module) -> nn.Module:
    empty = copy.deepcopy(model).to("meta").to_empty(device="cpu")
    empty.load_state_dict(model.state_dict())
    return empty


Change = Callable[[nn.Module], Callable[[Tensor], Tensor]]
"""Of a model, what runs in its place."""


WITH_ITS_PARAMETERS: dict[str, Change] = {
    "torch.fx": symbolic_trace,
    "torchvision's feature extraction": extractor,
    "vmap": mapped,
    "checkpoint": lambda model: partial(checkpoint, model, use_reentrant=False),
    "reentrant checkpoint": lambda model: partial(checkpoint, model, use_reentrant=True),
}
WITH_OTHERS: dict[str, Change] = {
    "convolutions and batch norms fused": fuse,
    "AveragedModel": partial(averaged, average=partial(AveragedModel, avg_fn=lambda old, new, n: new)),
    "ModelEmaV2": partial(averaged, average=partial(ModelEmaV2, decay=0.0)),
    "ModelEmaV3": partial(averaged, average=partial(ModelEmaV3, decay=0.0)),
    "SyncBatchNorm": lambda model: nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(model)),
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "safetensors": through_safetensors,
    "the meta device": from_meta,
}
FOR_INFERENCE: dict[str, Change] = {
    "jit.trace": partial(torch.jit.trace, example_inputs=X, check_trace=False),
    "jit.trace, saved": saved_trace,
}
"""PyTorch's JIT differentiates by rules of its own, some of which are wrong for a batch of one."""


def run(
    runner: Callable[[Tensor], Tensor], x: Tensor, model: nn.Module | None, backward: bool = True
) -> list[Tensor]:
    """The output; with ``backward`` the gradients of the input, and of the model's parameters."""
    x = x.clone().requires_grad_(backward)
    y = runner(x)
    if not backward:
        return [y.detach()]
    parameters = list(model.parameters()) if model else []
    for parameter in parameters:
        parameter.grad = None
    y.square().sum().backward()  # a reentrant checkpoint knows no other way
    return [y, x.grad, *(parameter.grad for parameter in parameters)]


@pytest.mark.filterwarnings("ignore")  # of the tracer: sizes and flags that it takes for constants
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("operation", [*WITH_ITS_PARAMETERS, *WITH_OTHERS, *FOR_INFERENCE])
def test_a_network_stays_the_same_network(operation, block):
    model = network(block)
    runner = (WITH_ITS_PARAMETERS | WITH_OTHERS | FOR_INFERENCE)[operation](model)
    trained, backward = model if operation in WITH_ITS_PARAMETERS else None, operation not in FOR_INFERENCE
    for size in SIZES:
        x = example(*size)
        expected = run(model, x, trained, backward)
        for found, value in zip(run(runner, x, trained, backward), expected, strict=True):
            torch.testing.assert_close(found, value, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("block", BLOCKS)
def test_gradients_of_each_sample_are_those_of_a_batch_of_one(block):
    torch.manual_seed(0)
    model = open_gates(without_batch_statistics(BLOCKS[block].make, C)).double()
    x = torch.randn(3, C, 6, 5, dtype=torch.float64)
    parameters, buffers = dict(model.named_parameters()), dict(model.named_buffers())

    def loss(parameters, one):
        return functional_call(model, (parameters, buffers), (one.unsqueeze(0),)).square().sum()

    found = vmap(grad(loss), in_dims=(None, 0))(parameters, x)
    for index, one in enumerate(x):
        expected = torch.autograd.grad(model(one.unsqueeze(0)).square().sum(), list(parameters.values()))
        for name, value in zip(parameters, expected, strict=True):
            torch.testing.assert_close(found[name][index], value, rtol=1e-8, atol=1e-9)


def statically_quantised(model: nn.Module) -> nn.Module:
    prepared = prepare_fx(copy.deepcopy(model), get_default_qconfig_mapping(), (X.float(),))
    prepared(X.float())
    return convert_fx(prepared)


@pytest.mark.filterwarnings("ignore")  # of PyTorch's own, which is to be replaced
@pytest.mark.parametrize("block", ["snl", "nl", "gc"])
@pytest.mark.parametrize("quantise", [quantize_dynamic, statically_quantised])
def test_what_is_quantised_around_a_block_leaves_the_block(quantise, block):
    model = network(block).float()
    quantised = quantise(copy.deepcopy(model))
    closed = copy.deepcopy(model)
    for name, parameter in closed.named_parameters():
        if name.endswith("gate"):
            nn.init.zeros_(parameter)
    assert any("quantized" in type(module).__module__ for module in quantised.modules())
    with torch.no_grad():
        off = relative(quantised(X.float()), model(X.float()))
        assert off < 0.06 and off < relative(closed(X.float()), model(X.float()))


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.bfloat16, 0.1)])
def test_a_network_in_another_type_computes_in_it(block, dtype, tolerance):
    model = network(block)
    expected, y = model(X), copy.deepcopy(model).to(dtype)(X.to(dtype))
    assert y.dtype == dtype
    assert relative(y.double(), expected) < tolerance
