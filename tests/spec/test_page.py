"""Every code block of the specification page runs unchanged, twice and in a second process, and does what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spec import run_block as scenarios

ROOT = Path(__file__).parents[2]
PAGE = ROOT.parent / "shared" / "spec" / "caching.md"

pytestmark = pytest.mark.skipif(
    not PAGE.exists(), reason="the specification page is not beside this checkout; tests/cache has its behaviours, too"
)


def run_block(name: str, folder: Path, **environment: str) -> Any:
    """Run a block's scenario in a process of its own, in `folder`; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "spec.run_block", str(PAGE), name],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests"), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def row(*outputs: dict[str, Any], hits: int = 0, misses: int = 0, computed: int = 0) -> dict[str, Any]:
    return {"outputs": list(outputs), "hits": hits, "misses": misses, "computed": computed}


DOUBLE = {"value": 14}
MISS_ROW = row(DOUBLE, misses=1, computed=1)
HIT_ROW = row(DOUBLE, hits=1)


def test_the_page_has_fifteen_blocks_and_each_has_a_test() -> None:
    assert list(scenarios.blocks(PAGE)) == list(scenarios.SCENARIOS)
    assert len(scenarios.SCENARIOS) == 15


def test_an_expensive_computation_is_made_once_and_its_stored_time_is_replayed(tmp_path: Path) -> None:
    first = run_block("ExpensiveComputation", tmp_path)
    second = run_block("ExpensiveComputation", tmp_path)
    output = first[0]["outputs"][0]
    assert output["value"] == 144
    assert output["computation_time"] >= 5
    assert first == [row(output, misses=1), row(output, hits=1)]
    assert second == [row(output, hits=1)] * 2


def test_a_custom_key_decides_alone(tmp_path: Path) -> None:
    first = run_block("CustomCacheWorker", tmp_path)
    assert first["elided"] == [row(misses=1), row(hits=1)]
    two, six = {"value": 2}, {"value": 6}
    assert first["custom"] == [row(two, misses=1, computed=1), row(two, hits=1), row(six, misses=1, computed=1)]
    second = run_block("CustomCacheWorker", tmp_path)
    assert second["custom"] == [row(two, hits=1), row(two, hits=1), row(six, hits=1)]


def test_the_configured_folder_and_time_to_live_are_used(tmp_path: Path) -> None:
    first = run_block("ConfiguredCacheWorker", tmp_path)
    assert first["runs"] == [row(misses=1), row(hits=1)]
    assert first["lives"] == [pytest.approx(3600)]
    assert (tmp_path / "my_cache").stat().st_mode & 0o777 == 0o700
    assert run_block("ConfiguredCacheWorker", tmp_path)["runs"] == [row(hits=1)] * 2


def test_a_model_is_asked_once(tmp_path: Path) -> None:
    insight = {"insight": "it is short"}
    first = run_block("CachedAnalyzer", tmp_path)
    assert first["runs"] == [row(insight, misses=1), row(insight, hits=1)]
    assert first["models"] == ["gpt-4"]
    second = run_block("CachedAnalyzer", tmp_path, PAGE_URL=first["url"])
    assert second["runs"] == [row(insight, hits=1)] * 2
    assert second["models"] == []


def test_what_should_not_be_cached_is_computed_each_time(tmp_path: Path) -> None:
    both = ({"value": 2}, {"value": 4})
    assert run_block("ConditionalCacheWorker", tmp_path) == [
        row(*both, misses=1, computed=2),
        row(*both, hits=1, computed=1),
    ]
    assert run_block("ConditionalCacheWorker", tmp_path) == [row(*both, hits=1, computed=1)] * 2


def test_a_new_version_is_computed_again(tmp_path: Path) -> None:
    assert run_block("VersionedCacheWorker", tmp_path) == [MISS_ROW, HIT_ROW] * 2
    assert run_block("VersionedCacheWorker", tmp_path) == [HIT_ROW] * 4


def test_two_levels_give_right_answers(tmp_path: Path) -> None:
    assert run_block("MultiLevelCacheWorker", tmp_path) == [MISS_ROW, HIT_ROW]
    assert run_block("MultiLevelCacheWorker", tmp_path) == [HIT_ROW] * 2


def test_fresh_entries_stay_and_a_removed_folder_leaves_a_cache_that_works(tmp_path: Path) -> None:
    eight = {"value": 16}
    expected = {
        "runs": [MISS_ROW, HIT_ROW],
        "kept": 1,
        "left": 0,
        "gone": True,
        "again": [row(eight, misses=1, computed=2), row(eight, hits=1)],
    }
    assert run_block("ManagedCacheWorker", tmp_path) == expected
    assert run_block("ManagedCacheWorker", tmp_path) == expected


def test_a_monitored_worker_counts_one_miss_and_then_one_hit(tmp_path: Path) -> None:
    assert run_block("MonitoredCacheWorker", tmp_path) == [[0, 1], [1, 1]]
    assert run_block("MonitoredCacheWorker", tmp_path) == [[1, 0], [2, 0]]


def test_the_time_to_live_depends_on_the_task(tmp_path: Path) -> None:
    assert run_block("SmartTTLWorker", tmp_path) == {"computed": 3, "lives": [30 * 86400, 3600, 300]}
    assert run_block("SmartTTLWorker", tmp_path)["computed"] == 0


def test_a_warmed_cache_answers_the_run(tmp_path: Path) -> None:
    hits = row({"value": 2}, {"value": 4}, hits=2)
    first = run_block("WarmableCacheWorker", tmp_path)
    assert first == {
        "before": [False, False],
        "warmed": 2,
        "again": 0,
        "after": [True, True],
        "runs": [hits, hits],
    }
    assert run_block("WarmableCacheWorker", tmp_path) == {**first, "before": [True, True], "warmed": 0}


def test_an_error_is_never_replayed(tmp_path: Path) -> None:
    error = row({"error": "out of order"}, misses=1, computed=1)
    first = run_block("ErrorAwareCacheWorker", tmp_path)
    assert first == {"failing": [error, error], "working": [MISS_ROW, HIT_ROW]}
    assert run_block("ErrorAwareCacheWorker", tmp_path) == {"failing": [HIT_ROW] * 2, "working": [HIT_ROW] * 2}


def test_limits_hold_and_evict_needs_no_arguments(tmp_path: Path) -> None:
    expected = {"kept": 5, "evicted_to": 2, "declared": [1000, 2**30]}
    assert run_block("SizeLimitedCacheWorker", tmp_path) == expected
    assert run_block("SizeLimitedCacheWorker", tmp_path) == expected


def test_compressed_entries_are_compressed_on_disk(tmp_path: Path) -> None:
    first = run_block("CompressedCacheWorker", tmp_path)
    assert first["runs"] == [row(300_000, misses=1, computed=1), row(300_000, hits=1)]  # type: ignore[arg-type]
    assert first["bytes"] < 3_000
    assert first["zlib"]
    assert run_block("CompressedCacheWorker", tmp_path)["runs"] == [row(300_000, hits=1)] * 2  # type: ignore[arg-type]


def test_debugging_shows_keys_hits_and_misses(tmp_path: Path) -> None:
    first = run_block("DebugCacheWorker", tmp_path)
    assert first == {"runs": [MISS_ROW, HIT_ROW], "said": ["Cache key:", "Cache HIT", "Cache MISS"]}
    assert run_block("DebugCacheWorker", tmp_path) == {"runs": [HIT_ROW] * 2, "said": ["Cache key:", "Cache HIT"]}
