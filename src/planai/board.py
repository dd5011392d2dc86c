"""Board: the events of a run, folded into figures for results and screens."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields

from planai.cost import FREE, Cost
from planai.events import Aborted, Event, Failed, Finished, Lookup


@dataclass(slots=True)
class WorkerFigures:
    """What happened to the calls of one worker.

    Attributes:
        queued: calls that wait or run.
        completed: calls that ended well, replayed ones included.
        failed: calls that failed for good.
        retried: failed tries that were followed by another.
        hits: calls answered from the cache.
        misses: calls of a cached worker that had to compute.
        reasons: how many misses there were for each reason.
        waits: calls that waited for another that computed the same.
        stale: hits that were older than their time to live.
        stored: bytes that were stored.
        seconds: time spent in calls, summed over threads.
        spent: what the misses took to compute.
        saved: what the hits took to compute at first, and what of the misses was found in a cache.
    """

    queued: int = 0
    completed: int = 0
    failed: int = 0
    retried: int = 0
    hits: int = 0
    misses: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    waits: int = 0
    stale: int = 0
    stored: int = 0
    seconds: float = 0.0
    spent: Cost = FREE
    saved: Cost = FREE

    def look_up(self, lookup: Lookup) -> None:
        """Count what a cache was asked."""
        self.waits += lookup.waited
        self.stale += lookup.stale
        self.stored += lookup.stored
        if lookup.hit:
            self.hits += 1
            self.saved = self.saved.plus(lookup.cost)
        else:
            self.misses += 1
            self.reasons[lookup.reason] += 1
            self.spent = self.spent.plus(lookup.cost)
            self.saved = self.saved.plus(lookup.found)

    def add(self, other: WorkerFigures) -> None:
        """Add the figures of another."""
        for item in fields(self):
            mine, others = getattr(self, item.name), getattr(other, item.name)
            setattr(self, item.name, mine.plus(others) if isinstance(mine, Cost) else mine + others)


@dataclass(slots=True)
class Board:
    """The figures of each worker, by its key in the plan."""

    workers: dict[str, WorkerFigures] = field(default_factory=dict)

    def queue(self, worker: str) -> None:
        """Count a call that waits from now on."""
        self.workers[worker].queued += 1

    def drop(self, worker: str) -> None:
        """Count a call that waits no more, and was not made or came to nothing."""
        self.workers[worker].queued -= 1

    def see(self, event: Event, *, retried: bool = False) -> None:
        """Count the end of a call; `retried` tells whether a failed one is tried again."""
        if isinstance(event, Finished):
            self.finish(event)
        elif isinstance(event, Failed):
            figures = self.workers[event.worker]
            figures.queued -= 1
            figures.seconds += event.seconds
            figures.retried += retried
            figures.failed += not retried
        elif isinstance(event, Aborted):
            self.workers[event.worker].queued -= 1

    def total(self) -> WorkerFigures:
        """Return the sum over all workers."""
        total = WorkerFigures()
        for row in self.workers.values():
            total.add(row)
        return total

    def finish(self, event: Finished) -> None:
        """Count a call that ended well."""
        figures = self.workers[event.worker]
        figures.queued -= 1
        figures.completed += 1
        figures.seconds += event.seconds
        if event.lookup is not None:
            figures.look_up(event.lookup)
