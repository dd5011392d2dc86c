"""Tests of what stores let go of: trim, clear, and what was begun before a clear."""

from __future__ import annotations

import random

import pytest

from planai.cache.store import Order, Record, Store
from planai.cost import Cost
from planai.testing.store_base import FUTURE, StoreTests, fill, keys, record


class Limits(StoreTests):
    """What goes, and in which order."""

    def test_trim_without_limits_removes_what_has_expired(self, store: Store) -> None:
        for name, expires in {"past": -1.0, "now": 0.0, "future": 0.5, "never": None}.items():
            store.put("s", name, record(expires_at=None if expires is None else FUTURE + expires))
        assert store.trim("s", FUTURE, None, None) == len({"past", "now"})
        assert keys(store) == ["future", "never"]
        assert store.get("s", "past") is None

    def test_trim_removes_the_least_recently_used_down_to_the_entries(self, store: Store) -> None:
        fill(store, "a", "b", "c", "d")
        store.get("s", "a")
        assert store.trim("s", 0.0, 2, None) == len({"b", "c"})
        assert keys(store) == ["d", "a"]
        assert store.trim("s", 0.0, 2, None) == 0

    def test_trim_goes_by_use_and_not_by_the_time_stored(self, store: Store) -> None:
        store.put("s", "first used, last stored", Record(b"x", 9.0))
        store.put("s", "last used, first stored", Record(b"x", 1.0))
        assert store.trim("s", 0.0, 1, None) == 1
        assert keys(store) == ["last used, first stored"]

    def test_trim_removes_the_least_recently_used_down_to_the_bytes(self, store: Store) -> None:
        for name, size in {"a": 50, "b": 10, "c": 30}.items():
            store.put("s", name, record(b"x" * size))
        assert store.trim("s", 0.0, None, 40) == 1
        assert keys(store) == ["b", "c"]
        assert store.trim("s", 0.0, None, 39) == 1
        assert keys(store) == ["c"]

    def test_trim_counts_large_payloads_and_removes_them(self, store: Store) -> None:
        for name in "abc":
            store.put("s", name, record(b"x" * 300_000))
        assert store.trim("s", 0.0, None, 700_000) == 1
        assert keys(store) == ["b", "c"]
        assert store.get("s", "a") is None

    @pytest.mark.parametrize("order", ["used", "cost"])
    def test_trim_counts_what_has_expired_first(self, store: Store, order: Order) -> None:
        fill(store, "old")
        store.put("s", "expired", record(expires_at=FUTURE, seconds=9.0))
        fill(store, "new")
        assert store.trim("s", FUTURE, 2, None, order) == 1
        assert keys(store) == ["old", "new"]

    @pytest.mark.parametrize("order", ["used", "cost"])
    @pytest.mark.parametrize("limits", [(0, None), (None, 0), (0, 0)])
    def test_a_limit_of_nothing_leaves_nothing(
        self, store: Store, limits: tuple[int | None, int | None], order: Order
    ) -> None:
        fill(store, "a", "b")
        assert store.trim("s", 0.0, *limits, order) == len("ab")
        assert store.get("s", "a") is None

    def test_trim_holds_both_limits(self, store: Store) -> None:
        for name, size in {"a": 1, "b": 1, "c": 100, "d": 1}.items():
            store.put("s", name, record(b"x" * size))
        assert store.trim("s", 0.0, 3, 50) == len("abc")
        assert keys(store) == ["d"]

    def test_trim_by_cost_begins_with_the_fewest_seconds_per_byte(self, store: Store) -> None:
        for name, (size, seconds) in {"dear": (10, 9.0), "long": (1000, 90.0), "cheap": (100, 1.0)}.items():
            store.put("s", name, record(b"x" * size, seconds=seconds))
        store.get("s", "cheap")
        assert store.trim("s", 0.0, 2, None, "cost") == 1
        assert keys(store) == ["dear", "long"]
        assert store.trim("s", 0.0, None, 1000, "cost") == 1
        assert keys(store) == ["dear"]

    def test_trim_by_cost_goes_by_use_where_the_cost_is_the_same(self, store: Store) -> None:
        for name in "abc":
            store.put("s", name, record(b"", seconds=1.0))
        store.put("s", "free", record(b"", seconds=0.0))
        store.get("s", "a")
        assert store.trim("s", 0.0, 2, None, "cost") == len({"free", "b"})
        assert keys(store) == ["c", "a"]

    # ---- generations

    def test_only_clearing_a_space_begins_a_new_generation(self, store: Store) -> None:
        fill(store, "a", "b")
        store.delete("s", ["a"])
        store.trim("s", FUTURE, 0, 0)
        assert store.generation("s") == 0
        store.delete("s")
        store.delete("s")
        assert (store.generation("s"), store.generation("t")) == (2, 0)

    def test_what_was_begun_before_a_clear_is_not_kept(self, store: Store) -> None:
        begun = store.generation("s")
        assert store.put("s", "a", record(b"in time"), begun) is True
        store.delete("s")
        assert store.put("s", "a", record(b"too late"), begun) is False
        assert store.get("s", "a") is None
        assert store.put("s", "a", record(b"anew"), store.generation("s")) is True
        assert store.put("s", "a", record(b"too late, and large" * 20_000), begun) is False
        assert store.get("s", "a") == record(b"anew")
        assert store.put("s", "a", record(b"in any case")) is True
        assert store.put("t", "a", record(b"of another space"), begun) is True

    def test_who_is_about_to_compute_is_told_whether_it_is_there_already(self, store: Store) -> None:
        assert store.begin("s", "a") == 0
        store.put("s", "a", record())
        assert (store.begin("s", "a"), store.begin("t", "a")) == (None, 0)
        store.delete("s")
        assert store.begin("s", "a") == 1

    # ---- against a model: a dict whose order is that of use

    @pytest.mark.parametrize("seed", range(12))
    def test_any_sequence_of_uses_does_what_it_does_to_a_dict(self, store: Store, seed: int) -> None:
        walk = _Walk(store, random.Random(seed))  # noqa: S311 - nobody is kept from guessing it
        for _ in range(40):
            walk.step()
            assert [(info.key, info.hits) for info in store.scan("s")] == [
                (key, hits) for key, (_, hits) in walk.model.items()
            ]


class _Walk:
    """Does the same to a store and to a dict, and compares."""

    def __init__(self, store: Store, chance: random.Random) -> None:
        self.store = store
        self.chance = chance
        self.model: dict[str, tuple[Record, int]] = {}
        self.cleared = 0

    def step(self) -> None:
        acts = [self.put, self.put, self.get, self.touch, self.delete, self.trim, self.clear, self.close]
        self.chance.choice(acts)(self.chance.choice("abcd"))

    def put(self, key: str) -> None:
        expires_at = self.chance.choice([None, FUTURE + self.chance.randrange(10)])
        made = Record(
            b"x" * self.chance.randrange(1, 9), 1.0, expires_at, None, Cost(self.chance.choice([0.5, 2.0])), b"{}"
        )
        begun = self.cleared - self.chance.randrange(2)
        kept = begun == self.cleared
        assert self.store.put("s", key, made, begun) is kept
        if kept:
            self.model.pop(key, None)
            self.model[key] = (made, 0)

    def get(self, key: str) -> None:
        assert self.store.get("s", key) == self.model.get(key, (None,))[0]
        self.use(key)

    def touch(self, key: str) -> None:
        self.store.touch("s", key)
        self.use(key)

    def use(self, key: str) -> None:
        if key in self.model:
            kept, hits = self.model.pop(key)
            self.model[key] = (kept, hits + 1)

    def delete(self, key: str) -> None:
        assert self.store.delete("s", [key]) == (key in self.model)
        self.model.pop(key, None)

    def clear(self, _: str) -> None:
        assert self.store.delete("s") == len(self.model)
        self.model.clear()
        self.cleared += 1
        assert self.store.generation("s") == self.cleared

    def close(self, _: str) -> None:
        self.store.close()

    def trim(self, _: str) -> None:
        now = FUTURE + self.chance.randrange(10)
        entries, size = self.chance.choice([None, 1, 2, 3]), self.chance.choice([None, 5, 10, 20])
        order: Order = self.chance.choice(["used", "cost"])
        left = {key: kept for key, (kept, _) in self.model.items() if kept.alive(now)}
        going = sorted(left, key=lambda key: left[key].cost.seconds / len(left[key].payload) * (order == "cost"))
        while (entries is not None and len(left) > entries) or (
            size is not None and sum(len(kept.payload) for kept in left.values()) > size
        ):
            del left[going.pop(0)]
        assert self.store.trim("s", now, entries, size, order) == len(self.model) - len(left)
        self.model = {key: kept for key, kept in self.model.items() if key in left}
