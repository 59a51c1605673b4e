"""Shape annotations of the library are checked while the tests run; what tests of several folders share."""

from pathlib import Path
from typing import TextIO

import pytest

from tests.shape_checks import install

install(["filters", "gsp_nonlocal"])


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures of an analysis are empty files, where it is the folder that is tested: seconds each."""
    monkeypatch.setattr("gsp_nonlocal.report.figure_files.save", _empty)
    monkeypatch.setattr("gsp_nonlocal.report.page._plots", lambda *_: [])


def _empty(figure: object, target: Path | TextIO, **_: object) -> None:
    if isinstance(target, Path):
        target.touch()
