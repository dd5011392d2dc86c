"""InvokeTaskWorker: one call of one worker, without a graph and without its cache, and what it published."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from planai.cache.storing import StoringTaskWorker
from planai.call import Call, Scope, perform, perform_async
from planai.describing import Description
from planai.errors import NobodyConsumes, TypeMismatch, UnusedHook
from planai.events import Event, Failed, Finished, Output
from planai.join import JoinedTaskWorker
from planai.provenance import ROOT
from planai.task import Task, lineage_of, set_lineage
from planai.task_types import check_published, type_names
from planai.worker import TaskWorker


class TestTaskContext:
    """What was published in a call under test.

    Attributes:
        published_tasks: the tasks, in order.
        current_input_task: what the worker was called with; of a group, the first.
    """

    __test__ = False  # pytest takes it for a test by its name

    def __init__(self) -> None:
        self.published_tasks: list[Task] = []
        self.current_input_task: Task | None = None

    def reset(self) -> None:
        """Forget everything."""
        self.published_tasks.clear()
        self.current_input_task = None


class InvokeTaskWorker:
    """Makes a worker and calls it; what it raises reaches the test.

    >>> from planai import Task, TaskWorker
    >>> class Number(Task):
    ...     value: int
    >>> class Double(TaskWorker):
    ...     output_types = [Number]
    ...     def consume_work(self, task: Number) -> None:
    ...         self.publish_work(Number(value=2 * task.value), input_task=task)
    >>> double = InvokeTaskWorker(Double)
    >>> double.invoke(Number(value=4))
    [Number(value=8)]
    >>> double.assert_published_task_count(1)

    Args:
        worker_class: the class of the worker.
        kwargs: its settings.

    Attributes:
        worker: the worker.
        context: what came of the last call.
    """

    def __init__(self, worker_class: type[TaskWorker], **kwargs: Any) -> None:
        self.worker = worker_class(**kwargs)
        self.context = TestTaskContext()

    @property
    def is_joined_worker(self) -> bool:
        """Whether the worker consumes groups."""
        return isinstance(self.worker, JoinedTaskWorker)

    def invoke(self, input_task: Task) -> list[Task]:
        """Let the worker consume a task, and return what it publishes.

        Raises:
            TypeMismatch: the worker consumes no such task, or groups.
            UnusedHook: it has a hook that only workers with a cache have.
        """
        if self.is_joined_worker:
            raise TypeMismatch(f"{self.worker.name!r} consumes groups: call invoke_joined([...])")
        for hook in ("pre_consume_work", "post_consume_work"):
            if hasattr(self.worker, hook) and not isinstance(self.worker, StoringTaskWorker):
                raise UnusedHook(
                    f"{self.worker.name}.{hook} is never called, since the worker has no cache: "
                    "derive it from CachedTaskWorker, or do this in consume_work"
                )
        return self._call((input_task,))

    def invoke_joined(self, input_tasks: Sequence[Task]) -> list[Task]:
        """Let a join consume a group, and return what it publishes.

        Raises:
            TypeMismatch: the worker consumes no such tasks, or one at a time.
        """
        if not self.is_joined_worker:
            raise TypeMismatch(f"{self.worker.name!r} consumes one task at a time: call invoke(task)")
        return self._call(tuple(input_tasks))

    def assert_published_task_count(self, expected: int) -> None:
        """Fail unless the last call published so many tasks."""
        count = len(self.context.published_tasks)
        if count != expected:
            raise AssertionError(f"{self.worker.name!r} published {count} tasks, and not {expected}")

    def assert_published_task_types(self, expected_types: Sequence[type[Task]]) -> None:
        """Fail unless the last call published tasks of just these types, in this order."""
        found = [type(task) for task in self.context.published_tasks]
        if found != list(expected_types):
            raise AssertionError(
                f"{self.worker.name!r} published {type_names(found)}, and not {type_names(expected_types)}"
            )

    def _call(self, tasks: tuple[Task, ...]) -> list[Task]:
        accepted = self.worker.get_task_classes()
        for task in tasks:
            if not isinstance(task, tuple(accepted)):
                raise TypeMismatch(
                    f"{self.worker.name!r} consumes {type_names(accepted)}, and not a {type(task).__name__!r}"
                )
        self.context.reset()
        self.context.current_input_task = tasks[0] if tasks else None
        event = self._performed(Call(1, self.worker.name, tasks, ROOT))
        if isinstance(event, Failed):
            raise event.error
        outputs = event.outputs if isinstance(event, Finished) else ()
        self.context.published_tasks.extend(_known(output) for output in outputs)
        return list(self.context.published_tasks)

    def _performed(self, call: Call) -> Event:
        scope = Scope("off")
        if self.worker.is_async_worker:
            return asyncio.run(perform_async(call, self.worker, self._route, print, scope))
        return perform(call, self.worker, self._route, print, scope)

    def _route(self, task: Task, consumer: object) -> tuple[str, ...]:
        check_published(self.worker.name, self.worker.output_types, type(task))
        return () if consumer is None else (getattr(consumer, "name", str(consumer)),)


def _known(output: Output) -> Task:
    """Return what was published, with its input, as a run passes it on."""
    return set_lineage(output.task, lineage_of(output.task)._replace(previous=output.previous))


def add_input_provenance(input_task: Task, provenance: Task) -> Task:
    """Let `input_task` have been computed from `provenance`, which ``find_input_task`` then finds, and return it."""
    return input_task.inject_input(provenance)


def unregister_output_type(worker: TaskWorker, output_type: type[Task]) -> None:
    """Take away who gets what `worker` publishes of `output_type`, so that a test can collect it itself.

    >>> import planai
    >>> class Number(planai.Task):
    ...     value: int
    >>> class Double(TaskWorker):
    ...     output_types = [Number]
    ...     def consume_work(self, task: Number) -> None:
    ...         self.publish_work(Number(value=2 * task.value))
    >>> class Store(TaskWorker):
    ...     def consume_work(self, task: Number) -> None:
    ...         raise RuntimeError("not in a test")
    >>> double, store, graph = Double(), Store(), planai.Graph()
    >>> _ = graph.add_workers(double, store).set_dependency(double, store)
    >>> unregister_output_type(double, Number)
    >>> graph.set_sink(double, Number)
    >>> graph.run([(double, Number(value=4))]).outputs
    [Number(value=8)]

    Args:
        worker: the worker.
        output_type: one of its `output_types`. A consumer that gets other types from the worker, too, keeps all.

    Raises:
        NobodyConsumes: no consumer gets it from the worker.
    """
    found = worker.forget_consumers(output_type)
    for graph in worker.wirings:
        if isinstance(graph, Description):
            wires = graph.wires
            sinks = [sink for sink in wires.sinks if (sink[0], sink[1].output_type) != (worker, output_type)]
            edges = [edge for edge in wires.edges if not _is_for(edge, worker, output_type)]
            found |= (len(sinks), len(edges)) != (len(wires.sinks), len(wires.edges))
            wires.sinks[:], wires.edges[:] = sinks, edges
    if not found:
        raise NobodyConsumes(
            f"nobody consumes a {output_type.__name__!r} from {worker.name!r}: there is none to take away"
        )


def _is_for(edge: tuple[TaskWorker, TaskWorker], worker: TaskWorker, output_type: type[Task]) -> bool:
    """Tell whether `worker` feeds tasks of this type alone over an edge."""
    upstream, downstream = edge
    accepted = tuple(downstream.get_task_classes())
    return upstream is worker and [kind for kind in worker.output_types if issubclass(kind, accepted)] == [output_type]
