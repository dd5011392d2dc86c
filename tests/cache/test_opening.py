"""Opening stores and flights: one of each for a folder, whoever asks, and another one for a while in tests."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from planai import CachedTaskWorker, Task
from planai.cache.flight import LOCK_FILE
from planai.cache.opening import Override, open_flights, open_store, override, overriding
from planai.cache.store import Store
from planai.cache.stores.disk import DiskStore
from planai.cache.stores.memory import MemoryStore
from planai.testing import run_inline


class Number(Task):
    value: int


class Plus(CachedTaskWorker):
    output_types = [Number]

    def consume_work(self, task: Number) -> None:
        self.publish_work(Number(value=task.value + 1))


def same_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str | Path]:
    """Return several names of one folder."""
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv("HOME", str(folder.parent))
    return [folder, str(folder), folder.name, f"./{folder.name}", f"~/{folder.name}"]


def test_a_folder_has_one_store_and_one_table_of_flights_by_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = same_folder(tmp_path / "cache", monkeypatch)
    stores = [open_store(name) for name in names]
    assert {id(store) for store in stores} == {id(stores[0])}
    flights = [open_flights(name) for name in names]
    assert {id(one) for one in flights} == {id(flights[0])}
    assert open_store(tmp_path / "other") is not stores[0]
    assert open_flights(tmp_path / "other") is not flights[0]


def test_a_store_that_nobody_needs_any_more_goes(tmp_path: Path) -> None:
    gone = weakref.ref(open_store(tmp_path))
    gc.collect()
    assert gone() is None


def test_a_store_in_memory_stays_and_is_none_of_the_disk(tmp_path: Path) -> None:
    kept = weakref.ref(open_store(tmp_path, "memory"))
    gc.collect()
    assert kept() is open_store(tmp_path, "memory")
    assert isinstance(open_store(tmp_path, "memory"), MemoryStore)
    assert isinstance(open_store(tmp_path), DiskStore)
    assert open_flights(tmp_path, "memory") is not open_flights(tmp_path)


def test_threads_get_one_store(tmp_path: Path) -> None:
    ready, found = threading.Barrier(8), list[Store]()

    def work() -> None:
        ready.wait()
        found.append(open_store(tmp_path / "cache"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(store) for store in found}) == 1


def test_opening_writes_nothing(tmp_path: Path) -> None:
    open_store(tmp_path / "cache")
    open_flights(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_store_of_ones_own_is_taken_as_it_is_with_flights_in_this_process(tmp_path: Path) -> None:
    store = MemoryStore()
    assert open_store(tmp_path, store) is store
    assert open_flights(tmp_path, store) is open_flights(tmp_path / "other", store)
    assert open_flights(tmp_path, store) is not open_flights(tmp_path, MemoryStore())
    assert open_flights(tmp_path, store).begin("a")
    open_flights(tmp_path, store).end("a")
    assert not (tmp_path / LOCK_FILE).exists()


@dataclass
class Wrapped:
    """A store of one's own that is compared by value, and so has no hash."""

    inner: MemoryStore = field(default_factory=MemoryStore)

    def __getattr__(self, name: str) -> Any:
        if name == "inner":
            raise AttributeError(name)
        return getattr(self.inner, name)


def test_a_store_of_ones_own_needs_no_hash(tmp_path: Path) -> None:
    worker = Plus(cache_dir=tmp_path, cache_store=Wrapped())
    assert run_inline(worker, Number(value=1)).outputs == [Number(value=2)]
    assert run_inline(worker, Number(value=1)).cache_hits == 1


FORKING = """
import os
from planai.cache.opening import open_flights, open_store
from planai.cache.stores.memory import MemoryStore
from planai import CachedTaskWorker, Task
from planai.testing import run_inline

class Bare:
    def __init__(self):
        inner = MemoryStore()
        for verb in ("get", "put", "delete", "scan", "touch", "trim", "generation", "begin", "version", "close"):
            setattr(self, verb, getattr(inner, verb))

class Number(Task):
    value: int

class Plus(CachedTaskWorker):
    output_types = [Number]
    def consume_work(self, task: Number) -> None:
        self.publish_work(task)

try:
    worker = Plus(cache_store=Bare())
except ValueError:
    print("refused")
else:
    run_inline(worker, Number(value=1))
    if os.fork() == 0:
        os._exit(0)
    os.wait()
    print(run_inline(Plus(cache_store="memory"), Number(value=1)).cache_hits)
"""


def test_a_store_that_cannot_be_forked_is_refused() -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", FORKING]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=10, check=True)
    assert done.stdout == "refused\n"


# ---- in place of all others


def test_for_a_while_all_workers_use_another_store_and_mode(tmp_path: Path) -> None:
    worker, store = Plus(cache_dir=tmp_path / "cache", cache_mode="off"), MemoryStore()
    assert override() is None
    with overriding(store, "read_write"):
        run_inline(worker, Number(value=1))
        assert run_inline(worker, Number(value=1)).cache_hits == 1
        assert worker.get_cache().store is store
    assert (worker.cache_mode_now(), worker.get_cache().store is store) == ("off", False)
    assert len(store.scan(worker.cache_space)) == 1


def test_those_who_override_hear_of_calls_that_fail_in_a_replay() -> None:
    with overriding(MemoryStore(), "replay") as misses:
        assert run_inline(Plus(), Number(value=1)).failures[0].error in misses
    assert run_inline(Plus(cache_mode="replay", cache_store="memory"), Number(value=1)).failures
    assert len(misses) == 1


def told(over: Override | None) -> tuple[Store, str] | None:
    return None if over is None else (over.store, over.mode)


def test_the_innermost_holds_and_an_error_ends_it() -> None:
    outer, inner = MemoryStore(), MemoryStore()

    def fail() -> None:
        with overriding(inner, "replay"):
            assert told(override()) == (inner, "replay")
            raise LookupError("a test that fails")

    with overriding(outer, "refresh"):
        with pytest.raises(LookupError):
            fail()
        assert told(override()) == (outer, "refresh")
    assert override() is None


def test_for_a_while_nothing_is_written_to_the_workers_own_folder(tmp_path: Path) -> None:
    with overriding(MemoryStore(), "refresh"):
        run_inline(Plus(cache_dir=tmp_path / "cache"), Number(value=1))
    assert not (tmp_path / "cache").exists()
