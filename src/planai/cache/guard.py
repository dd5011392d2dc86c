"""Guard: uses a store that may be broken, so that no run fails because of its cache."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from planai.cache.counters import CacheStats
from planai.cache.store import Store
from planai.cache.stores.damage import DamageError

BROKEN = (sqlite3.Error, OSError, UnicodeError)
"""What a store raises that cannot do its part."""


class CacheWarning(UserWarning):
    """The cache could not do its part; results are right all the same, but are computed again."""


@runtime_checkable
class Mendable(Protocol):
    """A store that can set aside what is damaged of it, and go on without."""

    def mend(self, error: Exception) -> str | None:
        """Mend what has raised `error`, and return what was done, in words; None where nothing can be done.

        The words are empty where there was nothing to do, as after another process has done so.
        """


class Guard:
    """Calls the verbs of a store; where the store is broken, that is counted and warned about once, not raised."""

    def __init__(self, store: Store, space: str, stats: CacheStats) -> None:
        self._store = store
        self._space = space
        self._stats = stats
        self._warned: set[str] = set()

    def use(self, verb: Callable[..., Any], *args: Any, mends: bool | None = None) -> Any:
        """Return what a verb of the store returns, or None where the store is broken.

        Args:
            verb: of the store.
            *args: its arguments.
            mends: whether the store may mend itself where it is damaged, after which the verb is tried again. None
                leaves it to a later use to do so, or to warn.
        """
        try:
            return verb(*args)
        except BROKEN as error:
            self._stats.count(errors=1)
            is_damage = isinstance(error, DamageError)
            if mends and is_damage and self._mend(error):
                return self.use(verb, *args, mends=False)
            if mends is not None or not is_damage:
                remedy = "; `planai cache verify --repair` makes it usable again" if is_damage else ""
                said = f"the cache does not work, and results are computed without it: {error}, in {self._store!r}"
                self.warn("store", said + remedy)
            return None

    def _mend(self, error: Exception) -> bool:
        """Let the store mend itself, say so, and tell whether it works again."""
        if not isinstance(self._store, Mendable):
            return False
        try:
            told = self._store.mend(error)
        except BROKEN:
            return False
        if told:
            self.warn("damage", told)
        return told is not None

    def warn(self, kind: str, text: str) -> None:
        """Give a `CacheWarning`, once for each kind."""
        if kind not in self._warned:
            self._warned.add(kind)
            warnings.warn(f"{self._space}: {text}", CacheWarning, stacklevel=4)
