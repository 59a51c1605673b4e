"""Cross-attention and causal attention in an analysis: singular values, maps, and what is said of them."""

import json

import pytest
import torch
from torch import nn

import gsp_nonlocal.spectral.singular as module
from gsp_nonlocal.analysis import Snapshot, snapshot
from gsp_nonlocal.analysis.findings import findings
from gsp_nonlocal.cli.display import show
from gsp_nonlocal.report import analyze
from gsp_nonlocal.shifts.biadjacency import AttentionBiadjacency, DenseBiadjacency, Exponents
from gsp_nonlocal.spectral.singular import singular_values
from tests.cases.signals import relative

QUERIES, PATCHES, CHANNELS = 10, 16, 8


class Detector(nn.Module):
    """An encoder of patches, and queries that collect from them."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, CHANNELS, 4, 4)
        self.encoder = nn.TransformerEncoderLayer(CHANNELS, 2, 16, batch_first=True)
        self.decoder = nn.TransformerDecoderLayer(CHANNELS, 2, 16, batch_first=True)
        self.queries = nn.Parameter(2 * torch.randn(QUERIES, CHANNELS))

    def forward(self, x):
        memory = self.encoder(self.patches(x).flatten(2).mT)
        mask = nn.Transformer.generate_square_subsequent_mask(QUERIES)
        queries = self.queries.expand(len(x), -1, -1)
        return self.decoder(queries, 3 * memory, tgt_mask=mask, tgt_is_causal=True)


@pytest.fixture(scope="module")
def analysed():
    torch.manual_seed(0)
    return analyze(Detector(), torch.randn(3, 3, 16, 16))


def joins():
    """Of queries and keys, under a mask, and as a matrix."""
    query, key = torch.randn(2, 7, 3, dtype=torch.float64), torch.randn(2, 12, 3, dtype=torch.float64)
    hidden = (torch.rand(2, 7, 12) < 0.3).double()
    hidden[0, 2] = 1
    return {
        "plain": (AttentionBiadjacency(Exponents(query, key, 0.5)), None),
        "masked": (AttentionBiadjacency(Exponents(query, key, 0.5, None, hidden)), hidden),
        "matrix": (DenseBiadjacency(torch.randn(2, 7, 12, dtype=torch.float64)), None),
    }


@pytest.mark.parametrize("kind", ["plain", "masked", "matrix"])
def test_products_rows_and_singular_values_are_those_of_the_matrix(kind, monkeypatch):
    torch.manual_seed(0)
    weights, hidden = joins()[kind]
    dense = weights.to_dense()
    if hidden is not None:
        assert dense[hidden > 0].eq(0).all()
        assert dense[0, 2].eq(0).all()
    z, y = torch.randn(2, 12, 4, dtype=torch.float64), torch.randn(2, 7, 4, dtype=torch.float64)
    assert relative(weights @ z, dense @ z) < 1e-12
    assert relative(weights.adjoint(y), dense.mT @ y) < 1e-12
    assert torch.equal(weights.rows(torch.tensor([4, 1])), dense[:, [4, 1]])
    assert relative(weights.graph(1).to_dense(), dense[1:]) < 1e-12
    expected = torch.linalg.svdvals(dense)
    assert relative(singular_values(weights), expected) < 1e-12
    monkeypatch.setattr(module, "MATRIX", 1)
    assert relative(singular_values(weights, 3), expected[:, :3]) < 1e-10


@pytest.mark.parametrize("k", [0, 8])
def test_more_singular_values_than_there_are_is_refused(k):
    with pytest.raises(ValueError, match=f"k must be .*got {k}"):
        singular_values(joins()["plain"][0], k)


def test_cross_attention_has_a_record(analysed):
    (join,) = analysed.snapshot.joins
    assert (join.name, join.kind) == ("decoder.multihead_attn", "MultiheadAttention")
    assert (join.targets, join.sources, join.heads) == (QUERIES, PATCHES, 2)
    assert len(join.singular) == len(join.measures) == 6
    assert all(len(values) == QUERIES and values == sorted(values, reverse=True) for values in join.singular)
    assert join.grid == (4, 4)
    assert all(sum(values) == pytest.approx(1, abs=0.02) for values in join.maps)
    assert 1 <= join.mean("effective_rank") <= QUERIES
    assert 0 < join.mean("row_entropy") <= 1
    assert 0 < join.mean("coverage") <= 1
    again = Snapshot.from_dict(json.loads(json.dumps(analysed.snapshot.to_dict())))
    assert again == analysed.snapshot


def test_causal_attention_says_what_its_eigenvalues_are(analysed):
    (block,) = [block for block in analysed.snapshot.blocks if block.name == "decoder.self_attn"]
    assert block.is_causal
    assert dict(block.facts)["eigenvalues"] == "all: the weight of each node in itself"
    assert any(finding.text.startswith("Causal: no position") for finding in findings(block))
    assert all(graph.measures["spectral_radius"] == pytest.approx(1) for graph in block.graphs)


def test_the_page_and_the_terminal_show_it(analysed, tmp_path):
    page = analysed.write(tmp_path / "analysis").read_text(encoding="utf-8")
    assert "Cross-attention" in page
    assert f"{QUERIES} from {PATCHES}" in page
    assert "Maps of queries" in page
    lines = []
    show(analysed.snapshot, lambda text, kind: lines.append(text))
    assert f"decoder.multihead_attn (MultiheadAttention, {QUERIES} queries from {PATCHES} keys)" in lines


def test_a_model_of_cross_attention_alone_is_analysed(tmp_path):
    class Pool(nn.Module):
        def __init__(self):
            super().__init__()
            self.attend, self.query = nn.MultiheadAttention(4, 2, batch_first=True), torch.randn(1, 1, 4)

        def forward(self, x):
            x = x.flatten(2).mT
            return self.attend(self.query.expand(len(x), -1, -1), x, x)[0]

    images = torch.randn(2, 4, 3, 3)
    found = snapshot(Pool(), images)
    assert not found.blocks
    assert [join.targets for join in found.joins] == [1]
    assert "1 from 9" in analyze(Pool(), images).write(tmp_path / "analysis").read_text(encoding="utf-8")
