"""Cache: the mapping that people touch, over a store and a codec, with a time to live and limits."""

from __future__ import annotations

import logging
import math
import sqlite3
import time
import warnings
from collections.abc import Callable, ItemsView, Iterable, Iterator, MutableMapping, ValuesView
from typing import Any, Self

from planai.cache.about import QUARANTINE, QUESTIONS, About
from planai.cache.answer import Answer, Hit, Limits
from planai.cache.canonical import digest
from planai.cache.codec import Codec, Undecodable
from planai.cache.counters import CacheStats
from planai.cache.store import Info, Record, Store
from planai.cache.views import ReadableItems, ReadableValues
from planai.errors import UnstorableValue

BROKEN = (sqlite3.Error, OSError, UnicodeError)
"""What a store raises that cannot do its part."""

EXPIRED = "expired"
PROVENANCE = "what it looks up in the provenance of its input is new"
DAMAGED = "damaged, or of another version of a class"
_QUARANTINED = 100
_LONGEST_CHAIN = 64
_logger = logging.getLogger(__name__)


class CacheWarning(UserWarning):
    """The cache could not do its part; results are right all the same, but are computed again."""


class Cache(MutableMapping[str, Any]):
    """One worker's entries, as a mapping from keys to values; a context manager that may be entered many times.

    What has expired counts as absent. A broken store never raises: it is warned about once, counted in `stats`, and
    then treated as empty.

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
        self.stats = CacheStats()
        self._store = store
        self._space = space
        self._codec = codec
        self._limits = limits
        self._ttl = ttl
        self._added: tuple[int, int] | None = None
        self._warned: set[str] = set()

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

    @property
    def store(self) -> Store:
        """The store, which other caches may share."""
        return self._store

    @property
    def space(self) -> str:
        """The name of the space in the store."""
        return self._space

    # ---- what the library uses

    def lookup(self, key: str) -> Hit | None:
        """Return the entry at `key`, or None where there is none that can be used."""
        return self.look(key)[0]

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
        hit, reason = self.peek(key, find, ttl=ttl, grace=grace, repair=repair)
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
        """Do what `look` does, without counting it."""
        reads: tuple[str, ...] = ()
        if find is not None:
            try:
                key, reads = self._follow(key, find)
            except Exception as error:  # noqa: BLE001 - a damaged question, or what is found now has no identity
                return None, f"{PROVENANCE}, and cannot be compared: {error}"
        record = self._guarded(self._store.get, self._space, key)
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
        return Hit(value, record.cost, record.stale_at is not None and now >= record.stale_at, reads, record.about), ""

    def keep(self, key: str, answer: Answer) -> int:
        """Store an answer, and return its size in bytes; 0 when that was not possible."""
        if answer.ttl is not None and answer.ttl + answer.grace <= 0:
            return 0
        try:
            payload = self._codec.encode(answer.value)
        except UnstorableValue as error:
            self._warn("value", f"not cached: {error}")
            return 0
        if self._limits.size is not None and len(payload) > self._limits.size:
            self._warn(
                "limit", f"an entry of {len(payload)} bytes is larger than the limit of {self._limits.size}: not kept"
            )
            return 0
        now = time.time()
        stale_at = None if answer.ttl is None else now + answer.ttl
        expires_at = None if stale_at is None or answer.grace == math.inf else stale_at + answer.grace
        record = Record(payload, now, expires_at, stale_at if answer.grace else None, answer.cost, answer.about)
        last = key
        for look_up, found in answer.reads:
            last = _next(last, look_up, found)
        if not self._guarded(self._store.put, self._space, last, record, answer.generation):
            return 0
        self._ask(key, answer, now)
        self.stats.store(len(payload), answer.cost)
        self._apply_limits(len(payload))
        return len(payload)

    def copy(self, key: str, to: str, about: bytes) -> bool:
        """Store an entry also under another key, as the classes of the program have it now; tell whether it fits them.

        Times and cost stay those of the entry.
        """
        record: Record | None = self._guarded(self._store.get, self._space, key)
        if record is None:
            return False
        try:
            payload = self._codec.encode(self._codec.decode(record.payload))
        except (Undecodable, UnstorableValue) as error:
            _logger.info("the entry %s of %s cannot be migrated: %s", key, self._space, error)
            return False
        return bool(self._guarded(self._store.put, self._space, to, record._replace(payload=payload, about=about)))

    def note(self, space: str, key: str, make: Callable[[], bytes]) -> None:
        """Write what `make` returns, something for people, into another space, unless it is there."""
        if not self._guarded(self._store.scan, space, [key]):
            self._guarded(self._store.put, space, key, Record(b"", time.time(), about=make()))

    def notes(self, space: str, last: int | None = None) -> list[Info]:
        """Return what is known of a space, the least recently used first: of all entries, or of the `last` ones."""
        return self._guarded(self._store.scan, space, None, last) or []

    def known(self, keys: Iterable[str]) -> list[Info]:
        """Return what is known of the entries at `keys`, as far as there are any."""
        return self._guarded(self._store.scan, self._space, keys) or []

    def generation(self) -> int:
        """Return how often the cache was cleared."""
        return self._guarded(self._store.generation, self._space) or 0

    def begin(self, key: str) -> int | None:
        """Return the generation to who is about to compute the answer at `key`; None where one may be there already."""
        found: int | None = self._guarded(self._store.begin, self._space, key)
        return found

    # ---- what people use

    def __getitem__(self, key: str) -> Any:
        hit = self.lookup(key)
        if hit is None:
            raise KeyError(key)
        return hit.value

    def __setitem__(self, key: str, value: Any) -> None:
        self.keep(key, Answer(value, self._ttl()))

    def __delitem__(self, key: str) -> None:
        """Remove an entry. That somebody else has removed it meanwhile is no error."""
        self._guarded(self._store.delete, self._space, [key])

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.peek(key)[0] is not None

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
        return ReadableItems(self)

    def values(self) -> ValuesView[Any]:
        """Return the values of `items`."""
        return ReadableValues(self)

    def evict(self) -> int:
        """Remove what has expired, then the least recently used until the limits hold; return how many entries."""
        return self._trim(self._limits)

    def clear(self) -> None:
        """Remove all entries. What is being computed meanwhile is not stored any more."""
        self._guarded(self._store.delete, self._space)
        self._guarded(self._store.delete, QUESTIONS + self._space)

    def close(self) -> None:
        """Let go of files; the next use opens them again."""
        self._guarded(self._store.close)

    # ---- what decides besides the key

    def resolve(self, key: str, find: Callable[[str], str] | None) -> str:
        """Return the key under which the answer is kept: that to which the look-ups in the provenance lead."""
        return key if find is None else self._follow(key, find)[0]

    def _follow(self, key: str, find: Callable[[str], str]) -> tuple[str, tuple[str, ...]]:
        """Return the key that the look-ups in the provenance lead to, and these look-ups."""
        reads: list[str] = []
        while len(reads) < _LONGEST_CHAIN:
            record = self._guarded(self._store.get, QUESTIONS + self._space, key)
            if record is None:
                break
            look_up = self._codec.decode(record.payload)
            if not isinstance(look_up, str):
                break
            reads.append(look_up)
            key = _next(key, look_up, find(look_up))
        return key, tuple(reads)

    def _ask(self, key: str, answer: Answer, now: float) -> None:
        """Store which look-ups decide the answer at `key`, each below what the one before it found."""
        about = About(answer.id, kind="question").dump() if answer.reads else b""
        for look_up, found in answer.reads:
            space, payload = QUESTIONS + self._space, self._codec.encode(look_up)
            known = self._guarded(self._store.get, space, key)
            if known is None or known.payload != payload:
                self._guarded(self._store.put, space, key, Record(payload, now, about=about))
            key = _next(key, look_up, found)

    # ---- faults and limits

    def _quarantine(self, key: str, record: Record, error: Exception) -> None:
        """Set an entry aside that cannot be read, for people to look at; the newest hundred are kept."""
        self.stats.count(quarantined=1)
        _logger.info("set aside the entry %s of %s: %s", key, self._space, error)
        payload = record.payload if isinstance(record.payload, bytes) else b""  # others may write into the file
        aside = Record(payload, time.time(), about=str(error).encode("utf-8", "replace"))
        self._guarded(self._store.delete, self._space, [key])
        self._guarded(self._store.put, QUARANTINE, f"{self._space}\n{key}", aside)
        self._guarded(self._store.trim, QUARANTINE, time.time(), _QUARANTINED, None)

    def _apply_limits(self, newest: int) -> None:
        if self._limits[:2] == (None, None):
            return
        entries, size = (0, 0) if self._added is None else self._added
        is_first, self._added = self._added is None, (entries + 1, size + newest)
        if is_first or self._limits.are_due(*self._added):
            self._added = (0, 0)
            self._trim(self._limits.room(newest))

    def _trim(self, limits: Limits) -> int:
        gone: int = self._guarded(self._store.trim, self._space, time.time(), *limits) or 0
        self.stats.count(evictions=gone)
        return gone

    def _guarded(self, use: Callable[..., Any], *args: Any) -> Any:
        """Use the store; where it is broken, count that, say so once, and return None."""
        try:
            return use(*args)
        except BROKEN as error:
            self.stats.count(errors=1)
            self._warn(
                "store", f"the cache does not work, and results are computed without it: {error}, in {self._store!r}"
            )
            return None

    def _warn(self, kind: str, text: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            warnings.warn(f"{self._space}: {text}", CacheWarning, stacklevel=4)


def _next(key: str, look_up: str, found: str) -> str:
    return digest(key.encode("utf-8", "surrogatepass"), look_up.encode(), found.encode())
