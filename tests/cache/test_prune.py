"""Removing entries, and what it would cost to have them again."""

from __future__ import annotations

from cache.samples import COUNT, DAY, NOW, PRICE, digest_of, profile, put, put_profile
from planai.cache.inspect import (
    Filter,
    entries,
    everything,
    find,
    profiles,
)
from planai.cache.prune import SPARE_AFTER_SECONDS, Pruned, Rules, prune, remove
from planai.cache.store import Store
from planai.cost import Cost


def names(store: Store, wanted: Filter | None = None) -> list[str]:
    return [entry.about.fields["name"] for entry in entries(store, NOW, wanted)]


def test_what_has_expired_goes_in_any_case(store: Store) -> None:
    put(store, "a", expires_at=NOW - 1.0)
    put(store, "b", expires_at=NOW + 1.0)
    assert prune(store, NOW, Rules()).entries == 1
    assert names(store) == ["b"]


def test_pruning_by_age_and_worker(store: Store) -> None:
    put(store, "a", age=40 * DAY)
    put(store, "b", age=20 * DAY)
    put(store, "c", age=40 * DAY, worker=PRICE)
    assert prune(store, NOW, Rules(older_than=30 * DAY, worker="Count")).entries == 1
    assert names(store) == ["b", "c"]


def test_the_least_recently_used_go_until_the_limits_hold(store: Store) -> None:
    for name in "abcd":
        put(store, name)
    store.get(COUNT, digest_of("a"))
    assert prune(store, NOW, Rules(max_entries=3)).entries == 1
    assert sorted(names(store)) == ["a", "c", "d"]
    assert prune(store, NOW, Rules(max_size=45)) == Pruned(1, 20, Cost(2.0, 10, 0.5), 0, 0)
    assert sorted(names(store)) == ["a", "d"]
    assert prune(store, NOW, Rules(max_size=0)).entries == 2


def test_what_has_expired_counts_for_no_limit(store: Store) -> None:
    put(store, "a")
    put(store, "b", expires_at=NOW - 1.0)
    prune(store, NOW, Rules(max_entries=1))
    assert names(store) == ["a"]


def test_questions_count_for_the_size_and_go_with_their_answers(store: Store) -> None:
    put(store, "a", age=2.0)
    put(store, "a", kind="question")
    put(store, "b")
    assert prune(store, NOW, Rules(max_size=20)) == Pruned(1, 40, Cost(2.0, 10, 0.5), 1, 0)
    assert names(store) == ["b"]


def test_an_old_question_stays_as_long_as_an_answer(store: Store) -> None:
    put(store, "a", kind="question", age=50 * DAY)
    put(store, "b", kind="question", age=50 * DAY)
    put(store, "c", kind="question")
    put(store, "a")
    assert prune(store, NOW, Rules(older_than=DAY)).questions == 1
    assert [entry.about.fields["name"] for entry in everything(store)] == ["a", "c", "a"]


def test_profiles_that_nobody_refers_to_go_when_they_are_old(store: Store) -> None:
    used = put_profile(store, profile(), NOW - 2 * SPARE_AFTER_SECONDS)
    put_profile(store, profile(settings={"threshold": "1"}), NOW - 2 * SPARE_AFTER_SECONDS)
    new = put_profile(store, profile(settings={"threshold": "2"}))
    put(store, "a", profile=used)
    assert prune(store, NOW, Rules(), dry_run=True).profiles == 1
    assert prune(store, NOW, Rules()).profiles == 1
    assert set(profiles(store, COUNT)) == {used, new}


def test_a_dry_run_removes_nothing_and_tells_the_same(store: Store) -> None:
    for name in "abc":
        put(store, name)
    told = prune(store, NOW, Rules(max_entries=1), dry_run=True)
    assert len(names(store)) == 3
    assert prune(store, NOW, Rules(max_entries=1)) == told == Pruned(2, 40, Cost(4.0, 20, 1.0), 0, 0)
    left = [find(store, digest_of("c"))]
    assert remove(store, left, dry_run=True).entries == 1
    assert names(store) == ["c"]
