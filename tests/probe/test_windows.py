"""Attention in windows is one graph of the map, with every node where its token was."""

import pytest
import torch
from torch import nn

from filters import DenseShift
from gsp_nonlocal.probe import SpectralProbe
from gsp_nonlocal.probe.attention.cuts import find_windows
from gsp_nonlocal.shifts.windows import WindowShift
from gsp_nonlocal.spectral import Layout, spectrum
from tests.cases.signals import relative

H, W, C, HEADS, IMAGES = 6, 8, 6, 2, 2


class Windowed(nn.Module):
    """Attention in windows of 3 × 4, cut out of a map or a sequence in one of the ways that are used."""

    def __init__(self, cut, sequence):
        super().__init__()
        self.norm, self.qkv = nn.LayerNorm(C), nn.Linear(C, 3 * C)
        self.cut, self.sequence = cut, sequence

    def forward(self, x):
        x = self.norm(x)
        cut = CUTS[self.cut][0](x.view(len(x), H, W, C)).flatten(0, 1)
        q, k, v = self.qkv(cut).view(len(cut), -1, 3, HEADS, C // HEADS).permute(2, 0, 3, 1, 4)
        y = nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return CUTS[self.cut][1](y.unflatten(0, (len(x), -1)))


def blocks(x):
    return x.unflatten(2, (-1, 4)).unflatten(1, (-1, 3)).transpose(2, 3).flatten(3, 4).flatten(1, 2)


def unblocks(y):
    return y.unflatten(1, (2, 2)).unflatten(3, (3, 4)).transpose(2, 3).flatten(3, 4).flatten(1, 2)


def cells(x):
    return x.unflatten(2, (4, -1)).unflatten(1, (3, -1)).permute(0, 2, 4, 1, 3, 5).flatten(3, 4).flatten(1, 2)


def uncells(y):
    return y.unflatten(1, (2, 2)).unflatten(3, (3, 4)).permute(0, 3, 1, 4, 2, 5).flatten(3, 4).flatten(1, 2)


CUTS = {
    "blocks": (blocks, unblocks),
    "shifted": (lambda x: blocks(x.roll((-1, -2), (1, 2))), lambda y: unblocks(y).roll((1, 2), (1, 2))),
    "grid": (cells, uncells),
}


@pytest.mark.parametrize("sequence", [False, True])
@pytest.mark.parametrize("cut", CUTS)
def test_windows_are_one_graph_of_the_map(cut, sequence):
    torch.manual_seed(0)
    model = Windowed(cut, sequence).double()
    x = torch.randn(IMAGES, H * W, C) if sequence else torch.randn(IMAGES, H, W, C)
    with SpectralProbe(model) as probe:
        output = model(x.double())
    ((trace,),) = probe.traces.values()
    assert isinstance(trace.shift, WindowShift)
    assert (trace.layout, trace.graphs) == (Layout((H, W)), HEADS)
    heads = trace.filtered.unflatten(0, (IMAGES, HEADS)).transpose(1, 2).flatten(2)
    assert relative(heads.view(IMAGES, H, W, C), output.detach()) < 1e-12
    dense = trace.shift.to_dense()
    assert relative(dense @ trace.signal, trace.filtered) < 1e-12
    for graph in range(IMAGES * HEADS):
        assert torch.equal(trace.shift.graph(graph).to_dense()[0], dense[graph])
    found = spectrum(trace.shift).eigenvalues
    for power in (1, 2, 3):
        walks = torch.linalg.matrix_power(dense, power).diagonal(dim1=1, dim2=2).sum(-1)
        torch.testing.assert_close(found.pow(power).sum(-1).real, walks)


def test_a_cut_is_known_or_not_made():
    torch.manual_seed(0)
    x = torch.randn(IMAGES, H, W, C)
    cut = blocks(x).flatten(0, 1)
    assert find_windows(cut, IMAGES, [x]) is not None
    shuffled = cut[:, torch.randperm(12)]
    for tokens, maps in ((shuffled, [x]), (cut, []), (cut, [x[:1]]), (cut + 1, [x]), (x.flatten(1, 2), [x])):
        assert find_windows(tokens, IMAGES, maps) is None


def test_places_are_a_permutation():
    with pytest.raises(ValueError, match="name each of the 4 nodes once"):
        WindowShift(DenseShift(torch.ones(2, 2, 2)), torch.tensor([[0, 1], [1, 3]]))
    with pytest.raises(ValueError, match=r"2 windows of 2 nodes and 1 graphs .* \(3, 2, 2\)"):
        WindowShift(DenseShift(torch.ones(3, 2, 2)), torch.tensor([[0, 2], [1, 3]]))
