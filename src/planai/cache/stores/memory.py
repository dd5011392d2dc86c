"""A store in this process: for tests, and as the upper tier over another store."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Iterable

from planai.cache.store import Info, Record

_OVERHEAD = 200
"""Bytes that an entry costs beyond its payload, roughly."""


class MemoryStore:
    """Keeps records in a dict, and no more bytes than `budget`: the least recently used go first."""

    def __init__(self, budget: int | None = None) -> None:
        self._budget = budget
        self._lock = threading.Lock()
        self._records: OrderedDict[tuple[str, str], tuple[Record, float]] = OrderedDict()
        self._size = 0

    def get(self, space: str, key: str) -> Record | None:
        """Return the record, or None."""
        with self._lock:
            found = self._records.get((space, key))
            if found is None:
                return None
            self._records[space, key] = (found[0], time.time())
            self._records.move_to_end((space, key))
            return found[0]

    def put(self, space: str, key: str, record: Record) -> None:
        """Keep `record`, unless it alone is larger than the budget."""
        with self._lock:
            self._remove((space, key))
            if self._budget is not None and _size(record) > self._budget:
                return
            self._records[space, key] = (record, time.time())
            self._size += _size(record)
            while self._budget is not None and self._size > self._budget:
                self._remove(next(iter(self._records)))

    def delete(self, space: str, keys: Iterable[str] | None = None) -> int:
        """Remove records."""
        with self._lock:
            wanted = (
                [name for name in self._records if name[0] == space] if keys is None else [(space, k) for k in keys]
            )
            return sum(self._remove(name) for name in wanted)

    def scan(self, space: str) -> list[Info]:
        """Return what is known of all records, the least recently used first."""
        with self._lock:
            return [
                Info(key, record.stored_at, used, record.expires_at, len(record.payload))
                for (owner, key), (record, used) in self._records.items()
                if owner == space
            ]

    def touch(self, space: str, key: str) -> None:
        """Mark a record used."""
        self.get(space, key)

    def trim(self, space: str, now: float, entries: int | None, size: int | None) -> int:
        """Remove what has expired, then the least recently used."""
        known = self.scan(space)
        gone = [info.key for info in known if info.expires_at is not None and info.expires_at <= now]
        left = [info for info in known if info.key not in set(gone)]
        used = sum(info.size for info in left)
        for number, info in enumerate(left):
            fits = entries is None or len(left) - number <= entries
            if fits and (size is None or used <= size):
                break
            gone.append(info.key)
            used -= info.size
        return self.delete(space, gone)

    def version(self) -> Hashable:
        """Nobody else has hands on a dict of this process."""
        return None

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
            self._records.clear()
            self._size = 0

    def _remove(self, name: tuple[str, str]) -> bool:
        found = self._records.pop(name, None)
        if found is not None:
            self._size -= _size(found[0])
        return found is not None


def _size(record: Record) -> int:
    return len(record.payload) + _OVERHEAD
