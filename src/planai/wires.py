"""Wires: what a graph was told of its workers and of who feeds whom; a plan is made from it."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from dataclasses import dataclass, field

from planai.call import need_activation
from planai.provenance import ProvenanceChain
from planai.task import Task
from planai.worker import SinkCallback, TaskWorker


@dataclass(frozen=True, slots=True)
class Sink:
    """The end of a chain: collects tasks, or hands each to a callback."""

    output_type: type[Task]
    notify: SinkCallback | None = None

    def perform_call(self, tasks: tuple[Task, ...]) -> None:
        """Notify."""
        desk = need_activation("a sink").scope.desk
        if self.notify is not None:
            self.notify({} if desk is None else desk.session(tasks[0]).metadata, tasks[0])

    def perform_notice(self, prefix: ProvenanceChain) -> None:
        """Do nothing: a sink watches nothing."""


@dataclass(slots=True)
class Wires:
    """What a graph was told.

    Attributes:
        edges: who may consume what somebody publishes, as pairs.
        sinks: each with the worker upstream of it.
        limits: how many calls at once the instances of a class may make together.
        strict: refuse to publish a task that has a provenance already.
        entries: the workers that tasks from outside come to, where that was said.
        exit: the worker whose outputs are those of the whole graph, where that was said.
    """

    name: str
    workers: list[TaskWorker] = field(default_factory=list)
    edges: list[tuple[TaskWorker, TaskWorker]] = field(default_factory=list)
    sinks: list[tuple[TaskWorker, Sink]] = field(default_factory=list)
    limits: dict[type, int] = field(default_factory=dict)
    strict: bool = False
    entries: list[TaskWorker] = field(default_factory=list)
    exit: TaskWorker | None = None

    def keys(self) -> dict[TaskWorker, str]:
        """Name each worker by its class; several of a name are called ``Name#1``, ``Name#2``, ..."""
        names = Counter(worker.name for worker in self.workers)
        numbers: Counter[str] = Counter()
        keys = {}
        for worker in self.workers:
            name = worker.name
            numbers[name] += 1
            keys[worker] = name if names[name] == 1 else f"{name}#{numbers[name]}"
        return keys

    def downstream(self, worker: TaskWorker) -> list[TaskWorker]:
        """Return who consumes what `worker` publishes."""
        return [down for up, down in self.edges if up is worker]

    def upstream(self, worker: TaskWorker) -> set[TaskWorker]:
        """Return all on whose work that of `worker` may depend."""
        return _reached([worker], {down: [up for up, to in self.edges if to is down] for _, down in self.edges})

    def reached(self, roots: list[TaskWorker]) -> set[TaskWorker]:
        """Return all that may get work when `roots` do, these included."""
        return {*roots, *_reached(roots, {up: self.downstream(up) for up, _ in self.edges})}

    def unfed(self) -> list[TaskWorker]:
        """Return the workers that nobody feeds."""
        fed = {down for _, down in self.edges}
        return [worker for worker in self.workers if worker not in fed]


class NestedWorker(TaskWorker):
    """A worker in whose place a whole graph works."""

    @property
    @abstractmethod
    def inner_wires(self) -> Wires:
        """What the graph was told."""

    @property
    @abstractmethod
    def entry(self) -> TaskWorker:
        """The worker in the graph that gets what this worker gets."""

    @property
    @abstractmethod
    def way_out(self) -> TaskWorker:
        """The worker in the graph whose outputs are those of this worker."""


def _reached(start: list[TaskWorker], following: dict[TaskWorker, list[TaskWorker]]) -> set[TaskWorker]:
    found: set[TaskWorker] = set()
    waiting = list(start)
    while waiting:
        new = [worker for worker in following.get(waiting.pop(), []) if worker not in found]
        found.update(new)
        waiting += new
    return found


def related(published: list[type[Task]], consumed: list[type[Task]]) -> bool:
    """Tell whether something that is published as one of the first may be consumed as one of the second."""
    return any(issubclass(out, into) or issubclass(into, out) for out in published for into in consumed)
