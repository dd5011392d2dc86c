"""A store above another: recent records are read from memory, as long as nobody else has changed the lower store."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable
from typing import Protocol

from planai.cache.store import Info, Order, Record, Store


class Upper(Store, Protocol):
    """A store that can be emptied at once, such as `MemoryStore`."""

    def clear(self) -> None:
        """Forget all records of all spaces."""


class TieredStore:
    """Reads from `upper` first, and writes to `lower` first."""

    def __init__(self, upper: Upper, lower: Store) -> None:
        self._upper = upper
        self._lower = lower
        self._seen: Hashable = None
        self._generations: dict[str, int] = {}
        # Readers take turns: each look at a file lets another thread run, and many at once would only switch.
        self._reading = threading.Lock()

    def get(self, space: str, key: str) -> Record | None:
        """Return the record, or None."""
        with self._reading:
            version = self._current()
            found = self._upper.get(space, key) if version is not None else None
            if found is not None:
                self._lower.touch(space, key)
                return found
            found = self._lower.get(space, key)
            if found is not None and version is not None and self._lower.version() == version:
                self._upper.put(space, key, found)
            return found

    def peek(self, space: str, key: str) -> Record | None:
        """Return the record of the lower store, or None, without marking it used."""
        return self._lower.peek(space, key)

    def put(self, space: str, key: str, record: Record, generation: int | None = None) -> bool:
        """Keep `record`, and tell whether it was kept."""
        kept = self._lower.put(space, key, record, generation)
        with self._reading:  # after a reader that has seen the old record has put it into the upper store
            self._upper.delete(space, [key])
        return kept

    def delete(self, space: str, keys: Iterable[str] | None = None) -> int:
        """Remove records."""
        listed = None if keys is None else list(keys)
        gone = self._lower.delete(space, listed)
        with self._reading:
            self._upper.delete(space, listed)
            if listed is None:
                self._generations.pop(space, None)
        return gone

    def scan(self, space: str | None = None, keys: Iterable[str] | None = None, last: int | None = None) -> list[Info]:
        """Return what is known of records, the least recently used first."""
        return self._lower.scan(space, keys, last)

    def touch(self, space: str, key: str) -> None:
        """Mark a record used."""
        self._lower.touch(space, key)

    def trim(self, space: str, now: float, entries: int | None, size: int | None, order: Order = "used") -> int:
        """Remove what has expired, then what is first in `order`."""
        gone = self._lower.trim(space, now, entries, size, order)
        if gone:
            with self._reading:
                self._upper.clear()
        return gone

    def generation(self, space: str) -> int:
        """Return how often the space was cleared; remembered as long as nobody else has changed the lower store."""
        with self._reading:
            version = self._current()
            found = self._generations.get(space) if version is not None else None
            if found is None:
                found = self._lower.generation(space)
                if version is not None and self._lower.version() == version:
                    self._generations[space] = found
            return found

    def begin(self, space: str, key: str) -> int | None:
        """Return the generation; None where the lower store has a record."""
        return self._lower.begin(space, key)

    def version(self) -> Hashable:
        """Return the version of the lower store."""
        return self._lower.version()

    def close(self) -> None:
        """Forget what is in memory, and close the lower store."""
        with self._reading:
            self._forget()
        self._lower.close()

    def before_fork(self) -> None:
        """Pass it on."""
        self._reading.acquire()
        self._upper.before_fork()
        self._lower.before_fork()

    def after_fork(self) -> None:
        """Pass it on."""
        self._lower.after_fork()
        self._upper.after_fork()
        self._reading.release()

    def _current(self) -> Hashable:
        """Return the version of the lower store; forget everything when it is not the one seen before."""
        version = self._lower.version()
        if version != self._seen:
            self._forget()
            self._seen = version
        return version

    def _forget(self) -> None:
        self._upper.clear()
        self._generations.clear()
