"""The loop of a run: one thread feeds the state with events, and the executor with calls."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from queue import Empty
from typing import Any

from planai.board import Board
from planai.call import Call, Router, Scope, perform, perform_async
from planai.events import Event, Parked, Printed, Stopped, Submitted, Woken
from planai.executors.base import Executor
from planai.executors.event_loop import holding_up, shared_loop
from planai.executors.threads import PATIENCE_SECONDS
from planai.plan import Plan, initial_pair
from planai.run.inbox import Inbox
from planai.run.interrupts import Interrupts
from planai.run.lanes import Lanes
from planai.run.result import RunResult
from planai.run.state import RunState
from planai.task import Task, lineage_of
from planai.worker import TaskWorker

_NO_MORE: Any = object()

GRACE_SECONDS = 10.0
"""How long an interrupted run waits for calls that are being made; Ctrl-C again ends the wait."""


class Observer:
    """Watches a run; this one does not look. A screen overrides what it needs."""

    def started(self, board: Board, total: int | None) -> None:
        """The run begins; `board` changes while it goes on, `total` is the number of initial tasks if known."""

    def printed(self, worker: str, text: str) -> None:
        """A worker has something to say."""

    def stopping(self, running: int) -> None:
        """The run was interrupted and waits for `running` calls."""

    def ended(self, result: RunResult) -> None:
        """The run is over."""


@dataclass(slots=True)
class Run:
    """One run of a plan: its state, its inbox, and who performs and watches.

    The user's code is called by way of `interrupts`; all else is not interrupted.
    """

    plan: Plan
    lanes: Lanes
    observer: Observer
    state: RunState
    inbox: Inbox
    routers: dict[str, Router]
    scope: Scope
    interrupts: Interrupts
    submitted: int = 0
    pending: deque[Call] = field(default_factory=deque)

    def perform(self, call: Call) -> Event:
        """Make `call` in whatever thread the executor chose; wait there for one that is made on the event loop."""
        node = self.plan.nodes[call.worker]
        if node.is_async:
            return self.interrupts.let(lambda: shared_loop().wait_for(self.perform_async(call)))
        return self.interrupts.let(perform, call, node.performer, *self._surroundings(call.worker))

    def perform_async(self, call: Call) -> Coroutine[Any, Any, Event]:
        """Make `call` on the event loop."""
        return perform_async(call, self.plan.nodes[call.worker].performer, *self._surroundings(call.worker))

    def _surroundings(self, key: str) -> tuple[Router, Callable[[str], None], Scope]:
        def tell(text: str) -> None:
            self.inbox.put(Printed(key, text))

        return self.routers[key], tell, self.scope

    def go(self, initial: Iterator[tuple[TaskWorker, Task]]) -> None:
        """Feed events and initial tasks until nothing is left to do.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed; nothing has got lost by it.
        """
        more = True
        while True:
            self.interrupts.check()
            while more and self.state.hungry:
                more = self._submit_next(initial)
            if self.state.idle and not more and not len(self.inbox):
                return self.interrupts.check()
            self._handle(self._next_event())
            self._drain()

    def stop(self) -> None:
        """Start nothing new, and wait a while for the calls that are being made."""
        self.state.handle(Stopped())
        self.state.give_back([*self.pending, *self.lanes.discard()])
        self.pending.clear()
        self.lanes.cancel()
        self.observer.stopping(self.state.running)
        deadline = time.monotonic() + GRACE_SECONDS
        while not self.state.idle:
            self.interrupts.check()
            self._handle(self.inbox.get(timeout=max(0.0, deadline - time.monotonic())))

    def _next_event(self) -> Event:
        """Wait for an event; while calls wait, too, let the executor know when nothing happens."""
        executor = self.lanes.executor
        while executor.waiting:
            try:
                return self.inbox.get(timeout=PATIENCE_SECONDS)
            except Empty:
                if not len(self.inbox):
                    executor.nudge()
        return self.inbox.get()

    def _submit_next(self, initial: Iterator[tuple[TaskWorker, Task]]) -> bool:
        pair = self.interrupts.let(next, initial, _NO_MORE)
        if pair is _NO_MORE:
            return False
        worker, task = initial_pair(pair)
        self.submitted += 1
        self._handle(Submitted(self.plan.entry(worker, task), task))
        return True

    def _drain(self) -> None:
        while len(self.inbox):
            self._handle(self.inbox.get())

    def _handle(self, event: Event) -> None:
        if isinstance(event, Printed):
            self.interrupts.let(self.observer.printed, event.worker, event.text)
            return
        self.pending.extend(self.state.handle(event))
        while self.pending:
            self.lanes.submit(self.pending.popleft())
        if isinstance(event, Parked):
            event.until(partial(self.inbox.put, Woken(event.call)))


def run_plan(
    plan: Plan,
    initial: Iterable[tuple[TaskWorker, Task]],
    executor: Executor,
    observer: Observer,
    scope: Scope | None = None,
    *,
    max_concurrency: int | None = None,
    announce: Callable[[Callable[[], None]], object] = lambda _: None,
) -> RunResult:
    """Run `plan` over `initial` tasks, and return what came of it.

    After Ctrl-C, the result tells that the run was interrupted.

    Args:
        plan: what to run.
        initial: pairs of a worker and a task.
        executor: makes the calls of workers that are not async.
        observer: is told how it goes.
        scope: what all calls have in common.
        max_concurrency: async calls in flight at once; None lets `executor` make them one by one.
        announce: is given, before the run begins, what interrupts it from any thread, as Ctrl-C does.

    Raises:
        ConfigurationError: an initial task does not fit its worker.
    """
    inbox = Inbox(lambda: executor.waiting > executor.capacity // 2)
    lanes = Lanes(plan, executor, max_concurrency)
    run = Run(
        plan,
        lanes,
        observer,
        RunState(lanes.limited(plan), lanes.capacity),
        inbox,
        {key: plan.router(key) for key in plan.nodes},
        Scope() if scope is None else scope,
        Interrupts(inbox.interrupt),
    )
    announce(run.interrupts.ask)
    with holding_up(), run.interrupts:
        return _result_of(run, initial)


def _result_of(run: Run, initial: Iterable[tuple[TaskWorker, Task]]) -> RunResult:
    began = time.perf_counter()
    total = len(initial) if isinstance(initial, list | tuple) else None
    run.observer.started(run.state.board, total)
    interrupted = True
    try:
        interrupted = not _goes_through(run, initial)
    finally:
        run.lanes.stop()
        result = _result(run, began, total, interrupted=interrupted)
        run.observer.ended(result)
    return result


def _goes_through(run: Run, initial: Iterable[tuple[TaskWorker, Task]]) -> bool:
    """Run with every worker's ``init`` before and ``completed`` after it; tell whether that went on to the end."""
    started: list[TaskWorker] = []
    run.lanes.start(run.perform, run.perform_async, run.inbox.put)
    try:
        for worker in run.plan.keys:
            started.append(worker)
            run.interrupts.let(_settled, worker.init)
        run.go(run.interrupts.let(iter, initial))
    except KeyboardInterrupt:
        _stop_quietly(run)
        return False
    except BaseException:
        _stop_quietly(run)
        raise
    finally:
        for worker in started:
            _complete(worker, run)
    return True


def _settled(hook: Callable[[], Awaitable[None] | None]) -> None:
    """Call a hook of a worker, and wait for an async one."""
    pending = hook()
    if pending is not None:
        shared_loop().wait_for(_awaited(pending))


async def _awaited(pending: Awaitable[None]) -> None:
    await pending


def _stop_quietly(run: Run) -> None:
    """Stop; a second Ctrl-C, or the end of the grace period, leaves running calls behind."""
    try:
        run.stop()
    except (KeyboardInterrupt, Empty):
        return


def _complete(worker: TaskWorker, run: Run) -> None:
    """Let `worker` clean up; what goes wrong there is reported, and must not hide what the run has brought."""
    try:
        run.interrupts.let(_settled, worker.completed)
    except Exception as error:  # noqa: BLE001 - a user's method
        run.observer.printed(worker.name, f"completed() raised {type(error).__name__}: {error}")


def _result(run: Run, began: float, total: int | None, *, interrupted: bool) -> RunResult:
    state = run.state
    never_submitted = total - run.submitted if total is not None else 0
    return RunResult(
        outputs=sorted(state.outputs, key=lambda task: lineage_of(task).provenance.order()),
        failures=list(state.failures),
        workers={key: state.board.workers[key] for key in run.plan.keys.values()},
        seconds=time.perf_counter() - began,
        interrupted=interrupted,
        unfinished=state.dropped + state.running + never_submitted,
        total=state.board.total(),
        remarks=[remark for worker in run.plan.keys for remark in worker.remarks(run.scope)],
    )
