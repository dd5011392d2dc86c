"""A plugin for pytest: tests that replay answers from files beside them, and never compute or ask a model.

Mark a test with ``@pytest.mark.planai_cache("fixtures/prices")``: all cached workers that it runs look their answers up
in that folder, relative to the test's file, and fail with `CacheMiss` where there is none. ``pytest --planai-record``
computes all of them and writes the files; ``--planai-prune`` also removes those that no test has used.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from planai.cache.opening import overriding
from planai.testing.fixtures import FixtureStore

_stores = pytest.StashKey[dict[Path, FixtureStore]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("planai")
    group.addoption("--planai-record", action="store_true", help="compute answers, and write them as fixtures")
    group.addoption("--planai-prune", action="store_true", help="remove fixtures that no test of this session used")


def pytest_configure(config: pytest.Config) -> None:
    """Tell of the marker."""
    config.addinivalue_line(
        "markers", "planai_cache(folder): cached workers replay answers from the folder; --planai-record writes them"
    )
    config.stash[_stores] = {}


@pytest.fixture(autouse=True)
def _planai_cache(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let cached workers use the fixtures of a test that is marked so."""
    marker = request.node.get_closest_marker("planai_cache")
    if marker is None:
        yield
        return
    if len(marker.args) != 1 or not isinstance(marker.args[0], str | Path):
        raise pytest.UsageError('planai_cache needs a folder, as in @pytest.mark.planai_cache("fixtures/prices")')
    folder = request.path.parent / marker.args[0]
    store = request.config.stash[_stores].setdefault(folder, FixtureStore(folder))
    record = request.config.getoption("--planai-record")
    with overriding(store, "refresh" if record else "replay"):
        yield


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remove fixtures that were not used, where that was asked for."""
    if session.config.getoption("--planai-prune"):
        for store in session.config.stash[_stores].values():
            for path in store.unused():
                path.unlink()
