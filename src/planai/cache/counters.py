"""Statistics: what a worker's cache did in this process."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field

from planai.cost import FREE, Cost


@dataclass(slots=True)
class CacheStats:
    """What one worker's cache did in this process.

    Attributes:
        hits: look-ups that found an answer.
        misses: look-ups that found none, or none that could be used; one for each try of a call.
        stores: answers that were stored.
        stored: their bytes.
        evictions: entries that were removed to keep the limits, expired ones included.
        quarantined: damaged entries that were set aside.
        errors: how often the store failed.
        saved: what the hits took to compute at first.
        spent: what was stored took to compute.
        reasons: the misses by reason, of calls that have computed.
        waits: hits that waited for another call that computed the same.
    """

    hits: int = 0
    misses: int = 0
    stores: int = 0
    stored: int = 0
    evictions: int = 0
    quarantined: int = 0
    errors: int = 0
    saved: Cost = FREE
    spent: Cost = FREE
    reasons: Counter[str] = field(default_factory=Counter)
    waits: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @property
    def hit_rate(self) -> float:
        """Hits per look-up, from 0 to 1."""
        return self.hits / max(1, self.hits + self.misses)

    def count(self, **figures: int) -> None:
        """Add to some of the figures."""
        with self._lock:
            for name, number in figures.items():
                setattr(self, name, getattr(self, name) + number)

    def hit(self, cost: Cost) -> None:
        """Count a hit that saved `cost`."""
        with self._lock:
            self.hits += 1
            self.saved = self.saved.plus(cost)

    def miss(self, reason: str = "") -> None:
        """Count a miss; `reason` tells what was wrong with an entry that was there."""
        with self._lock:
            self.misses += 1
            if reason:
                self.reasons[reason] += 1

    def take_back_miss(self, reason: str = "") -> None:
        """Forget a miss of a call that looks again, since somebody else computes the same."""
        with self._lock:
            self.misses -= 1
            if reason:
                self.reasons -= Counter([reason])

    def take_back_hit(self, cost: Cost, reason: str) -> None:
        """Count a hit as a miss after all, since what was found could not be used."""
        with self._lock:
            self.hits -= 1
            self.misses += 1
            self.saved = self.saved.plus(cost.times(-1))
            self.reasons[reason] += 1

    def explain_miss(self, reason: str) -> None:
        """Tell why a miss, which was counted without a reason, is one."""
        with self._lock:
            self.reasons[reason] += 1

    def store(self, size: int, cost: Cost) -> None:
        """Count an answer of `size` bytes that was stored."""
        with self._lock:
            self.stores += 1
            self.stored += size
            self.spent = self.spent.plus(cost)
