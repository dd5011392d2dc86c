"""Task: the typed data that flows through a graph, and remembers what it was computed from."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, TypeVar

from pydantic import BaseModel

from planai.copies import Traced, snapshot
from planai.planai_task import PlanAITask
from planai.provenance import ROOT, Provenance, ProvenanceChain
from planai.trace import Watch
from planai.xml import dict_dump_xml

T = TypeVar("T", bound="Task")


class Lineage(NamedTuple):
    """What a run knows of a task beyond its fields.

    Attributes:
        provenance: the node of the chain that ends with this task.
        previous: the task that was consumed when this one was published.
        injected: tasks added by `Task.inject_input`, newest first.
        private_state: what `Task.add_private_state` put there; handed on to what is published from the task.
        retries: how often consuming this task failed and was tried again.
        sources: ids of the stored answers that it was computed from.
        watch: who is told what is looked up here, while a worker computes whose answer is to be kept.
    """

    provenance: Provenance = ROOT
    previous: Task | None = None
    injected: tuple[Task, ...] = ()
    private_state: dict[str, Any] | None = None
    retries: int = 0
    sources: tuple[str, ...] = ()
    watch: Watch | None = None


NOWHERE = Lineage()


class ClassNameAttribute:
    """The class's name, read as ``task.name``; a field called ``name`` takes its place without a clash.

    It hides from its class, where pydantic would take it for the default of such a field.
    """

    def __get__(self, instance: object | None, owner: type) -> str:
        if instance is None:
            raise AttributeError("name")
        return owner.__name__


class Task(PlanAITask, Traced):
    """A unit of work or a result: a pydantic model that a worker consumes and publishes.

    Two tasks are equal when they have the same class and fields, wherever they come from.

    >>> class Page(Task):
    ...     url: str
    >>> Page(url="a") == Page(url="a")
    True
    >>> Page(url="a").name
    'Page'
    """

    if TYPE_CHECKING:

        @property
        def name(self) -> str:
            """The name of the class."""
    else:
        name: ClassVar[ClassNameAttribute] = ClassNameAttribute()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Task):
            return NotImplemented
        return (
            type(self) is type(other)
            and self.__pydantic_extra__ == other.__pydantic_extra__
            and (self.__dict__ == other.__dict__ or _fields(self) == _fields(other))
        )

    # Without this line Python would make every task unhashable; pydantic gives frozen models a hash of their own.
    __hash__ = BaseModel.__hash__

    def __bool__(self) -> bool:
        # ``if cached := self.get_from_cache(task)`` must see a task, also one whose class defines ``__len__``.
        return True

    def __copy__(self) -> Self:
        return set_lineage(super().__copy__(), lineage_of(self))

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return set_lineage(super().__deepcopy__(memo), lineage_of(self))

    @property
    def retry_count(self) -> int:
        """How often consuming this task failed and was tried again.

        It tells of the run, and not where the task comes from: an answer that took several tries is replayed at once.
        """
        return lineage_of(self).retries

    def increment_retry_count(self) -> None:
        """Count one more failed try."""
        self._with_(retries=self.retry_count + 1)

    def provenance(self) -> ProvenanceChain:
        """Return the steps that led to this task, oldest first; empty outside of a run."""
        chain: ProvenanceChain = _look_up(self, "provenance")
        return chain

    def copy_provenance(self) -> list[tuple[str, int]]:
        """Return `provenance` as a list of one's own."""
        return list(self.provenance())

    def prefix(self, length: int) -> ProvenanceChain:
        """Return the first `length` steps of the provenance."""
        return self.provenance()[:length]

    def prefix_for_input_task(self, worker: type) -> ProvenanceChain | None:
        """Return the provenance up to the last step made by the worker class `worker`, or None.

        It is what `JoinedTaskWorker` joins on, and what `TaskWorker.watch` takes.
        """
        prefix: ProvenanceChain | None = _look_up(self, "prefix_for_input_task", worker.__name__)
        return prefix

    def find_input_task(self, task_type: type[T]) -> T | None:
        """Return the nearest task of `task_type` that this one was computed from, or None.

        One of a subclass is found where there is none of the type itself.
        """
        found: T | None = _look_up(self, "find_input_task", task_type)
        return found

    def find_input_tasks(self, task_type: type[T]) -> list[T]:
        """Return all tasks of `task_type` that this one was computed from, oldest first."""
        found: list[T] = _look_up(self, "find_input_tasks", task_type)
        return found

    def previous_input_task(self) -> Task | None:
        """Return the task that was consumed when this one was published, or None."""
        found: Task | None = _look_up(self, "previous_input_task")
        return found

    def copy_input_provenance(self) -> list[Task]:
        """Return copies of all tasks that this one was computed from, oldest first; they have no provenance."""
        found: list[Task] = _look_up(self, "copy_input_provenance")
        return found

    def inject_input(self, task: Task) -> Self:
        """Add `task` as the newest of those that this one was computed from, and return this task."""
        return self._with_(injected=(task, *lineage_of(self).injected))

    def add_private_state(self, key: str, value: Any) -> None:
        """Attach `value` to this task and to all that is published from it; it is no field and is never cached."""
        self._with_(private_state={**(lineage_of(self).private_state or {}), key: value})

    def get_private_state(self, key: str) -> Any:
        """Take out and return what was attached under `key`; None where there is nothing (any more)."""
        return _look_up(self, "get_private_state", key)

    def copy_public(self, deep: bool = False) -> Self:
        """Return a task with the same fields, extras and set of given fields, but with no provenance.

        Args:
            deep: copy also what is neither a container nor a model, such as an array, instead of sharing it.
        """
        return snapshot(copy.deepcopy(self) if deep else self)

    def is_type(self, task_type: type[Task]) -> bool:
        """Tell whether this is exactly a `task_type`, and not a subclass of it."""
        return type(self) is task_type

    def model_dump_xml(self) -> str:
        """Return the fields as indented XML, the way a model reads them best; quotes are escaped, as in PlanAI.

        >>> class Page(Task):
        ...     url: str
        ...     tags: list[str]
        >>> print(Page(url='"a"<b', tags=["x"]).model_dump_xml())
        <Page>
          <url>&quot;a&quot;&lt;b</url>
          <tags>
            <item>x</item>
          </tags>
        </Page>
        <BLANKLINE>
        """
        return dict_dump_xml(self.model_dump(mode="json", fallback=str), type(self).__name__)

    def _with_(self, **known: Any) -> Self:
        return set_lineage(self, lineage_of(self)._replace(**known))


_SLOT = vars(Traced)["_lineage"]
_get_slot, _set_slot = _SLOT.__get__, _SLOT.__set__


def lineage_of(task: Task) -> Lineage:
    """Return what a run knows of `task` beyond its fields."""
    try:
        found: Lineage = _get_slot(task)
    except AttributeError:
        return NOWHERE
    return found


def set_lineage(task: T, lineage: Lineage) -> T:
    """Let `task` have `lineage`, and return it."""
    _set_slot(task, lineage)
    return task


def _fields(task: Task) -> dict[str, Any]:
    """Return the fields alone; a cached property keeps its value among them."""
    return {name: value for name, value in task.__dict__.items() if name in type(task).model_fields}


def _look_up(task: Task, what: str, argument: Any = None) -> Any:
    """Answer a question about where `task` comes from, and tell those who watch."""
    found = _LOOK_UPS[what](task, argument)
    watch = lineage_of(task).watch
    return found if watch is None else _watched(found, watch.note(what, argument))


def _watched(found: Any, watch: Watch) -> Any:
    """Let what was found be watched, too; as copies, since other calls hold the same tasks."""
    if isinstance(found, Task):
        return set_lineage(snapshot(found), lineage_of(found)._replace(watch=watch))
    if isinstance(found, list):
        return [_watched(task, watch.item(number)) for number, task in enumerate(found)]
    return found


def _prefix(task: Task, worker: str) -> ProvenanceChain | None:
    node = lineage_of(task).provenance.nearest({worker})
    return None if node is None else node.chain()


def _take_private_state(task: Task, key: str) -> Any:
    lineage = lineage_of(task)
    state = dict(lineage.private_state or {})
    value = state.pop(key, None)
    set_lineage(task, lineage._replace(private_state=state or None))
    return value


def _nearest(task: Task, kind: type[T]) -> T | None:
    kin = [found for found in inputs_of(task) if isinstance(found, kind)]
    return next((found for found in kin if type(found) is kind), kin[0] if kin else None)


_LOOK_UPS: dict[str, Callable[[Task, Any], Any]] = {
    "provenance": lambda task, _: lineage_of(task).provenance.chain(),
    "prefix_for_input_task": _prefix,
    "find_input_task": _nearest,
    "find_input_tasks": lambda task, kind: [found for found in inputs_of(task) if isinstance(found, kind)][::-1],
    "previous_input_task": lambda task, _: next(inputs_of(task), None),
    "copy_input_provenance": lambda task, _: [snapshot(found) for found in inputs_of(task)][::-1],
    "get_private_state": _take_private_state,
}


def inputs_of(task: Task) -> Iterator[Task]:
    """Yield the tasks that `task` was computed from, newest first, each with what a run knows of it."""
    current: Task | None = task
    while current is not None:
        lineage = lineage_of(current)
        yield from lineage.injected
        if lineage.previous is not None:
            yield lineage.previous
        current = lineage.previous


if TYPE_CHECKING:
    from planai.desk import TaskStatusCallback as TaskStatusCallback  # noqa: PLC0414 - see below
    from planai.worker import TaskWorker as TaskWorker  # noqa: PLC0414
else:
    _ELSEWHERE = {"TaskStatusCallback": "planai.desk", "TaskWorker": "planai.worker"}

    def __getattr__(name: str) -> Any:
        """Open a door for programs written for PlanAI, where workers are in this module, too."""
        if name in _ELSEWHERE:
            return getattr(importlib.import_module(_ELSEWHERE[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
