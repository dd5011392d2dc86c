"""Every kind of store, for tests of what works on any."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cache.samples import STORES
from planai.cache.store import Store


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = STORES[request.param](tmp_path / "cache")
    yield made
    made.close()
