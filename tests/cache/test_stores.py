"""The conformance suite: what every store has to do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from planai.cache.store import Record, Store
from planai.cache.stores.disk import DiskStore
from planai.cache.stores.memory import MemoryStore
from planai.cache.stores.tiered import TieredStore

BUDGET = 2**20
MAKERS: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryStore(),
    "disk": DiskStore,
    "tiered": lambda folder: TieredStore(MemoryStore(BUDGET), DiskStore(folder)),
}


@pytest.fixture(params=MAKERS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = MAKERS[request.param](tmp_path / "cache")
    yield made
    made.close()


def record(payload: bytes = b"x", expires_at: float | None = None) -> Record:
    return Record(payload, 1.5, expires_at, 0.25)


def keys(store: Store, space: str = "s") -> list[str]:
    return [info.key for info in store.scan(space)]


def fill(store: Store, *names: str) -> None:
    for name in names:
        store.put("s", name, record())


# ---- get and put


def test_an_empty_store_has_nothing(store: Store) -> None:
    assert store.get("s", "a") is None
    assert store.scan("s") == []
    assert store.delete("s") == 0
    assert store.trim("s", 1.0, 0, 0) == 0


@pytest.mark.parametrize("payload", [b"", b"\0", b"x" * 100_000, bytes(range(256))])
def test_a_record_comes_back_as_it_was_put(store: Store, payload: bytes) -> None:
    kept = Record(payload, 1.5, 2.5, 0.25)
    store.put("s", "a", kept)
    assert store.get("s", "a") == kept
    assert store.get("s", "a") == kept, "a second time, from wherever"


def test_a_record_that_never_expires_comes_back_so(store: Store) -> None:
    store.put("s", "a", record())
    found = store.get("s", "a")
    assert found is not None
    assert found.expires_at is None


def test_expired_records_are_returned_until_they_are_trimmed(store: Store) -> None:
    store.put("s", "a", record(expires_at=1.0))
    assert store.get("s", "a") == record(expires_at=1.0)
    assert keys(store) == ["a"]


def test_a_later_put_takes_the_place_of_an_earlier(store: Store) -> None:
    store.put("s", "a", record(b"first"))
    store.get("s", "a")
    store.put("s", "a", record(b"second"))
    assert store.get("s", "a") == record(b"second")
    assert len(store.scan("s")) == 1


@pytest.mark.parametrize("name", ["", " ", "a:b", "a\0b", "a/../b", "ä", "𝄞", "'", "a\n", "x" * 10_000])
def test_any_text_is_a_space_and_a_key(store: Store, name: str) -> None:
    store.put(name, name, record(b"odd"))
    store.put("s", "a", record(b"plain"))
    assert store.get(name, name) == record(b"odd")
    assert keys(store, name) == [name]
    assert store.delete(name, [name]) == 1
    assert store.get("s", "a") == record(b"plain")


def test_where_the_space_ends_and_the_key_begins_counts(store: Store) -> None:
    store.put("a", "bc", record(b"1"))
    store.put("ab", "c", record(b"2"))
    assert (store.get("a", "bc"), store.get("ab", "c")) == (record(b"1"), record(b"2"))


def test_no_separator_can_be_forged(store: Store) -> None:
    store.put("a\0b", "c", record(b"1"))
    store.put("a", "b\0c", record(b"2"))
    assert (store.get("a\0b", "c"), store.get("a", "b\0c")) == (record(b"1"), record(b"2"))


def test_spaces_do_not_see_each_other(store: Store) -> None:
    store.put("s", "a", record(b"one"))
    store.put("t", "a", record(b"two"))
    assert store.delete("s") == 1
    assert store.trim("s", 9.0, 0, 0) == 0
    assert store.get("t", "a") == record(b"two")
    assert store.get("s", "a") is None


# ---- delete


def test_delete_tells_how_many_there_were(store: Store) -> None:
    fill(store, "a", "b", "c")
    assert store.delete("s", ["a", "none", "b"]) == 2
    assert store.delete("s", ["a"]) == 0
    assert store.delete("s", []) == 0
    assert keys(store) == ["c"]


def test_delete_takes_any_iterable(store: Store) -> None:
    fill(store, "a", "b")
    assert store.delete("s", (key for key in "ab")) == 2
    assert keys(store) == []


def test_what_was_read_and_then_deleted_is_gone(store: Store) -> None:
    fill(store, "a", "b")
    assert store.get("s", "a")
    store.delete("s", ["a"])
    assert store.get("s", "a") is None
    store.delete("s")
    assert store.get("s", "b") is None


# ---- scan, touch, and the order of use


def test_scan_tells_what_is_known(store: Store) -> None:
    store.put("s", "a", record(b"12345", expires_at=7.0))
    (info,) = store.scan("s")
    assert (info.key, info.stored_at, info.expires_at, info.size) == ("a", 1.5, 7.0, 5)
    assert info.used_at > 1.5


def test_scan_begins_with_the_least_recently_used(store: Store) -> None:
    fill(store, "a", "b", "c")
    store.get("s", "a")
    store.touch("s", "b")
    assert keys(store) == ["c", "a", "b"]
    store.put("s", "c", record())
    assert keys(store) == ["a", "b", "c"]


def test_looking_up_what_is_in_memory_counts_as_use(store: Store) -> None:
    fill(store, "a", "b")
    for _ in range(3):
        store.get("s", "a")
    assert keys(store) == ["b", "a"]


def test_touching_what_is_not_there_changes_nothing(store: Store) -> None:
    fill(store, "a")
    store.touch("s", "b")
    store.touch("t", "a")
    assert keys(store) == ["a"]
    assert store.get("t", "a") is None


# ---- trim


def test_trim_without_limits_removes_what_has_expired(store: Store) -> None:
    for name, expires in {"past": 9.0, "now": 10.0, "future": 10.5, "never": None}.items():
        store.put("s", name, record(expires_at=expires))
    assert store.trim("s", 10.0, None, None) == 2
    assert keys(store) == ["future", "never"]
    assert store.get("s", "past") is None


def test_trim_removes_the_least_recently_used_down_to_the_entries(store: Store) -> None:
    fill(store, "a", "b", "c", "d")
    store.get("s", "a")
    assert store.trim("s", 0.0, 2, None) == 2
    assert keys(store) == ["d", "a"]
    assert store.trim("s", 0.0, 2, None) == 0


def test_trim_goes_by_use_and_not_by_the_time_stored(store: Store) -> None:
    store.put("s", "first used, last stored", Record(b"x", 9.0))
    store.put("s", "last used, first stored", Record(b"x", 1.0))
    assert store.trim("s", 0.0, 1, None) == 1
    assert keys(store) == ["last used, first stored"]


def test_trim_removes_the_least_recently_used_down_to_the_bytes(store: Store) -> None:
    for name, size in {"a": 50, "b": 10, "c": 30}.items():
        store.put("s", name, record(b"x" * size))
    assert store.trim("s", 0.0, None, 40) == 1
    assert keys(store) == ["b", "c"]
    assert store.trim("s", 0.0, None, 39) == 1
    assert keys(store) == ["c"]


def test_trim_counts_what_has_expired_first(store: Store) -> None:
    fill(store, "old")
    store.put("s", "expired", record(expires_at=1.0))
    fill(store, "new")
    assert store.trim("s", 2.0, 2, None) == 1
    assert keys(store) == ["old", "new"]


@pytest.mark.parametrize("limits", [(0, None), (None, 0), (0, 0)])
def test_a_limit_of_nothing_leaves_nothing(store: Store, limits: tuple[int | None, int | None]) -> None:
    fill(store, "a", "b")
    assert store.trim("s", 0.0, *limits) == 2
    assert store.get("s", "a") is None


def test_trim_holds_both_limits(store: Store) -> None:
    for name, size in {"a": 1, "b": 1, "c": 100, "d": 1}.items():
        store.put("s", name, record(b"x" * size))
    assert store.trim("s", 0.0, 3, 50) == 3
    assert keys(store) == ["d"]


# ---- version, close and threads


def test_the_version_stays_while_nobody_else_writes(store: Store) -> None:
    fill(store, "a")
    before = store.version()
    fill(store, "a", "b")
    store.get("s", "a")
    assert store.version() == before
    hash(before)


def test_a_closed_store_is_opened_by_its_next_use(store: Store) -> None:
    fill(store, "a")
    store.close()
    store.close()
    assert store.get("s", "a") == record()
    store.close()
    store.put("s", "b", record())
    store.close()
    assert keys(store) == ["a", "b"]


def test_a_store_goes_on_after_being_told_of_a_fork(store: Store) -> None:
    fill(store, "a")
    store.before_fork()
    store.after_fork()
    fill(store, "b")
    assert keys(store) == ["a", "b"]


def test_many_threads_read_their_own_writes(store: Store) -> None:
    ready = threading.Barrier(8)

    def work(me: int) -> list[int]:
        ready.wait()
        missing = []
        for number in range(20):
            store.put("s", f"{me}-{number}", record(f"{me}-{number}".encode()))
            if store.get("s", f"{me}-{number}") != record(f"{me}-{number}".encode()):
                missing.append(number)
        return missing

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [[]] * 8
    assert len(store.scan("s")) == 160


def test_of_threads_that_delete_the_same_one_is_told_so(store: Store) -> None:
    fill(store, *"abcdefghij")
    ready = threading.Barrier(4)

    def work(_: int) -> int:
        ready.wait()
        return sum(store.delete("s", [key]) for key in "abcdefghij")

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) == 10


def test_threads_that_write_one_key_leave_one_whole_record(store: Store) -> None:
    def work(number: int) -> None:
        for _ in range(10):
            store.put("s", "a", record(bytes([number]) * 5000))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    found = store.get("s", "a")
    assert found is not None
    assert len(found.payload) == 5000
    assert len(set(found.payload)) == 1


# ---- against a model: a dict whose order is that of use


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

    @rule(key=names, size=st.integers(0, 9), stored=st.integers(0, 9), expires=st.none() | st.integers(0, 9))
    def put(self, key: str, size: int, stored: int, expires: int | None) -> None:
        made = Record(b"x" * size, stored, expires)
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
        left = {key: kept for key, kept in self.model.items() if kept.alive(now)}
        while (entries is not None and len(left) > entries) or (
            size is not None and sum(len(kept.payload) for kept in left.values()) > size
        ):
            del left[next(iter(left))]
        assert self.store.trim("s", now, entries, size) == len(self.model) - len(left)
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


def test_memory_keeps_no_more_than_its_budget() -> None:
    store = MemoryStore(budget=2000)
    for name in "abcdefgh":
        store.put("s", name, record(b"x" * 300))
    assert keys(store) == ["e", "f", "g", "h"]


def test_memory_passes_over_a_record_larger_than_its_budget_and_forgets_the_earlier_one() -> None:
    store = MemoryStore(budget=1000)
    store.put("s", "a", record(b"small"))
    store.put("s", "b", record(b"small"))
    store.put("s", "a", record(b"x" * 1001))
    assert keys(store) == ["b"]


def test_memory_has_its_whole_budget_again_after_deletes_and_clear() -> None:
    store = MemoryStore(budget=1000)
    for _ in range(5):
        fill(store, "a", "b", "c", "d")
        assert keys(store) == ["a", "b", "c", "d"]
        store.delete("s", ["a"])
        store.clear()
        assert keys(store) == []


def test_tiered_finds_what_is_too_large_for_its_memory(tmp_path: Path) -> None:
    store = TieredStore(MemoryStore(1000), DiskStore(tmp_path))
    store.put("s", "a", record(b"x" * 5000))
    assert store.get("s", "a") == record(b"x" * 5000)
    store.close()
