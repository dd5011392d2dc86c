"""Call: one consumption of a task, as plain data; Activation: what a worker may do meanwhile; perform()."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from contextvars import ContextVar, Token
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from planai.errors import OutsideCallError, PublishError
from planai.events import Event, Failed, Finished, Output, Parked
from planai.provenance import Provenance
from planai.task import Lineage, Task, lineage_of, set_lineage, snapshot

Router = Callable[[Task, object], tuple[str, ...]]
"""Tells the keys of the nodes that a published task goes to, given the consumer that was asked for (or None).

It raises `PublishError` where the type is not declared, or nobody (or more than one) would get the task.
"""


@dataclass(frozen=True, slots=True)
class Call:
    """One consumption of a task (or of several, by a join).

    Attributes:
        id: unique within the run.
        worker: the key of the worker's node in the plan.
        tasks: what is consumed; a single task, except for joins.
        scope: the provenance that stays alive while the call waits or runs.
        attempt: 0 for the first try.
        resumed: whether the call was parked before.
    """

    id: int
    worker: str
    tasks: tuple[Task, ...]
    scope: Provenance
    attempt: int = 0
    resumed: bool = False


class Performer(Protocol):
    """What a call is performed by: a worker, or a sink that notifies somebody."""

    def perform_call(self, tasks: tuple[Task, ...]) -> None:
        """Consume `tasks`, publishing through the current `Activation`."""


class Park(Exception):
    """Raised by a performer that would have to wait for what somebody else computes; see `Parked`."""

    def __init__(self, until: Callable[[Callable[[], None]], None]) -> None:
        super().__init__()
        self.until = until


class Activation:
    """What one call of a worker may do, and what it has done so far.

    It is current (see `current_activation`) while the worker consumes; outside of a run it can be entered
    by hand, with a router that captures what is published.

    Attributes:
        worker: who consumes.
        tasks: what is consumed.
        outputs: what was published so far; it is released when the call ends well.
        replayed: see `Finished`.
        saved: see `Finished`.
        notes: what the worker wants to remember until the call ends.
        call: the call of a run; None outside of one.
    """

    __slots__ = (
        "_route",
        "_started",
        "_tell",
        "_token",
        "call",
        "notes",
        "outputs",
        "replayed",
        "saved",
        "tasks",
        "worker",
    )

    def __init__(
        self,
        worker: object,
        tasks: tuple[Task, ...],
        route: Router,
        tell: Callable[[str], None] = print,
        call: Call | None = None,
    ) -> None:
        self.call = call
        self.worker = worker
        self.tasks = tasks
        self.outputs: list[Output] = []
        self.replayed: bool | None = None
        self.saved = 0.0
        self.notes: dict[str, Any] = {}
        self._route = route
        self._tell = tell
        self._started = time.perf_counter()
        self._token: Token[Activation | None] | None = None

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _current.reset(self._token)

    @property
    def elapsed(self) -> float:
        """Seconds since the call began."""
        return time.perf_counter() - self._started

    def publish(self, task: Task, input_task: Task | None, consumer: object) -> None:
        """Keep a copy of `task`, to be released when the call ends.

        Raises:
            PublishError: the type is not declared, or nobody or more than one would get the task.
        """
        if not isinstance(task, Task):
            what = f"the class {task.__name__}" if isinstance(task, type) else f"a {type(task).__name__}"
            raise PublishError(f"{what} was published: publish an instance of a Task")
        targets = self._route(task, consumer)
        previous = input_task if input_task is not None else (self.tasks[0] if self.tasks else None)
        copied = set_lineage(snapshot(task), _handed_on(lineage_of(task), previous))
        self.outputs.append(Output(copied, targets, previous, None if consumer is None else targets[0]))

    def tell(self, text: str) -> None:
        """Say `text` to the person who watches."""
        self._tell(text)


_current: ContextVar[Activation | None] = ContextVar("planai_activation", default=None)


def current_activation() -> Activation | None:
    """Return the call that runs in this thread, or None."""
    return _current.get()


def need_activation(what: str) -> Activation:
    """Return the call that runs in this thread.

    Raises:
        OutsideCallError: there is none; the message names `what` was wanted.
    """
    activation = _current.get()
    if activation is None:
        raise OutsideCallError(
            f"{what} exists only while a worker consumes a task: run the worker in a graph "
            "(in a thread of your own, copy the context: contextvars.copy_context().run(...))"
        )
    return activation


def perform(call: Call, performer: Performer, route: Router, tell: Callable[[str], None]) -> Event:
    """Let `performer` consume the tasks of `call`, and return how that ended."""
    activation = Activation(performer, call.tasks, route, tell, call)
    try:
        with activation:
            performer.perform_call(call.tasks)
    except Park as park:
        return Parked(call.id, call.worker, park.until)
    except BaseException as error:  # the run goes on: SystemExit in a worker is a failed call, too
        if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise  # Ctrl-C, which reached an inline call
        return Failed(call.id, call.worker, error, _users_traceback(error), activation.elapsed)
    return Finished(
        call.id,
        call.worker,
        tuple(activation.outputs),
        activation.elapsed,
        activation.replayed,
        activation.saved,
    )


def _handed_on(own: Lineage, previous: Task | None) -> Lineage:
    """Return what a published task keeps: what its maker attached, and the private state of its input."""
    inherited = lineage_of(previous).private_state if previous is not None else None
    state = {**(inherited or {}), **(own.private_state or {})}
    fresh = own.provenance.parent is None
    return Lineage(injected=own.injected if fresh else (), private_state=state or None)


def _users_traceback(error: BaseException) -> str:
    """Format the traceback of `error` without the frame of `perform` itself."""
    trace = error.__traceback__.tb_next if error.__traceback__ else None
    return "".join(traceback.format_exception(type(error), error, trace))
