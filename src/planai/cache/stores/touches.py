"""Touches: which entries were used, when and how often, until that is written down."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable
from typing import Generic, TypeVar

Name = TypeVar("Name", bound=Hashable)


class Touches(Generic[Name]):
    """Counts uses by the name of an entry. Safe for threads.

    A write takes the counts, and gives them back when it did not come about.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used: dict[Name, tuple[float, int]] = {}

    def __len__(self) -> int:
        return len(self._used)

    def add(self, name: Name) -> int:
        """Count one use, now; return how many entries are waiting to be written."""
        now = time.time()
        with self._lock:
            found = self._used.get(name)
            self._used[name] = (now, 1 if found is None else found[1] + 1)
            return len(self._used)

    def take(self) -> dict[Name, tuple[float, int]]:
        """Return when each was last used, and how often since the last time, and begin anew."""
        with self._lock:
            taken, self._used = self._used, {}
            return taken

    def give_back(self, taken: dict[Name, tuple[float, int]]) -> None:
        """Count again what was taken and could not be written."""
        with self._lock:
            for name, (when, hits) in taken.items():
                later, more = self._used.get(name, (when, 0))
                self._used[name] = (later, hits + more)

    def before_fork(self) -> None:
        """Hold the lock."""
        self._lock.acquire()

    def after_fork(self, *, is_child: bool) -> None:
        """Release the lock; what the parent counted is for the parent to write."""
        if is_child:
            self._used = {}
        self._lock.release()
