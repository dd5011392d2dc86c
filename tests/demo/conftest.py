"""Facts about real modules, worked out once a session."""

from __future__ import annotations

import pytest

from planai.demo.analysis import ModuleFacts, analyse, find_modules, read_source


@pytest.fixture(scope="session")
def facts() -> list[ModuleFacts]:
    return [analyse(name, read_source(path)) for name, path in find_modules(limit=25)]
