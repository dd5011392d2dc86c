"""Entries: what a worker has kept in a store, as the library uses it: looked up by key, kept, and held to limits."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable

from planai.cache.about import QUARANTINE, whole_cost
from planai.cache.answer import Answer, Hit, Limits
from planai.cache.codec import Codec, Undecodable
from planai.cache.counters import CacheStats
from planai.cache.guard import Guard
from planai.cache.questions import Questions, key_after
from planai.cache.store import Info, Record, Store
from planai.errors import UnstorableValue

EXPIRED = "expired"
PROVENANCE = "what it looks up in the provenance of its input is new"
DAMAGED = "damaged, or of another version of a class"
_QUARANTINED = 100
_logger = logging.getLogger(__name__)


class Entries:
    """The entries of one space of a store, over a codec.

    Attributes:
        stats: what was found, stored and removed, in this process.
    """

    def __init__(self, store: Store, space: str, codec: Codec, limits: Limits) -> None:
        self.stats = CacheStats()
        self._store = store
        self._space = space
        self._codec = codec
        self._limits = limits
        self._guard = Guard(store, space, self.stats)
        self._questions = Questions(store, space, codec, self._guard)
        self._added: tuple[int, int] | None = None

    @property
    def store(self) -> Store:
        """The store, which other caches may share."""
        return self._store

    @property
    def space(self) -> str:
        """The name of the space in the store."""
        return self._space

    def look(
        self,
        key: str,
        find: Callable[[str], str] | None = None,
        *,
        ttl: float | None = None,
        grace: float = 0.0,
        repair: bool = True,
    ) -> tuple[Hit | None, str]:
        """Return the entry at `key`; or None, and what is wrong with what is there, if something is.

        Args:
            key: the key; what decides the answer besides it is looked up on the way.
            find: returns the digest of what a look-up in the provenance finds; None asks no such questions.
            ttl: seconds after which an entry is old, also where it was stored with a longer time; None for never.
            grace: seconds after that in which it may still be served.
            repair: whether what cannot be read is set aside.
        """
        hit, reason = self._find(self._store.get, key, find, ttl=ttl, grace=grace, repair=repair)
        if hit is None:
            self.stats.miss(reason)
        else:
            self.stats.hit(hit.cost)
        return hit, reason

    def peek(
        self,
        key: str,
        find: Callable[[str], str] | None = None,
        *,
        ttl: float | None = None,
        grace: float = 0.0,
        repair: bool = True,
    ) -> tuple[Hit | None, str]:
        """Do what `look` does, without counting it, and without marking the entry used."""
        return self._find(self._store.peek, key, find, ttl=ttl, grace=grace, repair=repair)

    def _find(
        self,
        get: Callable[[str, str], Record | None],
        key: str,
        find: Callable[[str], str] | None,
        *,
        ttl: float | None,
        grace: float,
        repair: bool,
    ) -> tuple[Hit | None, str]:
        reads: tuple[str, ...] = ()
        if find is not None:
            try:
                key, reads = self._questions.follow(key, find, mends=repair)
            except Exception as error:  # noqa: BLE001 - a damaged question, or what is found now has no identity
                return None, f"{PROVENANCE}, and cannot be compared: {error}"
        record = self._guard.use(get, self._space, key, mends=repair)
        if record is None:
            return None, PROVENANCE if reads else ""
        now = time.time()
        if ttl is not None:
            record = record.limited(ttl, grace)
        if not record.alive(now):
            return None, EXPIRED
        try:
            value = self._codec.decode(record.payload)
        except Undecodable as error:
            if repair:
                self._quarantine(key, record, error)
            return None, DAMAGED
        cost = whole_cost(record.cost, record.about)
        return Hit(value, cost, record.stale_at is not None and now >= record.stale_at, reads, record.about), ""

    def keep(self, key: str, answer: Answer) -> int:
        """Store an answer, and return its size in bytes; 0 when that was not possible."""
        if answer.ttl is not None and answer.ttl + answer.grace <= 0:
            return 0
        try:
            payload = self._codec.encode(answer.value)
        except UnstorableValue as error:
            self._guard.warn("value", f"not cached: {error}")
            return 0
        if self._limits.size is not None and len(payload) > self._limits.size:
            self._guard.warn(
                "limit", f"an entry of {len(payload)} bytes is larger than the limit of {self._limits.size}: not kept"
            )
            return 0
        now = time.time()
        stale_at = None if answer.ttl is None else now + answer.ttl
        expires_at = None if stale_at is None or answer.grace == math.inf else stale_at + answer.grace
        record = Record(payload, now, expires_at, stale_at if answer.grace else None, answer.cost, answer.about)
        there = key_after(key, answer.reads)
        if not self._guard.use(self._store.put, self._space, there, record, answer.generation, mends=True):
            return 0
        self._questions.keep(key, answer, now)
        self.stats.store(len(payload), answer.cost)
        self._apply_limits(len(payload))
        return len(payload)

    def copy(self, key: str, to: str, about: bytes) -> bool:
        """Store an entry also under another key, as the classes of the program have it now; tell whether it fits them.

        Times and cost stay those of the entry.
        """
        record: Record | None = self._guard.use(self._store.get, self._space, key, mends=True)
        if record is None:
            return False
        try:
            payload = self._codec.encode(self._codec.decode(record.payload))
        except (Undecodable, UnstorableValue) as error:
            _logger.info("the entry %s of %s cannot be migrated: %s", key, self._space, error)
            return False
        return bool(
            self._guard.use(self._store.put, self._space, to, record._replace(payload=payload, about=about), mends=True)
        )

    def note(self, space: str, key: str, make: Callable[[], bytes]) -> None:
        """Write what `make` returns, something for people, into another space, unless it is there."""
        if not self._guard.use(self._store.scan, space, [key]):
            self._guard.use(self._store.put, space, key, Record(b"", time.time(), about=make()), mends=True)

    def notes(self, space: str, last: int | None = None) -> list[Info]:
        """Return what is known of a space, the least recently used first: of all entries, or of the `last` ones."""
        return self._guard.use(self._store.scan, space, None, last) or []

    def known(self, keys: Iterable[str]) -> list[Info]:
        """Return what is known of the entries at `keys`, as far as there are any."""
        return self._guard.use(self._store.scan, self._space, keys) or []

    def generation(self) -> int:
        """Return how often the cache was cleared."""
        return self._guard.use(self._store.generation, self._space) or 0

    def begin(self, key: str) -> int | None:
        """Return the generation to who is about to compute the answer at `key`; None where one may be there already."""
        found: int | None = self._guard.use(self._store.begin, self._space, key)
        return found

    def resolve(self, key: str, find: Callable[[str], str] | None) -> str:
        """Return the key under which the answer is kept: that to which the look-ups in the provenance lead."""
        return key if find is None else self._questions.follow(key, find)[0]

    def _quarantine(self, key: str, record: Record, error: Exception) -> None:
        """Set an entry aside that cannot be read, for people to look at; the newest hundred are kept."""
        self.stats.count(quarantined=1)
        _logger.info("set aside the entry %s of %s: %s", key, self._space, error)
        payload = record.payload if isinstance(record.payload, bytes) else b""  # others may write into the file
        aside = Record(payload, time.time(), about=str(error).encode("utf-8", "replace"))
        self._guard.use(self._store.delete, self._space, [key], mends=True)
        self._guard.use(self._store.put, QUARANTINE, f"{self._space}\n{key}", aside, mends=True)
        self._guard.use(self._store.trim, QUARANTINE, time.time(), _QUARANTINED, None, mends=True)

    def _apply_limits(self, newest: int) -> None:
        if self._limits[:2] == (None, None):
            return
        entries, size = (0, 0) if self._added is None else self._added
        is_first, self._added = self._added is None, (entries + 1, size + newest)
        if is_first or self._limits.are_due(*self._added):
            self._added = (0, 0)
            self._trim(self._limits.room(newest))

    def _trim(self, limits: Limits) -> int:
        gone: int = self._guard.use(self._store.trim, self._space, time.time(), *limits, mends=True) or 0
        self.stats.count(evictions=gone)
        return gone
