"""Cache: the mapping that people touch."""

from __future__ import annotations

import contextlib
import math
import os
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from planai.cache.answer import Answer as ToKeep
from planai.cache.answer import Limits
from planai.cache.bundle import Bundle
from planai.cache.cache import Cache, CacheWarning
from planai.cache.codec import Codec
from planai.cache.opening import open_store
from planai.cache.store import Record, Store
from planai.cache.stores.disk import FILE, DiskStore
from planai.cache.stores.memory import MemoryStore
from planai.cost import Cost
from planai.task import Task


class Answer(Task):
    text: str


def make(store: Store, limits: Limits = Limits(), ttl: float | None = None) -> Cache:  # noqa: B008 - a tuple
    return Cache(store, "s", Codec([Answer]), limits, lambda: ttl)


@pytest.fixture(params=["memory", "disk", "opened"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    makers: dict[str, Callable[[], Store]] = {
        "memory": MemoryStore,
        "disk": lambda: DiskStore(tmp_path),
        "opened": lambda: open_store(tmp_path),
    }
    made = makers[request.param]()
    yield made
    made.close()


@pytest.fixture
def cache(store: Store) -> Cache:
    return make(store)


# ---- the verbs of a mapping


def test_what_is_set_is_got(cache: Cache) -> None:
    cache["a"] = Answer(text="x")
    assert cache["a"] == Answer(text="x")
    assert cache.get("a") == Answer(text="x")
    assert "a" in cache


def test_what_was_never_set_is_absent(cache: Cache) -> None:
    with pytest.raises(KeyError, match="a"):
        cache["a"]
    assert cache.get("a") is None
    assert cache.get("a", 5) == 5
    assert "a" not in cache
    assert 5 not in cache  # type: ignore[comparison-overlap]


@pytest.mark.parametrize("value", [None, 0, "", [], b"", False, Bundle(())])
def test_a_false_value_is_a_value(cache: Cache, value: Any) -> None:
    cache["a"] = value
    assert cache["a"] == value
    assert "a" in cache
    assert cache.get("a", "missing") == value


def test_keys_items_values_and_len_tell_what_is_there(cache: Cache) -> None:
    for number, key in enumerate("abc"):
        cache[key] = number
    assert list(cache) == list(cache.keys()) == ["a", "b", "c"]
    assert dict(cache.items()) == {"a": 0, "b": 1, "c": 2}
    assert sorted(cache.values()) == [0, 1, 2]
    assert len(cache) == 3
    assert cache == {"a": 0, "b": 1, "c": 2}


def test_an_empty_cache_is_true(cache: Cache) -> None:
    assert len(cache) == 0
    assert bool(cache) is True


def test_del_removes_and_is_no_error_where_somebody_else_was_first(cache: Cache) -> None:
    cache["a"] = 1
    del cache["a"]
    del cache["a"]
    assert "a" not in cache


def test_entries_may_be_deleted_while_going_over_the_keys(cache: Cache) -> None:
    cache.update({"a": 1, "b": 2, "c": 3})
    for key in cache:
        del cache[key]
    assert len(cache) == 0


def test_pop_setdefault_and_update_do_what_they_do_to_a_dict(cache: Cache) -> None:
    cache.update({"a": 1}, b=2)
    assert cache.pop("a") == 1
    assert cache.pop("a", None) is None
    with pytest.raises(KeyError):
        cache.pop("a")
    assert cache.setdefault("b", 5) == 2
    assert cache.setdefault("c", 5) == 5
    assert cache.popitem() == ("b", 2)
    assert list(cache) == ["c"]


def test_clear_leaves_other_spaces_alone(store: Store) -> None:
    one, two = make(store), Cache(store, "t", Codec())
    one["a"] = two["a"] = 1
    one.clear()
    assert (list(one), list(two)) == ([], ["a"])


def test_a_context_may_be_entered_many_times_and_closes_nothing(cache: Cache) -> None:
    with cache as outer, cache as inner:
        outer["a"] = 1
        assert inner is outer
    assert cache["a"] == 1


def test_a_closed_cache_is_opened_by_its_next_use(store: Store, cache: Cache) -> None:
    cache["a"] = 1
    cache.close()
    assert cache["a"] == 1


def test_a_changed_value_does_not_change_the_entry(cache: Cache) -> None:
    value = [1]
    cache["a"] = value
    value.append(2)
    cache["a"].append(3)
    assert cache["a"] == [1]


def test_lookup_tells_how_long_the_value_took(cache: Cache) -> None:
    assert cache.keep("a", ToKeep(5, cost=Cost(1.25)))
    hit = cache.lookup("a")
    assert hit is not None
    assert (hit.value, hit.cost.seconds) == (5, 1.25)


# ---- touch


def test_touch_returns_when_an_entry_was_stored_and_does_not_change_that(cache: Cache) -> None:
    before = time.time()
    cache["a"] = 1
    after = time.time()
    assert before <= cache.touch("a") <= after
    assert cache.touch("a") == cache.touch("a")


def test_touch_returns_infinity_where_there_is_nothing(cache: Cache) -> None:
    assert cache.touch("a") == math.inf


def test_touch_marks_an_entry_used(cache: Cache) -> None:
    cache.update({"a": 1, "b": 2})
    cache.touch("a")
    assert list(cache) == ["b", "a"]


def test_the_clean_up_of_the_specification_removes_old_entries_only(store: Store, cache: Cache) -> None:
    cache["new"] = 1
    store.put("s", "old", Record(Codec().encode(2), time.time() - 100))
    cutoff = time.time() - 50
    for key in list(cache.keys()):
        if cache.touch(key) < cutoff:
            del cache[key]
    assert list(cache) == ["new"]


# ---- eviction and limits


def test_evict_without_limits_removes_what_has_expired(store: Store, cache: Cache) -> None:
    cache["a"] = 1
    store.put("s", "old", Record(Codec().encode(2), 1.0, 2.0))
    assert cache.evict() == 1
    assert [info.key for info in store.scan("s")] == ["a"]


def test_evict_removes_the_least_recently_used_first(store: Store, cache: Cache) -> None:
    cache.update(dict.fromkeys("abcd", 1))
    assert cache["a"] == 1
    assert make(store, Limits(entries=2)).evict() == 2
    assert list(cache) == ["d", "a"]


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
def test_a_small_limit_of_entries_holds_exactly_after_every_write(store: Store, limit: int) -> None:
    cache = make(store, Limits(entries=limit))
    for number in range(2 * limit + 2):
        cache[str(number)] = number
        assert len(cache) == min(number + 1, limit)
    assert list(cache) == [str(number) for number in range(limit + 2, 2 * limit + 2)]


def test_a_large_limit_of_entries_is_never_passed_and_nearly_used(store: Store) -> None:
    cache = make(store, Limits(entries=100))
    sizes = []
    for number in range(250):
        cache[str(number)] = number
        sizes.append(len(store.scan("s")))
    assert max(sizes) == 100
    assert min(sizes[100:]) >= 95
    assert "249" in cache


def test_what_is_used_outlives_the_limit(store: Store) -> None:
    cache = make(store, Limits(entries=3))
    cache["a"] = 1
    for number in range(10):
        assert cache["a"] == 1
        cache[str(number)] = number
    assert list(cache) == ["8", "a", "9"]


def test_a_limit_of_bytes_holds_exactly_after_every_write(store: Store) -> None:
    size = len(Codec().encode(b"x" * 100))
    cache = make(store, Limits(size=3 * size))
    for number in range(8):
        cache[str(number)] = b"x" * 100
        assert sum(info.size for info in store.scan("s")) == min(number + 1, 3) * size
    assert list(cache) == ["5", "6", "7"]


def test_an_entry_larger_than_the_limit_of_bytes_is_not_left_behind(store: Store) -> None:
    cache = make(store, Limits(size=50))
    with pytest.warns(CacheWarning, match="an entry of 105 bytes is larger than the limit of 50: not kept"):
        cache["a"] = b"x" * 100
    assert "a" not in cache
    cache["b"] = b"x" * 10
    assert list(cache) == ["b"]


def test_a_limit_that_was_made_smaller_holds_after_the_first_write(store: Store) -> None:
    make(store).update({str(number): number for number in range(10)})
    cache = make(store, Limits(entries=2))
    cache["new"] = 1
    assert list(cache) == ["9", "new"]


# ---- time to live


def expire(store: Store, key: str) -> None:
    """Store what has expired by now."""
    store.put("s", key, Record(Codec().encode(1), time.time() - 1, time.time()))


def test_what_has_expired_counts_as_absent_everywhere(store: Store, cache: Cache) -> None:
    cache["a"] = 1
    expire(store, "b")
    assert cache.lookup("b") is None
    assert cache.get("b") is None
    assert "b" not in cache
    assert (list(cache), list(cache.keys()), len(cache), dict(cache.items())) == (["a"], ["a"], 1, {"a": 1})


def test_what_has_expired_is_absent_for_touch(store: Store, cache: Cache) -> None:
    expire(store, "a")
    assert cache.touch("a") == math.inf


def test_an_entry_expires_after_its_time(store: Store) -> None:
    make(store, ttl=100.0)["a"] = 1
    (info,) = store.scan("s")
    assert info.expires_at == pytest.approx(info.stored_at + 100)


def test_no_time_to_live_is_for_ever(store: Store, cache: Cache) -> None:
    cache["a"] = 1
    assert store.scan("s")[0].expires_at is None


@pytest.mark.parametrize("ttl", [0, 0.0, -1])
def test_what_would_expire_at_once_is_not_stored(store: Store, ttl: float) -> None:
    cache = make(store, ttl=ttl)
    cache["a"] = 1
    assert cache.keep("b", ToKeep(1, ttl)) == 0
    assert store.scan("s") == []


def test_an_expired_entry_is_replaced(store: Store, cache: Cache) -> None:
    expire(store, "a")
    cache["a"] = 2
    assert cache["a"] == 2


def test_an_entry_lives_until_its_time_and_then_no_more(store: Store, cache: Cache) -> None:
    assert cache.keep("a", ToKeep(1, ttl=0.1))
    found = store.get("s", "a")
    assert found is not None
    assert found.expires_at is not None
    while time.time() < found.expires_at:
        was_there = "a" in cache
        assert was_there or time.time() >= found.expires_at
    assert "a" not in cache


# ---- damage


@pytest.mark.parametrize("payload", [b"", b"junk", b"j\0\0\0\0{}", Codec().encode([1, 2])[:-1]])
def test_a_damaged_entry_is_a_miss_removed_and_counted(store: Store, cache: Cache, payload: bytes) -> None:
    store.put("s", "a", Record(payload, 1.0))
    assert cache.get("a") is None
    assert cache.damaged == 1
    assert store.scan("s") == []
    assert cache.errors == 0
    cache["a"] = 2
    assert cache["a"] == 2


def test_an_entry_whose_class_is_gone_is_a_miss(store: Store, cache: Cache) -> None:
    class Forgotten(Task):
        text: str

    Cache(store, "s", Codec([Forgotten]))["a"] = Forgotten(text="x")
    assert cache.get("a") is None
    assert cache.damaged == 1
    assert store.scan("s") == []


def test_going_over_the_items_passes_over_a_damaged_one(store: Store, cache: Cache) -> None:
    cache["a"] = 1
    store.put("s", "b", Record(b"junk", 1.0))
    assert dict(cache.items()) == {"a": 1}
    assert list(cache.values()) == [1]


# ---- a broken store


def broken(folder: Path) -> Cache:
    folder.mkdir()
    with contextlib.closing(sqlite3.connect(folder / FILE)) as connection:
        connection.execute("PRAGMA user_version = 99")
    return make(DiskStore(folder), Limits(entries=5))


def test_a_broken_store_is_warned_about_once_and_counts_as_empty(tmp_path: Path) -> None:
    cache = broken(tmp_path / "cache")
    with pytest.warns(CacheWarning, match=r"^s: the cache does not work.*made by a newer planai.*in DiskStore"):
        cache["a"] = 1
    # From here on a second warning would be an error.
    assert cache.get("a") is None
    assert "a" not in cache
    assert list(cache) == []
    assert len(cache) == 0
    assert cache.touch("a") == math.inf
    assert cache.evict() == 0
    assert cache.pop("a", 5) == 5
    del cache["a"]
    cache.clear()
    with pytest.raises(KeyError):
        cache["a"]
    assert cache.errors >= 10
    assert cache.damaged == 0
    cache.close()


def test_a_damaged_store_is_mended_by_who_may_and_else_warned_about(tmp_path: Path) -> None:
    file = tmp_path / "cache" / FILE
    file.parent.mkdir()
    file.write_bytes(b"this is no database " * 100)
    cache = make(DiskStore(file.parent))
    with pytest.warns(CacheWarning, match=r"^s: the cache does not work.*not a database.*cache verify --repair"):
        assert cache.look("a", repair=False)[0] is None
    assert (cache.known(["a"]), cache.generation(), cache.begin("a")) == ([], 0, None)
    assert [path.name for path in file.parent.iterdir()] == [FILE]
    with pytest.warns(CacheWarning, match=rf"^s: .*{FILE} is damaged.*moved to {FILE}.damaged-1; .* begins anew"):
        assert cache.get("a") is None
    cache["a"] = 1
    assert cache["a"] == 1
    assert cache.errors == 5
    assert (file.parent / f"{FILE}.damaged-1").read_bytes() == b"this is no database " * 100


def test_keep_tells_that_nothing_was_kept(tmp_path: Path) -> None:
    cache = broken(tmp_path / "cache")
    with pytest.warns(CacheWarning):
        assert cache.keep("a", ToKeep(1)) == 0


def test_a_folder_that_is_a_file_is_a_broken_store(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    cache = make(open_store(tmp_path / "cache"))
    with pytest.warns(CacheWarning, match="the cache does not work"):
        assert cache.get("a") is None
    (tmp_path / "cache").unlink()
    cache["a"] = 1
    assert cache["a"] == 1, "it works again as soon as it can"


# ---- values that would not survive


def test_a_value_that_would_not_come_back_is_not_kept_and_warned_about_once(store: Store, cache: Cache) -> None:
    with pytest.warns(CacheWarning, match=r"^s: not cached: object is a builtins.object"):
        cache["a"] = object()
    assert cache.keep("b", ToKeep([lambda: 1])) == 0, "and without a second warning"
    assert store.scan("s") == []
    assert cache.errors == 0


def test_a_broken_store_is_warned_about_also_after_a_value(tmp_path: Path) -> None:
    cache = broken(tmp_path / "cache")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cache["a"] = object()
        cache["a"] = 1
    assert [str(one.message).split(":")[1].split()[0] for one in caught] == ["not", "the"]


# ---- the stores of a process


def test_a_folder_has_one_store_however_it_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    store = open_store(tmp_path / "cache")
    assert open_store("cache") is store
    assert open_store("./cache") is store
    assert open_store(f"~{os.sep}cache") is store
    assert open_store("other") is not store


def test_caches_of_one_folder_share_what_they_keep(tmp_path: Path) -> None:
    make(open_store(tmp_path))["a"] = 1
    assert make(open_store(tmp_path))["a"] == 1
