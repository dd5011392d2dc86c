"""RunResult: what came of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from planai.board import WorkerFigures
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
        attempts: how often the call was tried.
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
class RunResult:
    """What came of a run.

    Attributes:
        outputs: what the sinks collected, in the order of the tasks' provenance.
        failures: the calls that failed for good, in the order in which they did.
        workers: figures by worker.
        seconds: how long the run took.
        interrupted: whether it was stopped before everything was done.
        unfinished: calls that waited when the run was interrupted.
    """

    outputs: list[Task]
    failures: list[Failure]
    workers: dict[str, WorkerFigures]
    seconds: float
    interrupted: bool = False
    unfinished: int = 0
    total: WorkerFigures = field(default_factory=WorkerFigures)

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
        return self.total.saved


def _shown(value: object, show: Callable[[object], str]) -> str:
    """Return the text of an object, whose class may be one that cannot be shown."""
    try:
        return show(value)
    except Exception:  # noqa: BLE001 - a user's method
        return f"<{type(value).__name__} that cannot be shown>"


def _shortened(text: str, length: int = 120) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
