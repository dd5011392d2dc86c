"""Modes: what a run may take from the cache, and what it may put there (pitfall 18 among others)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest

import planai.errors
from cache.pitfalls.kit import Counting, Double, Number, figures, run, values_of
from planai import RunResult, Task
from planai.cache.canonical import CacheIgnore

ONE = Number(value=1)


class Draw(Counting):
    """Gives another answer each time."""

    fails: Annotated[int, CacheIgnore()] = 0

    def consume_work(self, task: Number) -> None:
        self.computed.append(task.value)
        if len(self.computed) <= self.fails:
            raise ValueError("not yet")
        self.publish_work(Number(value=100 + len(self.computed)))


WAYS = ["setting", "run", "environment"]


def in_mode(mode: str, way: str, monkeypatch: pytest.MonkeyPatch, worker: Any, *tasks: Task) -> RunResult:
    """Run `worker` in a mode that is chosen in one of three ways."""
    if way == "environment":
        with monkeypatch.context() as patch:
            patch.setenv("PLANAI_CACHE_MODE", mode)
            return run(worker, *tasks)
    if way == "run":
        return run(worker, *tasks, cache_mode=mode)
    before, worker.cache_mode = worker.cache_mode, mode
    try:
        return run(worker, *tasks)
    finally:
        worker.cache_mode = before


def test_read_write_is_what_happens_by_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Draw(cache_dir=folder)
    for way in WAYS:
        assert values_of(in_mode("read_write", way, monkeypatch, worker, ONE)) == [101]
        assert values_of(run(worker, ONE)) == [101]


@pytest.mark.parametrize("way", WAYS)
def test_refresh_computes_each_key_once_in_a_run_and_overwrites(
    folder: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Draw(cache_dir=folder)
    run(worker, ONE)
    assert values_of(in_mode("refresh", way, monkeypatch, worker, ONE, ONE, ONE)) == [102] * 3
    assert values_of(run(worker, ONE)) == [102]
    assert values_of(in_mode("refresh", way, monkeypatch, worker, ONE)) == [103], "another run computes again"


def test_refresh_computes_once_in_threads(folder: Path) -> None:
    worker = Draw(cache_dir=folder)
    run(worker, ONE)
    assert values_of(run(worker, *[ONE] * 20, executor="threads", cache_mode="refresh")) == [102] * 20


def test_refresh_overwrites_also_after_a_failed_try(folder: Path) -> None:
    run(Draw(cache_dir=folder), ONE)
    worker = Draw(cache_dir=folder, fails=2, num_retries=3)
    result = run(worker, ONE, cache_mode="refresh")
    assert (result.failures, values_of(result)) == ([], [103])
    assert values_of(run(worker, ONE)) == [103]


def test_a_refresh_that_fails_keeps_the_earlier_answer(folder: Path) -> None:
    run(Draw(cache_dir=folder), ONE)
    worker = Draw(cache_dir=folder, fails=9)
    assert len(run(worker, ONE, cache_mode="refresh").failures) == 1
    assert values_of(run(worker, ONE)) == [101]


@pytest.mark.parametrize("way", WAYS)
def test_read_only_replays_and_stores_nothing(folder: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Draw(cache_dir=folder)
    run(worker, ONE)
    result = in_mode("read_only", way, monkeypatch, worker, ONE, Number(value=2))
    assert (values_of(result), figures(result)) == ([101, 102], (1, 1))
    assert [worker.is_cached(Number(value=value)) for value in (1, 2)] == [True, False]


@pytest.mark.parametrize("executor", ["inline", "threads"])
@pytest.mark.parametrize("store", ["sqlite", "diskcache"])
@pytest.mark.parametrize("mode", ["read_only", "replay", "off"])
def test_what_stores_nothing_makes_no_file(folder: Path, mode: str, store: str, executor: str) -> None:
    worker = Draw(cache_dir=folder, cache_store=store)
    run(worker, *[ONE] * 3, cache_mode=mode, executor=executor)
    assert not worker.is_cached(ONE)
    assert worker.explain(ONE).reason == "nothing is stored by this worker yet"
    assert len(worker.get_cache()) == 0
    assert not folder.exists()


@pytest.mark.parametrize("way", WAYS)
def test_replay_computes_nothing_and_explains_a_miss(folder: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Draw(cache_dir=folder, num_retries=2)
    run(worker, ONE)
    result = in_mode("replay", way, monkeypatch, worker, ONE, Number(value=2))
    assert (values_of(result), worker.computed) == ([101], [1])
    (failure,) = result.failures
    assert isinstance(failure.error, vars(planai.errors)["CacheMiss"])
    assert "Draw" in str(failure.error)
    assert "input" in str(failure.error), "it says in what the nearest entry differs"


@pytest.mark.parametrize("way", WAYS)
def test_off_neither_replays_nor_stores(folder: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Draw(cache_dir=folder)
    run(worker, ONE)
    assert values_of(in_mode("off", way, monkeypatch, worker, ONE, ONE, Number(value=2))) == [102, 103, 104]
    assert [worker.is_cached(Number(value=value)) for value in (1, 2)] == [True, False]
    assert values_of(run(worker, ONE)) == [101]


def test_the_worker_goes_before_the_run_and_the_run_before_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(Draw(cache_dir=folder), ONE)
    monkeypatch.setenv("PLANAI_CACHE_MODE", "off")
    assert run(Draw(cache_dir=folder), ONE).cache_hits == 0
    assert run(Draw(cache_dir=folder), ONE, cache_mode="read_only").cache_hits == 1
    reading = Draw(cache_dir=folder, cache_mode="read_write")
    assert run(reading, ONE, cache_mode="off").cache_hits == 1


def test_a_mode_that_does_not_exist_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Double(cache_dir=folder)
    with pytest.raises(ValueError, match="reed_only"):
        run(worker, ONE, cache_mode="reed_only")
    monkeypatch.setenv("PLANAI_CACHE_MODE", "reed_only")
    with pytest.raises(planai.errors.PlanaiError, match="PLANAI_CACHE_MODE"):
        run(worker, ONE, raise_on_failure=True)
