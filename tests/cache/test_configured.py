"""The settings of a cache: what cannot be meant is refused, and what is changed later holds from then on."""

from __future__ import annotations

import math
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from planai import CachedTaskWorker, RunResult, Task
from planai.cache.store import Store
from planai.cache.stores.memory import MemoryStore
from planai.testing import run_inline


class Number(Task):
    value: int


class Draw(CachedTaskWorker):
    """Gives another answer each time."""

    output_types = [Number]

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.computed: list[int] = []

    def consume_work(self, task: Number) -> None:
        self.computed.append(task.value)
        self.publish_work(Number(value=100 * task.value + len(self.computed)))

    def get_cache_key(self, task: Any) -> str:
        return f"{task.value}"


ONE = Number(value=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def values(result: RunResult) -> list[int]:
    assert result.failures == []
    return [output.value for output in result.outputs if isinstance(output, Number)]


@pytest.mark.parametrize("ttl", [-1, -0.001, math.nan, "soon"])
@pytest.mark.parametrize("name", ["cache_ttl", "stale_while_revalidate"])
def test_a_time_that_cannot_be_meant_is_refused(folder: Path, name: str, ttl: Any) -> None:
    with pytest.raises(ValidationError, match=name):
        Draw(cache_dir=folder, **{name: ttl})
    worker = Draw(cache_dir=folder)
    with pytest.raises(ValidationError, match=name):
        setattr(worker, name, ttl)


@pytest.mark.parametrize("name", ["cache_size_limit", "cache_disk_limit"])
@pytest.mark.parametrize("limit", [0, -1, 1.5, "much"])
def test_a_limit_that_cannot_be_meant_is_refused(folder: Path, name: str, limit: Any) -> None:
    with pytest.raises(ValidationError, match=name):
        Draw(cache_dir=folder, **{name: limit})


def test_another_way_to_evict_is_refused(folder: Path) -> None:
    with pytest.raises(ValidationError, match="'lru' or 'cost'"):
        Draw(cache_dir=folder, cache_eviction="random")


A_CLASS = MemoryStore


@pytest.mark.parametrize("name", ["redis", "SQLITE", "", 5, None, A_CLASS, object()])
def test_a_store_that_is_none_is_refused_with_those_there_are(folder: Path, name: Any) -> None:
    with pytest.raises(ValidationError, match="choose 'sqlite', 'memory', 'diskcache', or pass a Store"):
        Draw(cache_dir=folder, cache_store=name)


def test_a_store_may_be_chosen_later(folder: Path) -> None:
    worker = Draw(cache_dir=folder)
    run_inline(worker, ONE)
    store: Store = MemoryStore()
    worker.cache_store = store
    assert values(run_inline(worker, ONE)) == [102]
    worker.cache_store = "sqlite"
    assert values(run_inline(worker, ONE)) == [101]


@pytest.mark.parametrize("mode", ["readonly", "", 1])
def test_a_mode_that_is_none_is_refused(folder: Path, mode: Any) -> None:
    with pytest.raises(ValidationError, match="cache_mode"):
        Draw(cache_dir=folder, cache_mode=mode)


def test_while_nothing_is_consumed_a_worker_uses_the_folder_that_it_has_now(folder: Path) -> None:
    worker = Draw(cache_dir=folder / "first")
    run_inline(worker, ONE)
    worker.cache_dir = folder / "second"
    assert (len(worker.get_cache()), values(run_inline(worker, ONE))) == (0, [102])
    worker.cache_dir = folder / "first"
    assert values(run_inline(worker, ONE)) == [101]


def test_threads_that_begin_at_once_share_one_cache(folder: Path) -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            for number in range(200):
                worker = Draw(cache_dir=folder / str(number))
                caches = list(pool.map(lambda worker: worker.get_cache(), [worker] * 8))
                assert {id(cache) for cache in caches} == {id(worker.get_cache())}
    finally:
        sys.setswitchinterval(interval)
