"""What holds for the examples in docstrings and pages: what they put into a temporary folder goes with the test."""

import tempfile
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _folders_of_examples(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if isinstance(request.node, pytest.DoctestItem):
        folder: Path = request.getfixturevalue("tmp_path")
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
