from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

import pytest

from faults.children import command_of, output_of

CACHES = 500
FILES = 10 * CACHES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what is open is read from /proc")
needs_files = pytest.mark.skipif(
    0 < resource.getrlimit(resource.RLIMIT_NOFILE)[1] < FILES, reason=f"no process may open {FILES} files here"
)


def run_many(folder: Path, limit: int) -> dict[str, Any]:
    found = json.loads(output_of(command_of("many_caches", str(folder), str(CACHES), str(limit))))
    assert isinstance(found, dict)
    assert found["right"] == [True, True]
    assert found["failures"] == []
    return found


@pytest.fixture(scope="module")
def of_many(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a program with many caches found, where so many files may be open."""
    return run_many(tmp_path_factory.mktemp("many"), FILES)


@needs_files
def test_five_hundred_caches_are_open_at_once(of_many: dict[str, Any]) -> None:
    assert of_many["hits"] == [0, 2 * CACHES]
    assert of_many["warnings"] == []
    assert of_many["errors"] == 0


@needs_files
def test_five_hundred_caches_that_nobody_has_any_more_leave_no_file_open(of_many: dict[str, Any]) -> None:
    assert of_many["left"] == []


def test_more_caches_than_files_that_may_be_open_all_work_and_leave_files_for_the_program(tmp_path: Path) -> None:
    found = run_many(tmp_path, 256)
    assert found["hits"] == [0, 2 * CACHES]
    assert found["warnings"] == []
    assert found["errors"] == 0
    assert found["room"] > 64
    assert found["left"] == []
