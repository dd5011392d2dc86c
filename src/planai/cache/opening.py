"""Opening stores and flights: one of each in a process for each folder, closed before a fork and at exit."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from planai.cache.flight import Flights
from planai.cache.guard import BROKEN
from planai.cache.store import CacheMode, Store
from planai.cache.stores.disk import DiskStore
from planai.cache.stores.memory import MemoryStore
from planai.errors import CacheMiss

StoreName = Literal["sqlite", "memory", "diskcache"]
"""The stores that can be chosen by name."""


@dataclass(frozen=True, eq=False)
class Override:
    """A store and a mode that all workers use for a while, whatever they say: see `overriding`."""

    store: Store
    mode: CacheMode
    misses: list[CacheMiss] = field(default_factory=list)


_overrides: list[Override] = []


def override() -> Override | None:
    """Return what all workers use at present in place of their own."""
    return _overrides[-1] if _overrides else None


@contextlib.contextmanager
def overriding(store: Store, mode: CacheMode) -> Iterator[list[CacheMiss]]:
    """Let all workers of this process use `store` in `mode`: for tests with fixtures. Give the calls' misses.

    They are those of calls that fail in a replay, since their answer is not there.
    """
    over = Override(store, mode)
    _overrides.append(over)
    try:
        yield over.misses
    finally:
        _overrides.pop()


def tell_of_miss(miss: CacheMiss) -> None:
    """Tell those who override of a call that fails in a replay: the run may go on, and nobody look at its failures."""
    if _overrides:
        _overrides[-1].misses.append(miss)


_stores: weakref.WeakValueDictionary[tuple[str, Path], Store] = weakref.WeakValueDictionary()
_memory: dict[Path, Store] = {}
_stores_lock = threading.Lock()
_flights: weakref.WeakValueDictionary[object, Flights] = weakref.WeakValueDictionary()
_own_flights: weakref.WeakKeyDictionary[Store, Flights] = weakref.WeakKeyDictionary()
_kept_flights: dict[int, tuple[Store, Flights]] = {}


def open_flights(folder: str | Path, kind: StoreName | Store = "sqlite") -> Flights:
    """Return the flights in `folder`: one table for the whole process, as long as somebody holds it.

    Of a store in memory, and of one that a program brings along, flights are known to this process alone.
    """
    path = Path(folder).expanduser().absolute()
    with _stores_lock:
        if not isinstance(kind, str):
            try:
                return _own_flights.setdefault(kind, Flights(None))
            except TypeError:  # without a hash, or without weak references: kept as long as the process lives
                return _kept_flights.setdefault(id(kind), (kind, Flights(None)))[1]
        name = (kind, path) if kind == "memory" else path
        found = _flights.get(name)
        if found is None:
            found = _flights[name] = Flights(None if kind == "memory" else path)
        return found


def open_store(folder: str | Path, kind: StoreName | Store = "sqlite") -> Store:
    """Return the store in `folder`: one for the whole process, however many workers use the folder.

    Args:
        folder: where; for ``"memory"`` a mere name, nothing is written there.
        kind: how entries are kept; a `Store` object is returned as it is.

    Raises:
        MissingDependency: the package for this kind is not installed.
    """
    if not isinstance(kind, str):
        return kind
    path = Path(folder).expanduser().absolute()
    with _stores_lock:
        store = _stores.get((kind, path))
        if store is None:
            store = _stores[kind, path] = _make(path, kind)
        return store


def _make(path: Path, kind: StoreName) -> Store:
    if kind == "memory":
        return _memory.setdefault(path, MemoryStore())  # lives as long as the process
    if kind == "diskcache":
        from planai.cache.stores.diskcache import DiskcacheStore  # noqa: PLC0415 - an extra

        return DiskcacheStore(path)
    return DiskStore(path)


@atexit.register
def _close_stores() -> None:
    for store in list(_stores.values()):
        with contextlib.suppress(*BROKEN):
            store.close()


_forking: list[Store] = []
_forking_flights: list[Flights] = []


def _before_fork() -> None:
    """Close all stores: a child that shares a connection believes in locks that only its parent holds."""
    _stores_lock.acquire()
    kept = list(_kept_flights.values())
    _forking[:] = [*_stores.values(), *_own_flights, *(store for store, _ in kept)]
    for store in _forking:
        store.before_fork()
    _forking_flights[:] = [*_flights.values(), *_own_flights.values(), *(flights for _, flights in kept)]
    for flights in _forking_flights:
        flights.before_fork()


def _after_fork(*, is_child: bool) -> None:
    for flights in _forking_flights:
        flights.after_fork(is_child=is_child)
    for store in _forking:
        store.after_fork()
    _forking.clear()
    _forking_flights.clear()
    _stores_lock.release()


os.register_at_fork(
    before=_before_fork,
    after_in_parent=partial(_after_fork, is_child=False),
    after_in_child=partial(_after_fork, is_child=True),
)
