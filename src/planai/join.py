"""Joins: workers that wait until no work is left below a common ancestor, and then consume everything at once."""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Awaitable
from typing import Any, Literal

from pydantic import Field

from planai.errors import OutsideCallError
from planai.settings import is_async
from planai.task import Task
from planai.task_types import task_types_of
from planai.worker import TaskWorker


class InitialTaskWorker(TaskWorker):
    """The first step of every chain; as `join_type` it joins all that comes of one initial task."""

    def consume_work(self, task: Task) -> None:
        """Never called: the run itself submits initial tasks."""
        raise OutsideCallError("InitialTaskWorker stands for the start of a run and consumes nothing")


class JoinedTaskWorker(TaskWorker):
    """Consumes together all tasks that descend from one task of `join_type`, once no work is left below it.

    Attributes:
        join_type: the worker class upstream whose every published task starts a group of its own.
        on_failure: what becomes of a group when work failed on which it depends, below the same ancestor: deliver
            what there is, or fail with `IncompleteGroup` and consume nothing.
        enable_trace: kept for programs that set it; every join can be traced.
    """

    join_type: type[TaskWorker] = Field(default=InitialTaskWorker)
    on_failure: Literal["deliver", "fail"] = "deliver"
    enable_trace: bool = False

    @abstractmethod
    def consume_work_joined(self, tasks: list[Any]) -> Awaitable[None] | None:
        """Consume the tasks of one group, in the order of their provenance.

        The parameter is called ``tasks`` (or ``task``), and its annotation is ``list[T]``.
        """

    def consume_work(self, task: Any) -> Awaitable[None] | None:
        """Consume a group of one."""
        return self.consume_work_joined([task])

    @property
    def is_async_worker(self) -> bool:
        """Whether what the worker does is to be awaited, and so runs on the event loop."""
        return is_async(type(self).consume_work_joined)

    def perform_call(self, tasks: tuple[Task, ...]) -> Awaitable[None] | None:
        """Consume the group, or return what is to be awaited for it."""
        return self.consume_work_joined(list(tasks))

    def get_task_classes(self) -> list[type[Task]]:
        """Return the type that the worker consumes groups of."""
        return task_types_of(type(self), "consume_work_joined", ("tasks", "task"))


class MergedTaskWorker(JoinedTaskWorker):
    """Consumes together tasks of several types that descend from one task of `join_type`.

    Attributes:
        merged_types: the types; the order of the keys that `consume_work_merged` gets.
    """

    merged_types: list[type[Task]] = Field(default_factory=list, min_length=1, validate_default=True)

    @abstractmethod
    def consume_work_merged(self, tasks: dict[str, list[Task]]) -> Awaitable[None] | None:
        """Consume one group: for each type's name its tasks, in the order of their provenance.

        A type of which nothing came is no key; to ask for it gives an empty list.
        """

    @property
    def is_async_worker(self) -> bool:
        """Whether what the worker does is to be awaited, and so runs on the event loop."""
        return is_async(type(self).consume_work_merged) or super().is_async_worker

    def consume_work_joined(self, tasks: list[Task]) -> Awaitable[None] | None:
        """Sort the group by type."""
        found = {kind.__name__: [task for task in tasks if isinstance(task, kind)] for kind in self.merged_types}
        return self.consume_work_merged(defaultdict(list, {name: some for name, some in found.items() if some}))

    def get_task_classes(self) -> list[type[Task]]:
        """Return `merged_types`."""
        return self.merged_types
