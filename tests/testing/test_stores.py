"""The conformance suite itself: what it needs, and that it finds a store that breaks its promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT = """
import sys
sys.modules["pytest"] = None
import planai.testing
from planai.errors import MissingDependency
print(planai.testing.run_inline.__name__)
try:
    planai.testing.StoreConformance
except MissingDependency as error:
    print(error)
"""


def test_only_the_suite_needs_pytest() -> None:
    told = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True).stdout
    assert told.startswith("run_inline\nStoreConformance needs pytest: pip install pytest")


def test_what_is_not_there_is_an_attribute_error() -> None:
    import planai.testing  # noqa: PLC0415 - as a module

    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = planai.testing.no_such_thing


BROKEN = """
from planai.cache.stores.memory import MemoryStore
from planai.testing import StoreConformance

class Broken(MemoryStore):
    {method}

class TestBroken(StoreConformance):
    persistent = False
    def make_store(self, folder):
        return Broken()
"""
METHODS = {
    "def get(self, space, key): return None": "test_a_record_comes_back_as_it_was_put",
    "def touch(self, space, key): pass": "test_scan_begins_with_the_least_recently_used",
    "def generation(self, space): return 0": "test_what_was_begun_before_a_clear_is_not_kept",
    "def put(self, space, key, record, generation=None): return super().put(space, key, record)": (
        "test_what_was_begun_before_a_clear_is_not_kept"
    ),
    "def scan(self, space=None, keys=None): return super().scan(space)": "test_scan_is_of_one_space_or_all_and_of_some",
    "def trim(self, space, now, entries, size, order='used'): return super().trim(space, now, entries, size)": (
        "test_trim_by_cost_begins_with_the_fewest_seconds_per_byte"
    ),
}


@pytest.mark.parametrize("method", METHODS)
def test_a_store_that_breaks_a_promise_fails(tmp_path: Path, method: str) -> None:
    file = tmp_path / "test_broken.py"
    file.write_text(BROKEN.format(method=method))
    chosen = ["-k", METHODS[method], str(file)]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), *chosen]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    assert f"::TestBroken::{METHODS[method]}" in told
    assert " passed" not in told
    assert "\nE  " in told


def test_a_suite_without_a_store_says_what_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "test_nothing.py"
    file.write_text("from planai.testing import StoreConformance\nclass TestNothing(StoreConformance): pass\n")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", str(file)]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    assert "TestNothing needs a method make_store(self, folder)" in told
