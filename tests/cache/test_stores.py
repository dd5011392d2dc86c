"""Every store passes the conformance suite; and what the one in memory and the tiers do beyond it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from planai.cache.store import Record, Store
from planai.cache.stores.disk import DiskStore
from planai.cache.stores.diskcache import DiskcacheStore
from planai.cache.stores.memory import MemoryStore
from planai.cache.stores.tiered import TieredStore
from planai.testing import StoreConformance
from planai.testing.store_base import FUTURE, fill, keys, record

BUDGET = 2**20


class TestMemoryStore(StoreConformance):
    persistent = False

    def make_store(self, folder: Path) -> Store:
        return MemoryStore()


class TestDiskStore(StoreConformance):
    def make_store(self, folder: Path) -> Store:
        return DiskStore(folder)


class TestTieredStoreOverDisk(StoreConformance):
    def make_store(self, folder: Path) -> Store:
        return TieredStore(MemoryStore(BUDGET), DiskStore(folder))


class TestTieredStoreOverMemory(StoreConformance):
    persistent = False

    def make_store(self, folder: Path) -> Store:
        return TieredStore(MemoryStore(BUDGET), MemoryStore())


class TestDiskcacheStore(StoreConformance):
    def make_store(self, folder: Path) -> Store:
        return DiskcacheStore(folder)


class TestTieredStoreOverDiskcache(StoreConformance):
    def make_store(self, folder: Path) -> Store:
        return TieredStore(MemoryStore(BUDGET), DiskcacheStore(folder))


# ---- against a model: a dict whose order is that of use

MAKERS: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryStore(),
    "disk": DiskStore,
    "tiered": lambda folder: TieredStore(MemoryStore(BUDGET), DiskStore(folder)),
}


class AgainstADict(RuleBasedStateMachine):
    """Does the same to a store and to a dict, and compares."""

    store: Store
    names = st.sampled_from("abcd")

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[str, Record] = {}
        self.store = self.make()

    def make(self) -> Store:
        return MemoryStore()

    def use(self, key: str) -> None:
        self.model[key] = self.model.pop(key)

    @rule(key=names, size=st.integers(0, 9), expires=st.none() | st.integers(0, 9))
    def put(self, key: str, size: int, expires: int | None) -> None:
        made = Record(b"x" * size, 1.0, None if expires is None else FUTURE + expires)
        self.store.put("s", key, made)
        self.model.pop(key, None)
        self.model[key] = made

    @rule(key=names)
    def get(self, key: str) -> None:
        assert self.store.get("s", key) == self.model.get(key)
        if key in self.model:
            self.use(key)

    @rule(key=names)
    def touch(self, key: str) -> None:
        self.store.touch("s", key)
        if key in self.model:
            self.use(key)

    @rule(keys=st.none() | st.lists(names, max_size=3))
    def delete(self, keys: list[str] | None) -> None:
        wanted = set(self.model if keys is None else keys) & self.model.keys()
        assert self.store.delete("s", keys) == len(wanted)
        for key in wanted:
            del self.model[key]

    @rule(now=st.integers(0, 9), entries=st.none() | st.integers(0, 4), size=st.none() | st.integers(0, 20))
    def trim(self, now: int, entries: int | None, size: int | None) -> None:
        left = {key: kept for key, kept in self.model.items() if kept.alive(FUTURE + now)}
        while (entries is not None and len(left) > entries) or (
            size is not None and sum(len(kept.payload) for kept in left.values()) > size
        ):
            del left[next(iter(left))]
        assert self.store.trim("s", FUTURE + now, entries, size) == len(self.model) - len(left)
        self.model = left

    @rule()
    def reopen(self) -> None:
        self.store.close()

    @invariant()
    def same(self) -> None:
        assert keys(self.store) == list(self.model)

    def teardown(self) -> None:
        self.store.close()


@pytest.mark.parametrize("kind", MAKERS)
def test_any_sequence_of_uses_does_what_it_does_to_a_dict(kind: str, tmp_path: Path) -> None:
    folders = iter(range(10_000))

    class Machine(AgainstADict):
        def make(self) -> Store:
            return MAKERS[kind](tmp_path / str(next(folders)))

    run_state_machine_as_test(Machine, settings=settings(max_examples=40, stateful_step_count=12, deadline=None))


# ---- the budget of the one in memory


@pytest.mark.parametrize("kind", [DiskStore, DiskcacheStore, lambda _: MemoryStore()])
def test_what_is_used_after_the_clock_was_set_back_stays_and_what_was_used_before_goes(
    kind: Callable[[Path], Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, right = kind(tmp_path / "cache"), time.time
    monkeypatch.setattr(time, "time", lambda: right() + 60)
    fill(store, "a", "b", "c", "d")
    monkeypatch.setattr(time, "time", right)
    fill(store, "e")
    store.get("s", "a")
    assert store.trim("s", 0.0, 4, None) == 1
    assert store.get("s", "b") is None
    fill(store, "f", "g")
    assert store.trim("s", 0.0, 4, None) == 2
    assert sorted(info.key for info in store.scan("s")) == ["a", "e", "f", "g"]
    store.close()


def test_memory_keeps_no_more_than_its_budget() -> None:
    store = MemoryStore(budget=2000)
    for name in "abcdefgh":
        assert store.put("s", name, record(b"x" * 300)) is True
    assert keys(store) == ["e", "f", "g", "h"]


def test_memory_counts_what_is_said_about_an_entry() -> None:
    store = MemoryStore(budget=2000)
    for name in "abcdefgh":
        store.put("s", name, Record(b"", 1.0, about=b"x" * 300))
    assert keys(store) == ["e", "f", "g", "h"]


def test_memory_passes_over_a_record_larger_than_its_budget_and_forgets_the_earlier_one() -> None:
    store = MemoryStore(budget=1000)
    store.put("s", "a", record(b"small"))
    store.put("s", "b", record(b"small"))
    assert store.put("s", "a", record(b"x" * 1001)) is False
    assert keys(store) == ["b"]


def test_memory_has_its_whole_budget_again_after_deletes_and_clear() -> None:
    store = MemoryStore(budget=1000)
    for _ in range(5):
        fill(store, "a", "b", "c", "d")
        assert keys(store) == ["a", "b", "c", "d"]
        store.delete("s", ["a"])
        store.clear()
        assert keys(store) == []


def test_memory_lets_go_of_what_has_expired_without_being_asked() -> None:
    store = MemoryStore()
    store.put("s", "expired", record(expires_at=2.0))
    fill(store, "a")
    assert keys(store) == ["expired", "a"], "not at each put"
    store._next_expiry = 0.0
    fill(store, "b")
    assert keys(store) == ["a", "b"]


def test_tiered_finds_what_is_too_large_for_its_memory(tmp_path: Path) -> None:
    store = TieredStore(MemoryStore(1000), DiskStore(tmp_path))
    assert store.put("s", "a", record(b"x" * 5000)) is True
    assert store.get("s", "a") == record(b"x" * 5000)
    store.close()
