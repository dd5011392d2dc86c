"""Tests of stores that several share: threads, other stores in the same folder, processes, and forks."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from planai.cache.store import Store
from planai.testing.store_base import FUTURE, StoreTests, fill, is_whole, keys, record, start_child, status_of

LARGE = 200_000


class Sharing(StoreTests):
    """Everybody sees the same, and nobody sees half of something."""

    # ---- the same store, closed and opened

    def test_a_closed_store_is_opened_by_its_next_use(self, store: Store) -> None:
        fill(store, "a")
        store.close()
        store.close()
        assert store.get("s", "a") == record()
        store.close()
        fill(store, "b")
        store.close()
        assert keys(store) == ["a", "b"]

    def test_the_version_stays_while_nobody_writes(self, store: Store) -> None:
        fill(store, "a")
        before = store.version()
        store.get("s", "a")
        store.get("s", "b")
        assert store.version() == before
        hash(before)

    # ---- threads

    def test_many_threads_read_their_own_writes(self, store: Store) -> None:
        ready = threading.Barrier(8)

        def work(me: int) -> list[int]:
            ready.wait()
            missing = []
            for number in range(20):
                name = f"{me}-{number}"
                store.put("s", name, record(name.encode()))
                if store.get("s", name) != record(name.encode()):
                    missing.append(number)
            return missing

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(work, range(8))) == [[]] * 8
        assert [info.hits for info in store.scan("s")] == [1] * 160

    def test_of_threads_that_delete_the_same_one_is_told_so(self, store: Store) -> None:
        fill(store, *"abcdefghij")
        ready = threading.Barrier(4)

        def work(_: int) -> int:
            ready.wait()
            return sum(store.delete("s", [key]) for key in "abcdefghij")

        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(work, range(4))) == len("abcdefghij")

    @pytest.mark.parametrize("size", [5000, LARGE])
    def test_of_threads_that_write_one_key_all_read_whole_records(self, store: Store, size: int) -> None:
        store.put("s", "a", record(b"0" * size))

        def work(number: int) -> bool:
            whole = True
            for _ in range(10):
                store.put("s", "a", record(bytes([number]) * size))
                whole = whole and is_whole(store.get("s", "a"), size)
            return whole

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(work, range(4)))

    def test_uses_by_threads_are_all_counted(self, store: Store) -> None:
        fill(store, "a")

        def work(_: int) -> None:
            for _ in range(100):
                store.get("s", "a")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        assert [info.hits for info in store.scan("s")] == [400]

    # ---- a second store in the same folder

    def test_another_store_sees_what_was_written(self, store: Store, other: Store) -> None:
        store.put("s", "a", record(b"first"))
        assert other.get("s", "a") == record(b"first")
        for number in range(30):
            writer, reader = (store, other) if number % 2 else (other, store)
            writer.put("s", "a", record(b"%d" % number))
            assert reader.get("s", "a") == writer.get("s", "a") == record(b"%d" % number)
            assert reader.get("s", "a") == record(b"%d" % number), "from memory"

    def test_another_store_sees_what_was_removed(self, store: Store, other: Store) -> None:
        removals: list[Callable[[], int]] = [
            lambda: other.delete("s", ["a"]),
            lambda: other.delete("s"),
            lambda: other.trim("s", FUTURE, 0, None),
        ]
        for remove in removals:
            fill(store, "a")
            assert store.get("s", "a") == record()
            assert remove() == 1
            assert store.get("s", "a") is None
            assert keys(store) == []

    def test_the_version_differs_after_another_store_has_written(self, store: Store, other: Store) -> None:
        fill(store, "a")
        before = store.version()
        fill(other, "a")
        assert store.version() is None or store.version() != before

    def test_what_another_store_has_cleared_is_not_kept(self, store: Store, other: Store) -> None:
        fill(store, "a")
        begun = store.generation("s")
        assert other.generation("s") == begun
        other.delete("s")
        assert store.put("s", "a", record(), begun) is False
        assert store.generation("s") == other.generation("s") == begun + 1
        assert other.get("s", "a") is None

    def test_everything_is_there_for_a_store_that_is_opened_later(self, store: Store, folder: Path) -> None:
        if not self.persistent:
            pytest.skip("nothing is kept beyond the store")
        store.delete("s")
        fill(store, "a", "b", "c")
        store.put("s", "large", record(b"x" * LARGE))
        for key in "aba":
            store.get("s", key)
        store.close()
        later = self.make_store(folder)
        assert [(info.key, info.hits) for info in later.scan()] == [("c", 0), ("large", 0), ("b", 1), ("a", 2)]
        assert later.get("s", "large") == record(b"x" * LARGE)
        assert later.generation("s") == 1
        later.close()

    # ---- forks and processes

    def test_a_store_goes_on_after_being_told_of_a_fork(self, store: Store) -> None:
        fill(store, "a")
        store.get("s", "a")
        store.before_fork()
        store.after_fork()
        fill(store, "b")
        assert {info.key: info.hits for info in store.scan()} == {"a": 1, "b": 0}

    def test_a_forked_child_uses_the_store_and_so_does_its_parent(self, store: Store) -> None:
        fill(store, "a")
        store.get("s", "a")

        def work() -> None:
            assert store.get("s", "a") == record()
            fill(store, "b")
            assert store.get("s", "b") == record()
            store.close()

        assert status_of(start_child(store, work)) == 0
        assert store.get("s", "a") == record()
        hits = {info.key: info.hits for info in store.scan()}
        assert hits == ({"a": 3, "b": 1} if self.persistent else {"a": 2}), "each use is counted once"

    def test_a_child_forked_while_threads_use_the_store_can_use_it(self, store: Store) -> None:
        fill(store, "a")
        stop = threading.Event()

        def use() -> None:
            while not stop.is_set():
                store.get("s", "a")
                store.put("s", "b", record())

        with ThreadPoolExecutor(2) as pool:
            running = [pool.submit(use) for _ in range(2)]
            try:
                children = [start_child(store, lambda: store.get("s", "a")) for _ in range(3)]
                assert [status_of(child) for child in children] == [0, 0, 0]
            finally:
                stop.set()
            assert [done.result() for done in running] == [None, None]

    def test_processes_write_at_once(self, store: Store, other: Store) -> None:
        begin, go = os.pipe()

        def work(me: int) -> None:
            os.read(begin, 1)
            for number in range(20):
                fill(other, f"{me}-{number}", "shared")
                assert other.get("s", f"{me}-{number}") == record()
            other.close()

        children = [start_child(other, lambda me=me: work(me)) for me in range(3)]  # type: ignore[misc]
        os.write(go, b"123")
        assert [status_of(child) for child in children] == [0, 0, 0]
        assert set(keys(store)) == {f"{me}-{number}" for me in range(3) for number in range(20)} | {"shared"}
        os.close(begin)
        os.close(go)

    def test_the_death_of_a_process_loses_nothing(self, store: Store, other: Store) -> None:
        def work() -> None:
            fill(other, "a")
            other.put("s", "large", record(b"x" * LARGE))
            os.kill(os.getpid(), signal.SIGKILL)

        assert status_of(start_child(other, work)) == -signal.SIGKILL
        assert store.get("s", "a") == record()
        assert is_whole(store.get("s", "large"), LARGE)

    def test_what_another_process_has_cleared_is_not_kept(self, store: Store, other: Store) -> None:
        begun = store.generation("s")
        assert store.put("s", "a", record(), begun) is True
        assert status_of(start_child(other, lambda: other.delete("s"))) == 0
        assert store.put("s", "a", record(), begun) is False
        assert store.get("s", "a") is None
        assert store.put("s", "a", record(), store.generation("s")) is True
