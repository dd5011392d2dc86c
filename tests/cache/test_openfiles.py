from __future__ import annotations

import gc
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from planai.cache import openfiles
from planai.cache.flight import LOCK_FILE, Flights
from planai.cache.openfiles import OpenFiles
from planai.cache.opening import open_flights
from planai.cache.store import Record
from planai.cache.stores.disk import FILE, DiskStore
from waiting import wait_until

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="what is open is read from /proc")
LIMIT = 4


@pytest.fixture(autouse=True)
def few_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    gc.collect()  # what other tests have left
    monkeypatch.setattr(openfiles, "_limit", lambda: LIMIT)
    yield
    gc.collect()


class Holder:
    def __init__(self, *, is_busy: bool = False) -> None:
        self.is_busy = is_busy
        self.is_open = True
        self.asked = 0

    def let_go(self) -> bool:
        self.asked += 1
        self.is_open = self.is_busy
        return not self.is_open


def opened(folder: Path, name: str) -> int:
    """Return how many files of this name below `folder` this process has open."""
    count = 0
    for descriptor in list(Path("/proc/self/fd").iterdir()):
        try:
            path = descriptor.readlink()
        except FileNotFoundError:  # the descriptor that the list itself was read from
            continue
        count += path.name == name and path.is_relative_to(folder)
    return count


def test_the_earliest_that_are_not_in_use_let_go() -> None:
    files = OpenFiles()
    holders = [Holder(is_busy=number == 1) for number in range(7)]
    for holder in holders:
        files.add(holder)
    assert [holder.is_open for holder in holders] == [False, True, False, False, True, True, True]
    assert len(files) == LIMIT


def test_who_is_gone_or_has_closed_its_files_does_not_count() -> None:
    files = OpenFiles()
    first, second = Holder(), Holder()
    for holder in (first, second, Holder(), Holder()):
        files.add(holder)
    del holder
    gc.collect()
    assert len(files) == 2
    files.remove(first)
    files.remove(first)
    assert len(files) == 1
    rest = [Holder() for _ in range(3)]
    for holder in rest:
        files.add(holder)
    assert second.is_open


def test_where_too_many_have_theirs_in_use_the_next_waits_until_one_lets_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openfiles, "_CROWDED_SECONDS", 60.0)
    files = OpenFiles()
    holders = [Holder(is_busy=True) for _ in range(2 * LIMIT)]
    for holder in holders:
        files.admit(holder)
    late = Holder(is_busy=True)
    thread = threading.Thread(target=files.admit, args=(late,))
    for holder in holders:
        holder.asked = 0
    thread.start()
    wait_until(lambda: all(holder.asked > 1 for holder in holders))
    assert len(files) == 2 * LIMIT
    holders[3].is_busy = False
    thread.join(30)
    assert len(files) == 2 * LIMIT
    assert not holders[3].is_open
    assert late.is_open


@needs_proc
def test_stores_that_were_closed_for_others_open_again(tmp_path: Path) -> None:
    stores = [DiskStore(tmp_path / str(number)) for number in range(4 * LIMIT)]
    for _ in range(3):
        for number, store in enumerate(stores):
            store.put("s", "a", Record(str(number).encode(), 1.0))
            assert opened(tmp_path, FILE) <= 2 * LIMIT
    assert [store.get("s", "a") for store in stores] == [
        Record(str(number).encode(), 1.0) for number in range(4 * LIMIT)
    ]
    for store in stores:
        store.close()
    assert opened(tmp_path, FILE) == 0
    assert [info.hits for store in stores for info in store.scan()] == [1] * len(stores), (
        "of those that were closed, too"
    )
    for store in stores:
        store.close()


def test_threads_that_use_more_stores_than_may_be_open_get_what_they_put(tmp_path: Path) -> None:
    stores = [DiskStore(tmp_path / str(number)) for number in range(3 * LIMIT)]
    wrong: list[str] = []

    def use(me: int) -> None:
        for turn in range(10):
            for number, store in enumerate(stores):
                key, record = f"{me}-{turn}", Record(f"{me} {number} {turn}".encode(), 1.0)
                if not store.put("s", key, record) or store.get("s", key) != record:
                    wrong.append(key)

    threads = [threading.Thread(target=use, args=(me,)) for me in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []
    assert [len(store.scan()) for store in stores] == [60] * len(stores)
    for store in stores:
        store.close()


@needs_proc
def test_a_lock_file_is_closed_when_nobody_has_its_flights_any_more(tmp_path: Path) -> None:
    flights = open_flights(tmp_path)
    assert open_flights(tmp_path) is flights
    assert flights.begin("a")
    assert opened(tmp_path, LOCK_FILE) == 1
    flights.end("a")
    del flights
    assert opened(tmp_path, LOCK_FILE) == 0


@needs_proc
def test_idle_lock_files_are_closed_and_held_ones_are_not(tmp_path: Path) -> None:
    held = [Flights(tmp_path / f"held {number}") for number in range(2)]
    for flights in held:
        assert flights.begin("a")
    idle = [Flights(tmp_path / f"idle {number}") for number in range(10)]
    for flights in idle:
        assert flights.begin("a")
        flights.end("a")
    assert opened(tmp_path, LOCK_FILE) <= LIMIT + 1
    for number in range(2):
        assert not Flights(tmp_path / f"held {number}").begin("a"), "its lock is still held"
    for flights in held:
        flights.end("a")
    for flights in idle:
        assert flights.begin("a")
        flights.end("a")


@needs_proc
def test_threads_that_begin_at_once_open_one_file(tmp_path: Path) -> None:
    for turn in range(20):
        flights = Flights(tmp_path / str(turn))
        together = threading.Barrier(8)

        def begin(me: int, flights: Flights = flights, together: threading.Barrier = together) -> None:
            together.wait(30)
            flights.begin(str(me))

        threads = [threading.Thread(target=begin, args=(me,)) for me in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert opened(tmp_path / str(turn), LOCK_FILE) == 1


@needs_proc
def test_the_lock_file_of_a_folder_that_was_replaced_is_closed_when_nothing_is_held_on_it(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    flights = Flights(folder)
    assert flights.begin("a")
    shutil.rmtree(folder)
    flights._file._seen = 0.0  # as after a quarter of a second
    assert flights.begin("b")
    descriptors = {flights._file._file, *flights._file._held.values()}
    assert len(descriptors) == 2
    flights.end("a")
    assert set(flights._file._held.values()) == {flights._file._file}
    flights.end("b")
    assert opened(folder, LOCK_FILE) == 1
