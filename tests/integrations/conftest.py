"""A web site on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integrations.website import Website


@pytest.fixture
def site() -> Iterator[Website]:
    with Website() as site:
        yield site
