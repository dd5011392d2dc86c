"""A plugin for pytest: tests that replay answers from files beside them, and never compute or ask a model.

Mark a test with ``@pytest.mark.planai_cache("fixtures/prices")``: all cached workers that it runs look their answers up
in that folder, relative to the test's file, and fail with `CacheMiss` where there is none. ``pytest --planai-record``
computes all of them and writes the files; ``--planai-prune`` also removes those that no test has used, after a session
that made all tests of the folder, and in which all of them passed.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from planai.cache.opening import overriding
from planai.errors import CacheMiss
from planai.testing.pruning import SessionFixtures

_session = pytest.StashKey[SessionFixtures]()
_misses = pytest.StashKey[list[CacheMiss]]()


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
    config.stash[_session] = SessionFixtures()


def pytest_deselected(items: Iterable[pytest.Item]) -> None:
    """Remember which folders have tests that are left out."""
    for item in items:
        if (folder := _folder_of(item)) is not None:
            item.config.stash[_session].unfinished.add(folder)


@pytest.fixture(autouse=True)
def _planai_cache(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let cached workers use the fixtures of a test that is marked so."""
    folder = _folder_of(request.node)
    if folder is None:
        if request.node.get_closest_marker("planai_cache") is not None:
            pytest.fail(
                'planai_cache needs a folder, as in @pytest.mark.planai_cache("fixtures/prices")', pytrace=False
            )
        yield
        return
    store = request.config.stash[_session].store(folder)
    record = request.config.getoption("--planai-record")
    with overriding(store, "refresh" if record else "replay") as misses:
        request.node.stash[_misses] = misses
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Let a test fail whose answers were not all there, even if it does not look at what failed in its runs."""
    yield
    misses = item.stash.get(_misses, [])
    if misses:
        pytest.fail(f"CacheMiss: {misses[0]}", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say in the report of a test that failed where its answers come from, and how they are written anew."""
    report = yield
    folder = _folder_of(item)
    if folder is not None and report.when == "teardown":
        item.config.stash[_session].waiting.get(folder, set()).discard(item.nodeid)
    if folder is not None and not report.passed:
        item.config.stash[_session].unfinished.add(folder)
        if report.failed and not item.config.getoption("--planai-record"):
            text = (
                f"cached workers replayed answers from {folder}; pytest --planai-record computes and writes them anew"
            )
            report.sections.append(("planai", text))
    return report


def pytest_collection_finish(session: pytest.Session) -> None:
    """Remember which tests of which folders are to be made."""
    for item in session.items:
        if (folder := _folder_of(item)) is not None:
            session.config.stash[_session].waiting.setdefault(folder, set()).add(item.nodeid)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remove fixtures that were not used, where that was asked for, and all tests that may use them have passed."""
    config = session.config
    if not config.getoption("--planai-prune"):
        return
    known = config.stash[_session]
    if hasattr(config, "workeroutput"):  # one of several processes of pytest-xdist knows only of its own tests
        config.workeroutput["planai"] = known.dump()
        return
    ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    in_part = any("::" in arg or Path(arg).is_file() for arg in config.args)
    known.prune(is_whole=ended and not in_part and not session.shouldfail)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take over what a process of pytest-xdist knows, when it has ended."""
    node.config.stash[_session].take_over(getattr(node, "workeroutput", {}).get("planai"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Tell what was removed, and what was not."""
    known = config.stash[_session]
    if known.removed:
        terminalreporter.write_line(f"planai: removed {known.removed} fixtures that no test used")
    for folder in sorted(known.kept):
        terminalreporter.write_line(
            f"planai: removed nothing from {folder}: not all of its tests were made, or not all of them passed"
        )


def _folder_of(item: pytest.Item) -> Path | None:
    """Return the folder of a test that is marked rightly."""
    marker = item.get_closest_marker("planai_cache")
    if marker is None or len(marker.args) != 1 or marker.kwargs or not isinstance(marker.args[0], str | Path):
        return None
    return item.path.parent / marker.args[0]
