"""A store in this process: for tests, and as the upper tier over another store."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterable
from typing import NamedTuple

from planai.cache.store import Info, Order, Record, newest

EXPIRY_SECONDS = 30.0
"""How often a put also removes what has expired, at most."""

_OVERHEAD = 200
"""Bytes that an entry costs beyond its payload, roughly."""


class _Kept(NamedTuple):
    record: Record
    used_at: float
    hits: int


class MemoryStore:
    """Keeps records in a dict, and no more bytes than `budget`: the least recently used go first."""

    def __init__(self, budget: int | None = None) -> None:
        self._budget = budget
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._cleared: Counter[str] = Counter()
        self._size = 0
        self._used_at = 0.0
        self._next_expiry = 0.0

    def get(self, space: str, key: str) -> Record | None:
        """Return the record, or None."""
        with self._lock:
            found = self._kept.get((space, key))
            if found is None:
                return None
            self._kept[space, key] = _Kept(found.record, self._moment(), found.hits + 1)
            self._kept.move_to_end((space, key))
            return found.record

    def peek(self, space: str, key: str) -> Record | None:
        """Return the record, or None, without marking it used."""
        found = self._kept.get((space, key))
        return None if found is None else found.record

    def put(self, space: str, key: str, record: Record, generation: int | None = None) -> bool:
        """Keep `record`, unless it alone is larger than the budget; tell whether it was kept."""
        with self._lock:
            self._remove_expired()
            if generation is not None and generation != self._cleared[space]:
                return False
            self._remove((space, key))
            if self._budget is not None and _size(record) > self._budget:
                return False
            self._kept[space, key] = _Kept(record, self._moment(), 0)
            self._size += _size(record)
            while self._budget is not None and self._size > self._budget:
                self._remove(next(iter(self._kept)))
            return True

    def delete(self, space: str, keys: Iterable[str] | None = None) -> int:
        """Remove records."""
        names = None if keys is None else [(space, key) for key in keys]  # by the caller's code: not under the lock
        with self._lock:
            if names is None:
                self._cleared[space] += 1
                names = [name for name in self._kept if name[0] == space]
            return sum(self._remove(name) for name in names)

    def scan(self, space: str | None = None, keys: Iterable[str] | None = None, last: int | None = None) -> list[Info]:
        """Return what is known of records, the least recently used first."""
        wanted = None if keys is None else set(keys)
        with self._lock:
            if space is None or wanted is None:
                found = [
                    _info(name, kept)
                    for name, kept in self._kept.items()
                    if space in {None, name[0]} and (wanted is None or name[1] in wanted)
                ]
            else:
                names = [(space, key) for key in wanted]
                found = [_info(name, self._kept[name]) for name in names if name in self._kept]
        return newest(sorted(found, key=lambda info: info.used_at), last)

    def touch(self, space: str, key: str) -> None:
        """Mark a record used."""
        self.get(space, key)

    def trim(self, space: str, now: float, entries: int | None, size: int | None, order: Order = "used") -> int:
        """Remove what has expired, then what is first in `order`."""
        known = self.scan(space)
        gone = [info.key for info in known if info.expires_at is not None and info.expires_at <= now]
        left = [info for info in known if info.key not in set(gone)]
        if order == "cost":
            left.sort(key=lambda info: info.cost.seconds / max(info.size, 1))
        used = sum(info.size for info in left)
        for number, info in enumerate(left):
            fits = entries is None or len(left) - number <= entries
            if fits and (size is None or used <= size):
                break
            gone.append(info.key)
            used -= info.size
        return self.delete(space, gone)

    def generation(self, space: str) -> int:
        """Return how often the space was cleared."""
        return self._cleared[space]

    def begin(self, space: str, key: str) -> int | None:
        """Return the generation; None where there is a record."""
        with self._lock:
            return None if (space, key) in self._kept else self._cleared[space]

    def version(self) -> Hashable:
        """Return always the same: nobody else has hands on a dict of this process."""
        return 0

    def close(self) -> None:
        """Keep everything: there is nothing to let go of."""

    def before_fork(self) -> None:
        """Hold the lock, so that nobody else does in the child."""
        self._lock.acquire()

    def after_fork(self) -> None:
        """Release the lock."""
        self._lock.release()

    def clear(self) -> None:
        """Forget all records of all spaces."""
        with self._lock:
            self._kept.clear()
            self._size = 0

    def _moment(self) -> float:
        """Return the time, but never the same twice, nor an earlier one after a later one: uses have an order."""
        self._used_at = max(time.time(), math.nextafter(self._used_at, math.inf))
        return self._used_at

    def _remove_expired(self) -> None:
        if time.monotonic() >= self._next_expiry:
            self._next_expiry = time.monotonic() + EXPIRY_SECONDS
            now = time.time()
            ends = [(name, kept.record.expires_at) for name, kept in self._kept.items()]
            for name in [name for name, end in ends if end is not None and end <= now]:
                self._remove(name)

    def _remove(self, name: tuple[str, str]) -> bool:
        found = self._kept.pop(name, None)
        if found is not None:
            self._size -= _size(found.record)
        return found is not None


def _info(name: tuple[str, str], kept: _Kept) -> Info:
    record = kept.record
    size = len(record.payload)
    return Info(
        *name, record.stored_at, kept.used_at, record.expires_at, size, kept.hits, cost=record.cost, about=record.about
    )


def _size(record: Record) -> int:
    return len(record.payload) + len(record.about) + _OVERHEAD
