"""The comparison on a photograph runs whole, on a small part of one, and its graphs are what it says."""

import sys

import pytest
import torch

from experiments import photograph
from gsp_nonlocal.spectral import spectrum


@pytest.fixture
def small(monkeypatch):
    """Forty by fifty pixels, 16 anchors, one setting of each method; no scikit-image."""
    image = photograph.photograph("china.jpg")[100:140, 200:250]
    monkeypatch.setattr(photograph, "ANCHORS", 16)
    monkeypatch.setattr(photograph, "photograph", lambda name: image)
    tasks = {
        task: {
            label: method._replace(settings={name: own[:1] for name, own in method.settings.items()})
            for label, method in methods.items()
            if label != "nonlocal means"
        }
        for task, methods in photograph.TASKS.items()
    }
    monkeypatch.setattr(photograph, "TASKS", tasks)
    return image


def test_the_low_rank_graph_joins_pixels_with_weights_that_sum_to_one(small):
    shift = photograph.anchor_graph(small, 0.05)
    matrix = shift.to_dense()[0]
    assert torch.allclose(matrix.sum(1), torch.ones(2000), atol=1e-5) and matrix.min() >= 0
    mu = spectrum(shift).eigenvalues
    assert mu.min() > -1e-6 and mu.max() < 1 + 1e-6


def test_what_is_lost_is_half_and_what_is_noise_is_small(small):
    lost, noisy = (photograph.spoil(small, task) for task in ("lost pixels", "noise"))
    assert 0.45 < lost.known.float().mean() < 0.55 and lost.colours[~lost.known].abs().max() == 0
    assert abs(float((noisy.colours - small).std()) - photograph.NOISE) < 0.01
    assert photograph.psnr(small, small + 0.1) < 21 < photograph.psnr(small, small + 0.05)
    assert photograph.ssim(small, small) == 1


def test_the_command_writes_its_page(small, tmp_path, capsys):
    assert photograph.main(["--output", str(tmp_path)]) == 0
    page = (tmp_path / "photograph.md").read_text(encoding="utf-8")
    assert "## lost pixels, flower.jpg" in page and page.count("| Tikhonov, low-rank |") == 2
    rows = (tmp_path / "photograph.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 1 + 2 * sum(map(len, photograph.TASKS.values()))
    assert (tmp_path / "photograph.png").stat().st_size > 1000


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.restoration", None)
    monkeypatch.setitem(sys.modules, "skimage", None)
    spoilt = photograph.spoil(torch.rand(8, 8, 3), "noise")
    with pytest.raises(ModuleNotFoundError, match=r"gsp-nonlocal\[photograph\]"):
        photograph.nonlocal_means(spoilt, 0.1)
