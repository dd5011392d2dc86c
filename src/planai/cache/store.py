"""The seam between the cache and what keeps its entries: bytes and times, and no more."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from typing import Literal, NamedTuple, Protocol

from planai.cost import Cost

CLOCK_SKEW_SECONDS = 60.0
"""How far the clocks of those who share a store may differ. What was stored later than that has no known age."""

CacheMode = Literal["read_write", "refresh", "read_only", "replay", "off"]
"""How a worker uses its cache; what each word means is said by `CachedTaskWorker`."""

Order = Literal["used", "cost"]
"""What goes first when a limit is reached: the least recently used, or what cost the fewest seconds per byte."""


class Record(NamedTuple):
    """An entry as it is kept.

    Attributes:
        payload: what the codec made of the value.
        stored_at: when it was stored, in seconds since the epoch.
        expires_at: from when on it counts as absent, in seconds since the epoch; None for never.
        stale_at: from when on it is worth computing again although it may still be used; None for never.
        cost: what the value took to compute: seconds, tokens and dollars. The answers of unknown price are in `about`.
        about: how the value came about, for people who ask; see `planai.cache.about`.
    """

    payload: bytes
    stored_at: float
    expires_at: float | None = None
    stale_at: float | None = None
    cost: Cost = Cost()
    about: bytes = b""

    def alive(self, now: float) -> bool:
        """Tell whether the entry has not expired; one from the future, as clocks go, has no age and counts as old."""
        return self.expires_at is None or self.stored_at - CLOCK_SKEW_SECONDS <= now < self.expires_at

    def limited(self, ttl: float, grace: float) -> Record:
        """Return the entry as if it had been stored with a time to live of at most `ttl` seconds, and `grace` more."""
        stale_at = self.stored_at + ttl
        expires_at = None if grace == math.inf else stale_at + grace
        if self.expires_at is not None and (expires_at is None or self.expires_at <= expires_at):
            return self
        return self._replace(expires_at=expires_at, stale_at=stale_at if grace else None)


class Info(NamedTuple):
    """What is known of an entry without reading its payload; times in seconds since the epoch, size in bytes.

    Attributes:
        hits: how often the entry was read, as far as that has been written down.
    """

    space: str
    key: str
    stored_at: float
    used_at: float
    expires_at: float | None
    size: int
    hits: int
    cost: Cost
    about: bytes


def newest(infos: list[Info], last: int | None) -> list[Info]:
    """Return no more than the `last` ones; all for None."""
    return infos if last is None else infos[max(0, len(infos) - last) :]


TOLERATED_SECONDS = 1.0
"""How far in the future a use may be: what was used later than that, by a clock set back since, is first to go.

Else what is used from now on would go at once, until the clock is where it was.
"""


class Store(Protocol):
    """Keeps records by space and key. A space belongs to one worker. Safe for threads.

    Every implementation passes `planai.testing.StoreConformance`.
    """

    def get(self, space: str, key: str) -> Record | None:
        """Return the record, expired ones included, and mark it used; None where there is none."""

    def peek(self, space: str, key: str) -> Record | None:
        """Do what `get` does, without marking the record used: for who looks at a cache, and does not use it."""

    def put(self, space: str, key: str, record: Record, generation: int | None = None) -> bool:
        """Keep `record` in place of what was there. When this returns, the death of the process loses nothing.

        Args:
            space: whose record.
            key: where.
            record: what.
            generation: the `generation` of the space when the value began to be computed; nothing is kept if the space
                was cleared since. None keeps it in any case.

        Returns:
            Whether it was kept.
        """

    def delete(self, space: str, keys: Iterable[str] | None = None) -> int:
        """Remove records, and return how many there were; None clears the space, and begins a new generation."""

    def scan(self, space: str | None = None, keys: Iterable[str] | None = None, last: int | None = None) -> list[Info]:
        """Return what is known of records, expired ones included, the least recently used first.

        Args:
            space: of this space; None for all spaces.
            keys: of these keys only; those without a record are left out.
            last: no more than so many, the most recently used.
        """

    def touch(self, space: str, key: str) -> None:
        """Mark a record used. May take effect later, with the next write."""

    def trim(self, space: str, now: float, entries: int | None, size: int | None, order: Order = "used") -> int:
        """Remove what has expired at `now`, then what is first in `order` until the limits hold; return how many.

        Args:
            space: whose records.
            now: seconds since the epoch.
            entries: how many may stay.
            size: how many bytes of payload may stay.
            order: what goes first.
        """

    def generation(self, space: str) -> int:
        """Return how often the space was cleared."""

    def begin(self, space: str, key: str) -> int | None:
        """Return the `generation` to who is about to compute what belongs at `key`; None where there is a record."""

    def version(self) -> Hashable:
        """Return something that differs from before when records may have changed; None when that cannot be known."""

    def close(self) -> None:
        """Let go of files and connections; the next use opens them again."""

    def before_fork(self) -> None:
        """Let go of files, and hold all locks: no other thread may hold one at the moment of a fork."""

    def after_fork(self) -> None:
        """Release the locks, in the parent as in the child."""
