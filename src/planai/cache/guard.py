"""Guard: uses a store that may be broken, so that no run fails because of its cache."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Callable
from typing import Any

from planai.cache.counters import CacheStats
from planai.cache.store import Store

BROKEN = (sqlite3.Error, OSError, UnicodeError)
"""What a store raises that cannot do its part."""


class CacheWarning(UserWarning):
    """The cache could not do its part; results are right all the same, but are computed again."""


class Guard:
    """Calls the verbs of a store; where the store is broken, that is counted and warned about once, not raised."""

    def __init__(self, store: Store, space: str, stats: CacheStats) -> None:
        self._store = store
        self._space = space
        self._stats = stats
        self._warned: set[str] = set()

    def use(self, verb: Callable[..., Any], *args: Any) -> Any:
        """Return what a verb of the store returns, or None where the store is broken."""
        try:
            return verb(*args)
        except BROKEN as error:
            self._stats.count(errors=1)
            is_damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
            remedy = "; `planai cache verify --repair` makes it usable again" if is_damaged else ""
            self.warn(
                "store",
                f"the cache does not work, and results are computed without it: {error}, in {self._store!r}{remedy}",
            )
            return None

    def warn(self, kind: str, text: str) -> None:
        """Give a `CacheWarning`, once for each kind."""
        if kind not in self._warned:
            self._warned.add(kind)
            warnings.warn(f"{self._space}: {text}", CacheWarning, stacklevel=4)
