"""Call: one consumption of a task, as plain data; Activation: what a worker may do meanwhile; perform()."""

from __future__ import annotations

import inspect
import os
import threading
import time
import traceback
from collections.abc import Awaitable, Callable
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, NamedTuple, Protocol, Self, cast, get_args

from planai.alive import begun, ended, outside
from planai.bills import Bills
from planai.copies import snapshot
from planai.cost import FREE
from planai.errors import ConfigurationError, OutsideCallError, PublishError
from planai.events import Event, Failed, Finished, Lookup, Output, Parked
from planai.provenance import Provenance, ProvenanceChain
from planai.task import NOWHERE, Lineage, Task, lineage_of, set_lineage

Router = Callable[[Task, object], tuple[str, ...]]
"""Tells the keys of the nodes that a published task goes to, given the consumer that was asked for (or None).

It raises `PublishError` where the type is not declared, or nobody (or more than one) would get the task.
"""

CacheMode = Literal["read_write", "refresh", "read_only", "replay", "off"]
"""How the caching workers of a run use their caches; what each word means is said by `CachedTaskWorker`."""


def mode_of_environment() -> CacheMode:
    """Return what the environment variable PLANAI_CACHE_MODE says, by default ``"read_write"``.

    Raises:
        ConfigurationError: it is no mode.
    """
    mode = os.environ.get("PLANAI_CACHE_MODE") or "read_write"
    if mode not in get_args(CacheMode):
        raise ConfigurationError(f"PLANAI_CACHE_MODE is {mode!r}: choose one of {str(get_args(CacheMode))[1:-1]}")
    return cast("CacheMode", mode)


@dataclass(slots=True)
class Scope:
    """What all calls of one run have in common.

    Attributes:
        cache_mode: how caches are used; None leaves it to each worker.
        notes: what workers want to remember until the run ends.
        desk: answers what workers ask of their run; None outside of one.
        aborted: ids of the calls that were told to end.
        is_stopping: whether all of them were.
        bills: what models were paid.
        depth: how many calls that others may wait for, one inside the other, wait for this run themselves.
    """

    cache_mode: CacheMode | None = None
    notes: dict[Any, Any] = field(default_factory=dict)
    desk: Any = None
    aborted: set[int] = field(default_factory=set)
    is_stopping: bool = False
    bills: Bills = field(default_factory=Bills)
    depth: int = field(default_factory=lambda: depth_here())  # noqa: PLW0108 - which is defined below


class Call(NamedTuple):
    """One consumption of a task (or of several, by a join).

    Attributes:
        id: unique within the run.
        worker: the key of the worker's node in the plan.
        tasks: what is consumed; a single task, except for joins.
        scope: the provenance that stays alive while the call waits or runs.
        attempt: 0 for the first try.
        resumed: whether the call was parked before.
        notice: whether nothing is consumed, but a worker told that no work is left below the scope.
    """

    id: int
    worker: str
    tasks: tuple[Task, ...]
    scope: Provenance
    attempt: int = 0
    resumed: bool = False
    notice: bool = False


class Performer(Protocol):
    """What a call is performed by: a worker, or a sink that notifies somebody."""

    def perform_call(self, tasks: tuple[Task, ...]) -> Awaitable[None] | None:
        """Consume `tasks`, publishing through the current `Activation`; return what is to be awaited, if anything."""

    def perform_notice(self, prefix: ProvenanceChain) -> Awaitable[None] | None:
        """Take note that no work is left below `prefix`, publishing likewise."""


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
        lookup: see `Finished`.
        cost: tokens and dollars that were spent so far, besides time.
        found: what parts of the work took at first that were found in a cache, and so cost nothing now.
        source: the id under which the outputs are stored, if they are: what is computed from them remembers it.
        notes: what the worker wants to remember until the call ends.
        call: the call of a run; None outside of one.
        scope: what all calls of the run have in common.
    """

    __slots__ = (
        "_is_over",
        "_route",
        "_started",
        "_tell",
        "_token",
        "call",
        "cost",
        "found",
        "lookup",
        "notes",
        "outputs",
        "scope",
        "source",
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
        scope: Scope | None = None,
    ) -> None:
        self.call = call
        self.scope = Scope() if scope is None else scope
        self.worker = worker
        self.tasks = tasks
        self.outputs: list[Output] = []
        self.lookup: Lookup | None = None
        self.cost = FREE
        self.found = FREE
        self.source = ""
        self.notes: dict[str, Any] = {}
        self._route = route
        self._tell = tell
        self._started = time.perf_counter()
        self._token: Token[Activation | None] | None = None
        self._is_over = False

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        begun(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over = True
        ended(self)
        if self._token is not None:
            _current.reset(self._token)

    @property
    def elapsed(self) -> float:
        """Seconds since the call began."""
        return time.perf_counter() - self._started

    @property
    def on_bill(self) -> str:
        """The name under which the run reckons what the call spends and saves."""
        return str(getattr(self.worker, "name", "")) if self.call is None else self.call.worker

    @property
    def aborted(self) -> bool:
        """Whether the call was told to end."""
        return self.scope.is_stopping or (self.call is not None and self.call.id in self.scope.aborted)

    def publish(self, task: Task, input_task: Task | None, consumer: object) -> None:
        """Keep a copy of `task`, to be released when the call ends.

        Raises:
            PublishError: the type is not declared, or nobody or more than one would get the task.
            OutsideCallError: the call has ended.
        """
        if self._is_over:
            raise OutsideCallError(
                f"a {type(task).__name__} was published after its call had ended, when nobody gets it any more: "
                "wait in consume_work for the threads and asyncio tasks that it starts"
            )
        if not isinstance(task, Task):
            what = f"the class {task.__name__}" if isinstance(task, type) else f"a {type(task).__name__}"
            raise PublishError(f"{what} was published: publish an instance of a Task")
        targets = self._route(task, consumer)
        previous = input_task if input_task is not None else (self.tasks[0] if self.tasks else None)
        copied = set_lineage(snapshot(task), self._handed_on(lineage_of(task), previous))
        self.outputs.append(Output(copied, targets, previous, None if consumer is None else targets[0]))

    def tell(self, text: str) -> None:
        """Say `text` to the person who watches."""
        self._tell(text)

    def sources(self) -> tuple[str, ...]:
        """Return the ids of the stored answers that the consumed tasks were computed from."""
        if len(self.tasks) == 1:
            return lineage_of(self.tasks[0]).sources
        return tuple(dict.fromkeys(source for task in self.tasks for source in lineage_of(task).sources))

    def _handed_on(self, own: Lineage, previous: Task | None) -> Lineage:
        """Return what a published task keeps: what its maker attached, and the private state of its input."""
        inherited = None if previous is None else lineage_of(previous).private_state
        sources = (self.source,) if self.source else self.sources()
        if inherited is None and (own is NOWHERE or (own.private_state is None and not own.injected)):
            return Lineage(sources=sources) if sources else NOWHERE
        state = {**(inherited or {}), **(own.private_state or {})} or None
        injected = own.injected if own.provenance.parent is None else ()
        return Lineage(injected=injected, private_state=state, sources=sources)


_current: ContextVar[Activation | None] = ContextVar("planai_activation", default=None)


current_activation: Callable[[], Activation | None] = _current.get
"""Returns the call that runs in this thread, or None."""


inside: ContextVar[int] = ContextVar("planai_inside", default=0)
"""How many calls that others may wait for, one inside the other, are being made here; 0 also in threads of theirs."""


def depth_here() -> int:
    """Return the `Scope.depth` of a run that begins here."""
    activation = _current.get()
    return max(inside.get(), 0 if activation is None else activation.scope.depth)


def need_activation(what: str, worker: object = None) -> Activation:
    """Return the call that runs in this thread.

    Raises:
        OutsideCallError: there is none; the message names `what` was wanted, and from which `worker`.
    """
    activation = _current.get()
    if activation is None:
        source = "" if worker is None else f" from {getattr(worker, 'name', worker)!r}"
        raise OutsideCallError(outside(f"{what}{source}"))
    return activation


def perform(
    call: Call, performer: Performer, route: Router, tell: Callable[[str], None], scope: Scope | None = None
) -> Event:
    """Let `performer` consume the tasks of `call`, and return how that ended."""
    activation = Activation(performer, call.tasks, route, tell, call, scope)
    try:
        with activation:
            if call.notice:
                pending = performer.perform_notice(call.scope.chain())
            else:
                pending = performer.perform_call(call.tasks)
            if pending is not None:
                _refuse(pending)
    except BaseException as error:  # the run goes on: SystemExit in a worker is a failed call, too
        if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise  # Ctrl-C, which reached an inline call
        return _ended_by(error, call, activation)
    return _finished(call, activation)


async def perform_async(
    call: Call, performer: Performer, route: Router, tell: Callable[[str], None], scope: Scope | None = None
) -> Event:
    """Do what `perform` does, on an event loop.

    Raises:
        asyncio.CancelledError: the call was told to end.
    """
    activation = Activation(performer, call.tasks, route, tell, call, scope)
    try:
        with activation:
            if call.notice:
                pending = performer.perform_notice(call.scope.chain())
            else:
                pending = performer.perform_call(call.tasks)
            if pending is not None:
                await pending
    except BaseException as error:
        if _was_told_to_end(error):
            raise
        return _ended_by(error, call, activation)
    return _finished(call, activation)


def _was_told_to_end(error: BaseException) -> bool:
    """Tell whether the present task was cancelled, and has not merely waited for something that was."""
    import asyncio  # noqa: PLC0415 - costs 50 ms, and programs without async workers need none of it

    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _finished(call: Call, activation: Activation) -> Finished:
    return Finished(call.id, call.worker, tuple(activation.outputs), activation.elapsed, activation.lookup)


def _ended_by(error: BaseException, call: Call, activation: Activation) -> Event:
    if isinstance(error, Park):
        return Parked(call.id, call.worker, error.until)
    return Failed(call.id, call.worker, error, _users_traceback(error), activation.elapsed)


def _refuse(pending: object) -> None:
    """Make sure that nothing is to be awaited where nobody does.

    Raises:
        ConfigurationError: something is.
    """
    if inspect.iscoroutine(pending):
        pending.close()  # else Python warns that it was never awaited
    if inspect.isawaitable(pending):
        raise ConfigurationError(
            f"a plain def returned {type(pending).__name__!r} to be awaited: write it as async def, and await there"
        )


def _users_traceback(error: BaseException) -> str:
    """Format the traceback of `error` without the frame of `perform` itself."""
    trace = error.__traceback__.tb_next if error.__traceback__ else None
    return "".join(traceback.format_exception(type(error), error, trace))
