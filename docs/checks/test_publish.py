"""Versions of the site stand beside each other."""

import json

import pytest

from docs.publish import publish


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "site"
    (folder / "_static").mkdir(parents=True)
    (folder / "index.html").write_text("now")
    return folder


def test_versions_are_listed_and_the_newest_release_is_the_first_page(site, tmp_path):
    pages = tmp_path / "pages"
    for name in ("main", "v0.9.0", "v0.10.0", "v0.2"):
        found = publish(site, pages, name)
    assert found == ["main", "v0.10.0", "v0.9.0", "v0.2"]
    assert json.loads((pages / "versions.json").read_text()) == found
    assert "url=v0.10.0/index.html" in (pages / "index.html").read_text()


def test_a_version_that_comes_again_is_replaced(site, tmp_path):
    pages = tmp_path / "pages"
    publish(site, pages, "main")
    (pages / "main" / "old.html").touch()
    publish(site, pages, "main")
    assert not (pages / "main" / "old.html").exists()
    assert "url=main/index.html" in (pages / "index.html").read_text()


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x"])
def test_what_is_no_version_is_refused(site, tmp_path, name):
    with pytest.raises(ValueError, match="no name of a version"):
        publish(site, tmp_path / "pages", name)
    with pytest.raises(ValueError, match="make docs"):
        publish(tmp_path, tmp_path / "pages", "main")
