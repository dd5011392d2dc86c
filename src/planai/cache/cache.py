"""Cache: the mapping that people touch, over a store and a codec, with a time to live and limits."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, ItemsView, Iterator, MutableMapping, ValuesView
from typing import Any, Self

from planai.cache.answer import Answer, Hit, Limits
from planai.cache.codec import Codec
from planai.cache.entries import Entries
from planai.cache.guard import CacheWarning
from planai.cache.store import Store
from planai.cache.views import ReadableItems, ReadableValues

__all__ = ["Cache", "CacheWarning"]


class Cache(Entries, MutableMapping[str, Any]):
    """One worker's entries, as a mapping from keys to values; a context manager that may be entered many times.

    What has expired counts as absent. A broken store never raises: it is warned about once, counted in `stats`, and
    then treated as empty.

    Args:
        store: where the entries are.
        space: the name of this worker's part of the store.
        codec: turns values into bytes, and back.
        limits: how much may be kept.
        ttl: returns for how many seconds an entry that is set by ``cache[key] = value`` counts; None for ever.

    Attributes:
        stats: what was found, stored and removed, in this process.
    """

    def __init__(
        self,
        store: Store,
        space: str,
        codec: Codec,
        limits: Limits = Limits(),  # noqa: B008 - a tuple
        ttl: Callable[[], float | None] = lambda: None,
    ) -> None:
        super().__init__(store, space, codec, limits)
        self._ttl = ttl

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Stay open: others may be using the cache."""

    @property
    def errors(self) -> int:
        """How often the store failed."""
        return self.stats.errors

    @property
    def damaged(self) -> int:
        """How many entries were found that could not be read; they were set aside."""
        return self.stats.quarantined

    def lookup(self, key: str) -> Hit | None:
        """Return the entry at `key`, or None where there is none that can be used."""
        return self.look(key)[0]

    def __getitem__(self, key: str) -> Any:
        hit = self.lookup(key)
        if hit is None:
            raise KeyError(key)
        return hit.value

    def __setitem__(self, key: str, value: Any) -> None:
        self.keep(key, Answer(value, self._ttl()))

    def __delitem__(self, key: str) -> None:
        """Remove an entry. That somebody else has removed it meanwhile is no error."""
        self._guard.use(self._store.delete, self._space, [key], mends=True)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.peek(key)[0] is not None

    def __iter__(self) -> Iterator[str]:
        now = time.time()
        known = self._guard.use(self._store.scan, self._space, mends=True) or []
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
        record = self._guard.use(self._store.get, self._space, key, mends=True)
        return record.stored_at if record is not None and record.alive(time.time()) else math.inf

    def items(self) -> ItemsView[str, Any]:
        """Return the entries; one that is damaged, or that somebody removes meanwhile, is passed over."""
        return ReadableItems(self)

    def values(self) -> ValuesView[Any]:
        """Return the values of `items`."""
        return ReadableValues(self)

    def evict(self) -> int:
        """Remove what has expired, then the least recently used until the limits hold; return how many entries."""
        return self._trim(self._limits)

    def clear(self) -> None:
        """Remove all entries. What is being computed meanwhile is not stored any more."""
        self._guard.use(self._store.delete, self._space, mends=True)
        self._questions.clear()

    def close(self) -> None:
        """Let go of files; the next use opens them again."""
        self._guard.use(self._store.close, mends=False)
