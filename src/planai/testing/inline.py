"""Running one worker, or a graph, in the calling thread: the same order every time."""

from __future__ import annotations

from collections.abc import Iterable

from planai.graph import Graph
from planai.run.result import RunResult
from planai.task import Task
from planai.worker import TaskWorker


def run_inline(worker: TaskWorker, *tasks: Task) -> RunResult:
    """Run `worker` over `tasks` in a graph of its own, and return what came of it.

    >>> from planai import Task, TaskWorker
    >>> class Number(Task):
    ...     value: int
    >>> class Double(TaskWorker):
    ...     output_types = [Number]
    ...     def consume_work(self, task: Number) -> None:
    ...         self.publish_work(Number(value=2 * task.value))
    >>> run_inline(Double(), Number(value=4)).outputs
    [Number(value=8)]
    """
    graph = Graph(name=f"test of {worker.name}")
    graph.add_workers(worker)
    for kind in _roots(worker.output_types):
        graph.set_sink(worker, kind)
    return graph.run([(worker, task) for task in tasks], executor="inline", display_terminal=False)


def _roots(kinds: Iterable[type[Task]]) -> list[type[Task]]:
    """Leave out types of which a base is in `kinds`, so that each task is collected once."""
    listed = list(dict.fromkeys(kinds))
    return [kind for kind in listed if not any(other is not kind and issubclass(kind, other) for other in listed)]
