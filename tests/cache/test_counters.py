"""What a worker's cache did in this process."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from planai.cache.counters import CacheStats
from planai.cost import Cost


def test_a_cache_that_was_never_asked_has_no_hits_to_divide() -> None:
    assert CacheStats().hit_rate == 0.0


def test_the_rate_is_hits_by_look_ups() -> None:
    stats = CacheStats()
    for _ in range(3):
        stats.hit(Cost(2.0, 10, 0.5))
    stats.miss()
    assert stats.hit_rate == 0.75
    assert stats.saved == Cost(6.0, 30, 1.5)


def test_a_miss_is_counted_by_what_was_wrong_with_what_was_there() -> None:
    stats = CacheStats()
    for reason in ("", "expired", "expired"):
        stats.miss(reason)
    assert (stats.misses, dict(stats.reasons)) == (3, {"expired": 2})


def test_what_is_stored_counts_by_its_bytes_and_what_it_took() -> None:
    stats = CacheStats()
    stats.store(10, Cost(1.0))
    stats.store(5, Cost(2.0, 7))
    stats.count(evictions=2, errors=1)
    assert (stats.stores, stats.stored, stats.spent) == (2, 15, Cost(3.0, 7))
    assert (stats.evictions, stats.errors, stats.quarantined) == (2, 1, 0)


def test_threads_lose_no_count() -> None:
    stats, ready = CacheStats(), threading.Barrier(8)

    def work(_: int) -> None:
        ready.wait()
        for _ in range(500):
            stats.hit(Cost(1.0))
            stats.miss("expired")
            stats.count(evictions=1)
            stats.store(1, Cost(1.0))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert stats == CacheStats(4000, 4000, 4000, 4000, 4000, 0, 0, Cost(4000.0), Cost(4000.0), stats.reasons)
    assert stats.reasons["expired"] == 4000


def test_a_miss_that_is_taken_back_leaves_nothing() -> None:
    stats = CacheStats()
    stats.miss("expired")
    stats.miss()
    stats.take_back_miss("expired")
    stats.take_back_miss()
    assert stats == CacheStats()


def test_a_miss_can_be_explained_afterwards() -> None:
    stats = CacheStats()
    stats.miss()
    stats.explain_miss("new input")
    assert (stats.misses, dict(stats.reasons)) == (1, {"new input": 1})
