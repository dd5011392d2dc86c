"""Cache: the mapping that people touch, over a store and a codec, with a time to live and limits."""

from __future__ import annotations

import atexit
import contextlib
import logging
import math
import os
import sqlite3
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Hashable, ItemsView, Iterator, MutableMapping, ValuesView
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

from planai.cache.codec import Codec, Undecodable
from planai.cache.flight import Flights
from planai.cache.store import Record, Store
from planai.cache.stores.disk import DiskStore
from planai.cache.stores.memory import MemoryStore
from planai.cache.stores.tiered import TieredStore
from planai.errors import UnstorableValue

MEMORY_BUDGET = 64 * 2**20
"""Bytes of recent entries that a process keeps in memory for each cache folder."""

_BROKEN = (sqlite3.Error, OSError, UnicodeError)
_logger = logging.getLogger(__name__)


class CacheWarning(UserWarning):
    """The cache could not do its part; results are right all the same, but are computed again."""


class Hit(NamedTuple):
    """What a lookup found: the value, and the seconds that it took to compute at first."""

    value: Any
    seconds: float


class Limits(NamedTuple):
    """How much may be kept: entries, and bytes of payload; None for any number."""

    entries: int | None = None
    size: int | None = None

    @property
    def slack(self) -> int:
        """How many entries may be added before the limits are applied again: a twentieth of a large limit."""
        return max(1, (self.entries or 0) // 20) if self.size is None else 1

    def room(self) -> Limits:
        """Return what may stay when the limits are applied, so that they hold until they are applied again."""
        if self.entries is None:
            return self
        return Limits(self.entries - self.slack + 1, self.size)


class Cache(MutableMapping[str, Any]):
    """One worker's entries, as a mapping from keys to values; a context manager that may be entered many times.

    What has expired counts as absent. A broken store never raises: it is warned about once, counted in `errors`, and
    then treated as empty.

    Attributes:
        errors: how often the store failed.
        damaged: how many entries were found that could not be read; they were removed.
    """

    def __init__(
        self,
        store: Store,
        space: str,
        codec: Codec,
        limits: Limits = Limits(),  # noqa: B008 - a tuple
        ttl: Callable[[], float | None] = lambda: None,
    ) -> None:
        self.errors = 0
        self.damaged = 0
        self._store = store
        self._space = space
        self._codec = codec
        self._limits = limits
        self._ttl = ttl
        self._since_trim: int | None = None
        self._warned: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Stay open: others may be using the cache."""

    # ---- what the library uses

    def lookup(self, key: str) -> Hit | None:
        """Return the entry at `key`, or None where there is none that can be used."""
        record = self._guarded(self._store.get, self._space, key)
        if record is None or not record.alive(time.time()):
            return None
        try:
            return Hit(self._codec.decode(record.payload), record.seconds)
        except Undecodable as error:
            self.damaged += 1
            _logger.info("removed the entry %s of %s: %s", key, self._space, error)
            self._guarded(self._store.delete, self._space, [key])
            return None

    def version(self) -> Hashable:
        """Return something that is another when somebody else has changed entries."""
        version: Hashable = self._guarded(self._store.version)
        return version

    def keep(self, key: str, value: Any, ttl: float | None, seconds: float = 0.0) -> bool:
        """Store `value`, and tell whether that was possible.

        Args:
            key: where.
            value: what.
            ttl: seconds until it expires; None for never. An entry that would expire at once is not stored.
            seconds: how long the value took to compute.
        """
        if ttl is not None and ttl <= 0:
            return False
        try:
            payload = self._codec.encode(value)
        except UnstorableValue as error:
            self._warn("value", f"not cached: {error}")
            return False
        now = time.time()
        record = Record(payload, now, None if ttl is None else now + ttl, seconds)
        before = self.errors
        self._guarded(self._store.put, self._space, key, record)
        self._apply_limits()
        return self.errors == before

    # ---- what people use

    def __getitem__(self, key: str) -> Any:
        hit = self.lookup(key)
        if hit is None:
            raise KeyError(key)
        return hit.value

    def __setitem__(self, key: str, value: Any) -> None:
        self.keep(key, value, self._ttl())

    def __delitem__(self, key: str) -> None:
        """Remove an entry. That somebody else has removed it meanwhile is no error."""
        self._guarded(self._store.delete, self._space, [key])

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.lookup(key) is not None

    def __iter__(self) -> Iterator[str]:
        now = time.time()
        known = self._guarded(self._store.scan, self._space) or []
        return iter([info.key for info in known if info.expires_at is None or now < info.expires_at])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        """Be true even when empty: ``if cache`` asks whether there is one."""
        return True

    def touch(self, key: str) -> float:
        """Mark an entry used, and return when it was stored, in seconds since the epoch.

        For a key without an entry that is infinity, later than any time it is compared with.
        """
        record = self._guarded(self._store.get, self._space, key)
        return record.stored_at if record is not None and record.alive(time.time()) else math.inf

    def items(self) -> ItemsView[str, Any]:
        """Return the entries; one that is damaged, or that somebody removes meanwhile, is passed over."""
        return _Items(self)

    def values(self) -> ValuesView[Any]:
        """Return the values of `items`."""
        return _Values(self)

    def evict(self) -> int:
        """Remove what has expired, then the least recently used until the limits hold; return how many entries."""
        return self._guarded(self._store.trim, self._space, time.time(), *self._limits) or 0

    def clear(self) -> None:
        """Remove all entries."""
        self._guarded(self._store.delete, self._space)

    def close(self) -> None:
        """Let go of files; the next use opens them again."""
        self._guarded(self._store.close)

    def _apply_limits(self) -> None:
        if self._limits == (None, None):
            return
        self._since_trim = self._limits.slack if self._since_trim is None else self._since_trim + 1
        if self._since_trim >= self._limits.slack:
            self._since_trim = 0
            self._guarded(self._store.trim, self._space, time.time(), *self._limits.room())

    def _guarded(self, use: Callable[..., Any], *args: Any) -> Any:
        """Use the store; where it is broken, count that, say so once, and return None."""
        try:
            return use(*args)
        except _BROKEN as error:
            self.errors += 1
            self._warn("store", f"the cache does not work, and results are computed without it: {error}")
            return None

    def _warn(self, kind: str, text: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            warnings.warn(f"{self._space}: {text}", CacheWarning, stacklevel=4)


class _Items(ItemsView[str, Any]):
    """The entries that can be read."""

    def __init__(self, cache: Cache) -> None:
        super().__init__(cache)
        self._cache = cache

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        for key in self._cache:
            hit = self._cache.lookup(key)
            if hit is not None:
                yield key, hit.value


class _Values(ValuesView[Any]):
    """The values that can be read."""

    def __init__(self, cache: Cache) -> None:
        super().__init__(cache)
        self._cache = cache

    def __iter__(self) -> Iterator[Any]:
        return (value for _, value in self._cache.items())


_stores: weakref.WeakValueDictionary[Path, Store] = weakref.WeakValueDictionary()
_stores_lock = threading.Lock()
_flights: dict[Path, Flights] = {}


def open_flights(folder: str | Path) -> Flights:
    """Return the flights in `folder`: one table for the whole process."""
    path = Path(folder).expanduser().absolute()
    with _stores_lock:
        return _flights.setdefault(path, Flights(path))


def open_store(folder: str | Path) -> Store:
    """Return the store in `folder`: one for the whole process, however many workers use the folder."""
    path = Path(folder).expanduser().absolute()
    with _stores_lock:
        store = _stores.get(path)
        if store is None:
            store = TieredStore(MemoryStore(MEMORY_BUDGET), DiskStore(path))
            _stores[path] = store
        return store


@atexit.register
def _close_stores() -> None:
    for store in list(_stores.values()):
        with contextlib.suppress(*_BROKEN):
            store.close()


_forking: list[Store] = []


def _before_fork() -> None:
    """Close all stores: a child that shares a connection believes in locks that only its parent holds."""
    _stores_lock.acquire()
    _forking[:] = list(_stores.values())
    for store in _forking:
        store.before_fork()
    for flights in _flights.values():
        flights.before_fork()


def _after_fork(*, is_child: bool) -> None:
    for flights in _flights.values():
        flights.after_fork(is_child=is_child)
    for store in _forking:
        store.after_fork()
    _forking.clear()
    _stores_lock.release()


os.register_at_fork(
    before=_before_fork,
    after_in_parent=partial(_after_fork, is_child=False),
    after_in_child=partial(_after_fork, is_child=True),
)
