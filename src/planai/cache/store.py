"""The seam between the cache and what keeps its entries: bytes and times, and no more."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import NamedTuple, Protocol


class Record(NamedTuple):
    """An entry as it is kept.

    Attributes:
        payload: what the codec made of the value.
        stored_at: when it was stored, in seconds since the epoch.
        expires_at: from when on it counts as absent, in seconds since the epoch; None for never.
        seconds: how long the value took to compute.
    """

    payload: bytes
    stored_at: float
    expires_at: float | None = None
    seconds: float = 0.0

    def alive(self, now: float) -> bool:
        """Tell whether the entry has not expired."""
        return self.expires_at is None or now < self.expires_at


class Info(NamedTuple):
    """What is known of an entry without reading it; times in seconds since the epoch, size in bytes."""

    key: str
    stored_at: float
    used_at: float
    expires_at: float | None
    size: int


class Store(Protocol):
    """Keeps records by space and key. A space belongs to one worker. Safe for threads.

    Every implementation passes the conformance suite in ``tests/cache/test_stores.py``.
    """

    def get(self, space: str, key: str) -> Record | None:
        """Return the record, expired ones included, and mark it used; None where there is none."""

    def put(self, space: str, key: str, record: Record) -> None:
        """Keep `record` in place of what was there. When this returns, the death of the process loses nothing."""

    def delete(self, space: str, keys: Iterable[str] | None = None) -> int:
        """Remove records (all of the space for None), and return how many there were."""

    def scan(self, space: str) -> list[Info]:
        """Return what is known of all records of the space, the least recently used first."""

    def touch(self, space: str, key: str) -> None:
        """Mark a record used. May take effect later, with the next write."""

    def trim(self, space: str, now: float, entries: int | None, size: int | None) -> int:
        """Remove what has expired at `now`, then the least recently used until the limits hold; return how many.

        Args:
            space: whose records.
            now: seconds since the epoch.
            entries: how many may stay.
            size: how many bytes of payload may stay.
        """

    def version(self) -> Hashable:
        """Return something that differs from before when records may have changed by other hands than this object's."""

    def close(self) -> None:
        """Let go of files and connections; the next use opens them again."""

    def before_fork(self) -> None:
        """Let go of files, and hold all locks: no other thread may hold one at the moment of a fork."""

    def after_fork(self) -> None:
        """Release the locks, in the parent as in the child."""
