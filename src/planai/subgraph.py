"""SubGraphWorker: a whole graph that works in the place of one worker of another graph."""

from __future__ import annotations

from typing import Any

from pydantic import PrivateAttr

from planai.describing import Description
from planai.errors import ConfigurationError, OutsideCallError
from planai.task import Task
from planai.task_types import type_names
from planai.wires import NestedWorker, Wires
from planai.worker import TaskWorker


class SubGraphWorker(NestedWorker):
    """Lets a graph consume what this worker gets, and publishes what comes out of it.

    When the graph around it is planned, the workers of the inner graph get places of their own in the plan, so that
    they wait for nobody. To them, each task that comes in is the start of a run: chains begin with it, and a join on
    `InitialTaskWorker` joins all that comes of it. To those outside, outputs were computed from the task that came in
    by this worker alone; metadata, status callbacks and aborts reach the workers inside. The same graph may be in
    several places, and run by itself, too; its sinks without a callback collect nothing here.

    >>> from planai import Graph, Task, TaskWorker
    >>> class Number(Task):
    ...     value: int
    >>> class Double(TaskWorker):
    ...     output_types = [Number]
    ...     def consume_work(self, task: Number) -> None:
    ...         self.publish_work(Number(value=2 * task.value))
    >>> doubling = Graph(name="doubling")
    >>> double = Double()
    >>> doubling.add_workers(double).set_entry(double).set_exit(double)
    Graph(name='doubling', workers=['Double'])
    >>> first, second = SubGraphWorker(graph=doubling, name="First"), SubGraphWorker(graph=doubling, name="Second")
    >>> graph = Graph(name="quadruple").add_workers(first, second)
    >>> first.next(second).sink(Number)
    >>> [output] = graph.run([(first, Number(value=5))]).outputs
    >>> output, output.provenance()
    (Number(value=20), (('InitialTaskWorker', 1), ('First', 1), ('Second', 1)))

    Args:
        graph: what works here.
        entry_worker: who in it gets the tasks; by default the one that ``graph.set_entry`` named.
        exit_worker: whose outputs are published; by default the one that ``graph.set_exit`` named.
        name: what the worker's steps are called in a provenance.

    Raises:
        ConfigurationError: no single worker is the entry or the exit, or the exit publishes more than one type.
    """

    _inner: Description = PrivateAttr()
    _entry: TaskWorker = PrivateAttr()
    _way_out: TaskWorker = PrivateAttr()

    def __init__(
        self,
        *,
        graph: Description,
        entry_worker: TaskWorker | None = None,
        exit_worker: TaskWorker | None = None,
        name: str = "SubGraphWorker",
        **settings: Any,
    ) -> None:
        entry, way_out = _entry_of(graph, entry_worker), _exit_of(graph, exit_worker)
        super().__init__(output_types=list(way_out.output_types), **settings)
        self._inner, self._entry, self._way_out = graph, entry, way_out
        self.__dict__["name"] = name

    @property
    def graph(self) -> Description:
        """The graph that works here."""
        return self._inner

    @property
    def inner_wires(self) -> Wires:
        """What the graph was told."""
        return self._inner.wires

    @property
    def entry(self) -> TaskWorker:
        """The worker in the graph that gets what this worker gets."""
        return self._entry

    @property
    def way_out(self) -> TaskWorker:
        """The worker in the graph whose outputs are those of this worker."""
        return self._way_out

    def get_task_classes(self) -> list[type[Task]]:
        """Return what the entry consumes."""
        return self._entry.get_task_classes()

    def consume_work(self, task: Task) -> None:
        """Never called: the workers of the graph are."""
        raise OutsideCallError(
            f"{self.name!r} stands for the graph {self._inner.name!r}, which works only as part of a run: "
            "add it to a graph, and run that"
        )


def _entry_of(graph: Description, worker: TaskWorker | None) -> TaskWorker:
    entries = graph.get_entry_workers() if worker is None else [worker]
    if len(entries) != 1 or entries[0] not in graph.workers:
        names = ", ".join(repr(entry.name) for entry in entries) or "nothing"
        raise ConfigurationError(
            f"graph {graph.name!r} has {names} as entry: name one of its workers with graph.set_entry(worker), "
            "or pass entry_worker=worker"
        )
    return entries[0]


def _exit_of(graph: Description, worker: TaskWorker | None) -> TaskWorker:
    found = graph.get_exit_worker() if worker is None else worker
    if found is None or found not in graph.workers:
        raise ConfigurationError(
            f"graph {graph.name!r} has {found.name if found else 'nothing'!r} as exit: name one of its workers with "
            "graph.set_exit(worker), or pass exit_worker=worker"
        )
    if len(found.output_types) != 1:
        raise ConfigurationError(
            f"the exit {found.name!r} of graph {graph.name!r} publishes {type_names(found.output_types)}: "
            "an exit has exactly one output type; let a worker after it make one of them"
        )
    return found
