"""RunResult: what came of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from planai.bills import Bill
from planai.board import WorkerFigures
from planai.cost import Cost
from planai.provenance import ProvenanceChain
from planai.task import Task


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that failed for good.

    Attributes:
        worker: the key of the worker, its name.
        task: what it was to consume; for a join, the first task of its group.
        error: the exception of the last try.
        traceback: its formatted traceback.
        provenance: where the task came from.
        attempts: how often the call was tried; 0 for a join that was never called, since its group is not whole.
    """

    worker: str
    task: Task
    error: BaseException
    traceback: str
    provenance: ProvenanceChain
    attempts: int

    def __str__(self) -> str:
        tries = f" after {self.attempts} tries" if self.attempts > 1 else ""
        text = _shown(self.error, str)
        error = f"{type(self.error).__name__}{': ' if text else ''}{text}"
        return f"{self.worker} failed{tries} on {_shortened(_shown(self.task, repr))}: {error}"


@dataclass(frozen=True, slots=True)
class RunCache:
    """What the caches of a run did.

    Attributes:
        hits: calls that were answered from a cache.
        misses: calls of cached workers that had to compute; those that failed are among the run's failures instead.
        reasons: the misses by reason.
        waits: calls that waited for another that computed the same.
        stored: bytes that were stored.
        spent: what the misses took to compute.
        saved: what the hits took to compute at first.
        workers: the figures of each worker that asked a cache.
        remarks: what somebody should know, such as a field by which all misses differ from earlier answers.
    """

    hits: int
    misses: int
    reasons: Mapping[str, int]
    waits: int
    stored: int
    spent: Cost
    saved: Cost
    workers: Mapping[str, WorkerFigures]
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        misses = f", {self.misses} misses"
        if self.misses:
            misses += f" ({'; '.join(f'{reason}: {count}' for reason, count in self.reasons.items())})"
        return f"{self.hits} hits{misses}; {self.saved.seconds:.1f} s saved, {self.spent.seconds:.1f} s spent"


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came of a run.

    Attributes:
        outputs: what the sinks collected, in the order of the tasks' provenance.
        failures: the calls that failed for good, in the order in which they did.
        workers: figures by worker.
        seconds: how long the run took.
        interrupted: whether it was stopped before everything was done.
        unfinished: calls that waited when the run was interrupted.
        aborted: calls whose work was aborted before they were made, or ended.
        total: the figures of all workers together.
        remarks: what workers say of the run as a whole.
        bills: what the models of each worker were paid, whether it has a cache or not; failed calls included.
    """

    outputs: list[Task]
    failures: list[Failure]
    workers: dict[str, WorkerFigures]
    seconds: float
    interrupted: bool = False
    unfinished: int = 0
    aborted: int = 0
    total: WorkerFigures = field(default_factory=WorkerFigures)
    remarks: list[str] = field(default_factory=list)
    bills: Mapping[str, Bill] = field(default_factory=dict)

    @property
    def bill(self) -> Bill:
        """What models were paid in all."""
        total = Bill()
        for bill in self.bills.values():
            total = total.plus(bill)
        return total

    @property
    def ok(self) -> bool:
        """Whether everything was done and nothing failed."""
        return not self.failures and not self.interrupted

    @property
    def cache_hits(self) -> int:
        """Calls that were answered from the cache."""
        return self.total.hits

    @property
    def cache_misses(self) -> int:
        """Calls of cached workers that had to compute."""
        return self.total.misses

    @property
    def seconds_saved(self) -> float:
        """Seconds that the replayed answers took to compute at first, summed over threads."""
        return self.total.saved.seconds

    @property
    def cache(self) -> RunCache:
        """What the caches did."""
        total = self.total
        asked = {key: figures for key, figures in self.workers.items() if figures.hits or figures.misses}
        return RunCache(
            total.hits,
            total.misses,
            dict(total.reasons.most_common()),
            total.waits,
            total.stored,
            total.spent,
            total.saved,
            asked,
            tuple(self.remarks),
        )


def _shown(value: object, show: Callable[[object], str]) -> str:
    """Return the text of an object, whose class may be one that cannot be shown."""
    try:
        return show(value)
    except Exception:  # noqa: BLE001 - a user's method
        return f"<{type(value).__name__} that cannot be shown>"


def _shortened(text: str, length: int = 120) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
