"""Board: the events of a run, folded into figures for results and screens."""

from __future__ import annotations

from dataclasses import dataclass, field

from planai.events import Event, Failed, Finished


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
        seconds: time spent in calls, summed over threads.
        saved: seconds that the hits took to compute at first.
    """

    queued: int = 0
    completed: int = 0
    failed: int = 0
    retried: int = 0
    hits: int = 0
    misses: int = 0
    seconds: float = 0.0
    saved: float = 0.0


@dataclass(slots=True)
class Board:
    """The figures of each worker, by its key in the plan."""

    workers: dict[str, WorkerFigures] = field(default_factory=dict)

    def queue(self, worker: str) -> None:
        """Count a call that waits from now on."""
        self.workers[worker].queued += 1

    def see(self, event: Event, *, retried: bool = False) -> None:
        """Count the end of a call; `retried` tells whether a failed one is tried again."""
        if isinstance(event, Finished):
            self._finish(self.workers[event.worker], event)
        elif isinstance(event, Failed):
            figures = self.workers[event.worker]
            figures.queued -= 1
            figures.seconds += event.seconds
            figures.retried += retried
            figures.failed += not retried

    def total(self) -> WorkerFigures:
        """Return the sum over all workers."""
        rows = list(self.workers.values())
        return WorkerFigures(
            **{name: sum(getattr(row, name) for row in rows) for name in WorkerFigures.__dataclass_fields__}
        )

    @staticmethod
    def _finish(figures: WorkerFigures, event: Finished) -> None:
        figures.queued -= 1
        figures.completed += 1
        figures.seconds += event.seconds
        figures.saved += event.saved
        if event.replayed is not None:
            figures.hits += event.replayed
            figures.misses += not event.replayed
