"""CachedJoinedTaskWorker: a join whose answers are kept under the group that it consumes."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from planai.cache.keyed import library_classes
from planai.cache.manual import ByHand, by_hand
from planai.cache.worker import CachedTaskWorker
from planai.call import Activation, need_activation
from planai.copies import snapshot
from planai.join import JoinedTaskWorker, MergedTaskWorker
from planai.task import Lineage, Task, lineage_of, set_lineage
from planai.trace import Watch
from planai.worker import TaskWorker


class TaskGroup(Task):
    """The tasks of one group of a join, in the order of their provenance, as what an answer is kept under."""

    tasks: list[Task]


class CachedJoinedTaskWorker(CachedTaskWorker, JoinedTaskWorker):
    """A join whose answers are kept: the same group gets the same answer, without a call of `consume_work_joined`.

    The key is made of the tasks of the group in the order of their provenance, and of all that decides the answers of
    other cached workers. Hooks such as `should_cache` and `extra_cache_key` get a `TaskGroup`. A join that publishes
    with another input task than the first of its group is not kept, since a replay could not do that.

    >>> import tempfile
    >>> from planai import CachedJoinedTaskWorker, Graph, InitialTaskWorker, Task, TaskWorker
    >>> class Number(Task):
    ...     value: int
    >>> class Spread(TaskWorker):
    ...     output_types = [Number]
    ...     def consume_work(self, task: Number) -> None:
    ...         for value in range(task.value):
    ...             self.publish_work(Number(value=value))
    >>> class Sum(CachedJoinedTaskWorker):
    ...     join_type = InitialTaskWorker
    ...     output_types = [Number]
    ...     def consume_work_joined(self, tasks: list[Number]) -> None:
    ...         self.publish_work(Number(value=sum(task.value for task in tasks)))
    >>> spread, total = Spread(), Sum(cache_dir=tempfile.mkdtemp())
    >>> graph = Graph(name="sums").add_workers(spread, total)
    >>> spread.next(total).sink(Number)
    >>> [graph.run([(spread, Number(value=4))]).cache_hits for _ in range(2)], graph.get_output_tasks()
    ([0, 1], [Number(value=6)])
    """

    def consume_work(self, task: Any) -> Awaitable[None] | None:
        """Consume a group; a task that is no group is one of its own."""
        return self.consume_work_joined(_members(task) if isinstance(task, TaskGroup) else [task])

    def publish_work(self, task: Any, input_task: Task | None = None, consumer: TaskWorker | None = None) -> None:
        """Publish `task`; the first of the group is its input, if nothing else is said."""
        activation = need_activation("publishing", self)
        group = activation.tasks[0] if activation.tasks else None
        if isinstance(group, TaskGroup) and input_task is not None and _is_of(input_task, _originals(group)[0]):
            input_task = None
        super().publish_work(task, input_task, consumer)

    def perform_call(self, tasks: tuple[Task, ...]) -> Awaitable[None] | None:
        """Replay the answer to a group, or compute and keep it; or return what does so when it is awaited."""
        activation = need_activation("a call")
        group = _group(tuple(tasks[0].tasks) if isinstance(tasks[0], TaskGroup) else tasks)
        activation.tasks = (group,)
        pending = None
        try:
            pending = super().perform_call((group,))
        finally:
            if pending is None:
                _hand_back(activation, group)
        return None if pending is None else _awaited(pending, activation, group)

    def _find_by_hand_(self) -> ByHand:
        if self.cache_automatic is not None:
            return super()._find_by_hand_()
        method = "consume_work_merged" if isinstance(self, MergedTaskWorker) else "consume_work_joined"
        return by_hand(type(self), method, library_classes(type(self)))


def _group(tasks: tuple[Task, ...]) -> TaskGroup:
    """Return the group as one task, which hands on what its first task would."""
    first = lineage_of(tasks[0])
    sources = tuple(dict.fromkeys(source for task in tasks for source in lineage_of(task).sources))
    lineage = Lineage(first.provenance, injected=tasks[::-1], private_state=first.private_state, sources=sources)
    return set_lineage(TaskGroup(tasks=list(tasks)), lineage)


def _originals(group: TaskGroup) -> tuple[Task, ...]:
    """Return the tasks that the run knows; those in the field are put back as copies when a call has ended."""
    return lineage_of(group).injected[::-1]


def _members(group: TaskGroup) -> list[Task]:
    """Return copies of the tasks of a group; while the group is watched, these tell what is asked of them, too."""
    watch = lineage_of(group).watch
    members = []
    for number, task in enumerate(_originals(group) or group.tasks):
        lineage = lineage_of(task)
        if watch is not None:
            path = (*watch.path, ("find_input_tasks", Task), ("item", number))
            lineage = lineage._replace(watch=Watch(watch.trace, path))
        members.append(set_lineage(snapshot(task), lineage))
    return members


def _is_of(task: Task, original: Task) -> bool:
    """Tell whether `task` is `original`, or the copy of it that a join got."""
    provenance = lineage_of(task).provenance
    return task is original or (type(task) is type(original) and provenance is lineage_of(original).provenance)


def _hand_back(activation: Activation, group: TaskGroup) -> None:
    """Let outputs descend from the first task of the group, and from no group."""
    activation.tasks = _originals(group)
    activation.outputs[:] = [
        output._replace(previous=_original(output.previous, group)) for output in activation.outputs
    ]


def _original(previous: Task | None, group: TaskGroup) -> Task | None:
    if previous is group:
        return _originals(group)[0]
    return next((task for task in _originals(group) if previous is not None and _is_of(previous, task)), previous)


async def _awaited(pending: Awaitable[None], activation: Activation, group: TaskGroup) -> None:
    try:
        await pending
    finally:
        _hand_back(activation, group)
