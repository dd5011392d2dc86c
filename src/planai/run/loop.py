"""The loop of a run: one thread feeds the state with events, and the executor with calls."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from queue import Empty
from typing import Any

from planai.board import Board
from planai.call import Call, Router, Scope, perform, perform_async
from planai.events import (
    Aborted,
    Began,
    Closing,
    Event,
    Failed,
    Finished,
    Lent,
    Parked,
    Printed,
    Returned,
    Stopped,
    Submitted,
    Woken,
)
from planai.executors.base import Executor
from planai.executors.event_loop import holding_up, shared_loop
from planai.executors.threads import PATIENCE_SECONDS
from planai.plan import Node, Plan, initial_pair
from planai.run.alarms import Alarms
from planai.run.desk import RunDesk
from planai.run.inbox import Inbox
from planai.run.interrupts import Interrupts
from planai.run.lanes import Lanes
from planai.run.orders import Alarm, Answer, Ended, Tell
from planai.run.result import RunResult
from planai.run.retrying import overdue
from planai.run.state import RunState
from planai.task import Task, lineage_of
from planai.worker import TaskWorker

_NO_MORE: Any = object()

GRACE_SECONDS = 10.0
"""How long an interrupted run waits for calls that are being made; Ctrl-C again ends the wait."""


class Observer:
    """Watches a run; this one does not look. A screen overrides what it needs."""

    def doubted(self, graph: str, doubts: list[str], drawing: str) -> None:
        """Something in the wiring of `graph` is seldom meant; it will run."""

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

    Attributes:
        desk: where workers, and threads outside of the run, ask and add work.
        serves: whether it goes on when nothing is left to do, until somebody closes it.
        is_closing: whether somebody has asked it to end.
        must_stop: whether it is to end although something is left to do.
        keeps_history: whether somebody may ask what has happened.
        thread: which one the loop runs in; 0 before it does.
        is_over: is set when the run has ended.
    """

    plan: Plan
    lanes: Lanes
    observer: Observer
    state: RunState
    inbox: Inbox
    routers: dict[str, Router]
    scope: Scope
    interrupts: Interrupts
    desk: RunDesk
    serves: bool = False
    is_closing: bool = False
    must_stop: bool = False
    keeps_history: bool = False
    thread: int = 0
    is_over: threading.Event = field(default_factory=threading.Event)
    submitted: int = 0
    pending: deque[Call] = field(default_factory=deque)
    alarms: Alarms = field(default_factory=Alarms)
    stuck: set[int] = field(default_factory=set)

    def perform(self, call: Call) -> Event:
        """Make `call` in whatever thread the executor chose; wait there for one that is made on the event loop."""
        node = self.plan.nodes[call.worker]
        if node.is_async:
            return self.interrupts.let(lambda: shared_loop().wait_for(self.perform_async(call)))
        surroundings = self._surroundings(call, node)
        return _in_time(self.interrupts.let(perform, call, node.performer, *surroundings), call, node)

    async def perform_async(self, call: Call) -> Event:
        """Make `call` on the event loop."""
        node = self.plan.nodes[call.worker]
        return _in_time(await perform_async(call, node.performer, *self._surroundings(call, node)), call, node)

    def _surroundings(self, call: Call, node: Node) -> tuple[Router, Callable[[str], None], Scope]:
        def tell(text: str) -> None:
            self.inbox.put(Printed(node.key, text))

        if node.timeout is not None:
            self.inbox.put(Began(call.id))
        return self.routers[node.key], tell, self.scope

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
            if self.state.idle and not more and self.desk.close(unless=self._goes_on):
                return self.interrupts.check()
            self._handle(self._next_event())
            self._drain()
            if self.must_stop:
                return None

    def stop(self) -> None:
        """Start nothing new, and wait a while for the calls that are being made."""
        self.scope.is_stopping = True
        self.desk.close()
        self.desk.cancel_requests()
        self.state.handle(Stopped())
        self.state.give_back([*self.pending, *self.lanes.discard()])
        self.pending.clear()
        self.lanes.cancel()
        self.observer.stopping(self.state.running)
        deadline = time.monotonic() + GRACE_SECONDS
        while not self.state.idle:
            self.interrupts.check()
            self._handle(self.inbox.get(timeout=max(0.0, deadline - time.monotonic())))

    def _goes_on(self) -> bool:
        return self.serves or len(self.inbox) > 0

    def _next_event(self) -> Event:
        """Wait for an event; while calls wait, too, let the executor know when nothing happens."""
        executor = self.lanes.executor
        while True:
            if self.alarms and (due := self.alarms.ring()) is not None:
                return due
            waits = executor.waiting > 0
            if not waits and not self.alarms:
                return self.inbox.get()
            try:
                return self.inbox.get(timeout=min(PATIENCE_SECONDS if waits else math.inf, self.alarms.seconds_left()))
            except Empty:
                if waits and not len(self.inbox):
                    executor.nudge()

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
        if self.keeps_history:
            self._remember(event)
        if self.scope.aborted:
            self._hear_of_end(event)
        if type(event) is not Finished and self._is_for_the_loop(event):
            return
        self.pending.extend(self.state.handle(event))
        while self.pending:
            self.lanes.submit(self.pending.popleft())
        if self.state.orders:
            self._carry_out()

    def _is_for_the_loop(self, event: Event) -> bool:
        """Do what an event asks of the loop, and tell whether that is all."""
        if isinstance(event, Printed):
            self.interrupts.let(self.observer.printed, event.worker, event.text)
        elif isinstance(event, Closing):
            self.serves = False
        elif isinstance(event, Lent | Returned):
            self.lanes.lend(1 if isinstance(event, Lent) else -1)
            return False
        elif isinstance(event, Parked):
            event.until(partial(self.inbox.put, Woken(event.call)))
            return False
        else:
            return False
        return True

    def _carry_out(self) -> None:
        """Do what the state has ordered; what comes of that may be orders, too."""
        orders, self.state.orders = self.state.orders, []
        for order in orders:
            match order:
                case Alarm():
                    self.alarms.add(order.event, order.seconds)
                case Answer():
                    order.to(order.found)
                case Ended():
                    self.interrupts.let(self.desk.forget, order.step)
                case Tell():
                    self.scope.aborted.add(order.call)
                    self.desk.cancel_requests(order.call)
                    self.lanes.cancel(order.call)
                    if order.keeps_thread:
                        self.stuck.add(order.call)
                        self.lanes.lend(1)

    def _hear_of_end(self, event: Event) -> None:
        """Take note that a call has ended which was told to."""
        if isinstance(event, Finished | Failed | Parked | Aborted) and event.call in self.scope.aborted:
            self.scope.aborted.discard(event.call)
            if event.call in self.stuck:
                self.stuck.discard(event.call)
                self.lanes.lend(-1)

    def _remember(self, event: Event) -> None:
        if isinstance(event, Finished | Failed):
            call = self.state.call(event.call)
            if call is not None:
                self.desk.history.note(call, event)
        elif isinstance(event, Printed):
            self.desk.history.lines.append(event.text)


def open_run(
    plan: Plan,
    executor: Executor,
    observer: Observer,
    scope: Scope | None = None,
    *,
    max_concurrency: int | None = None,
    entries: Sequence[TaskWorker] = (),
) -> Run:
    """Return a run of `plan` that has not begun; work may be added to it by its desk.

    Args:
        plan: what is run.
        executor: makes the calls of workers that are not async.
        observer: is told how it goes.
        scope: what all calls have in common.
        max_concurrency: async calls in flight at once; None lets `executor` make them one by one.
        entries: the workers that work may be added to; any where there are none.
    """
    inbox = Inbox(lambda: executor.waiting > executor.capacity // 2)
    lanes = Lanes(plan, executor, max_concurrency)
    state = RunState(lanes.limited(plan), lanes.capacity)
    desk = RunDesk(plan, state, inbox.put, entries)
    shared = Scope() if scope is None else scope
    shared.desk = desk
    routers = {key: plan.router(key) for key in plan.nodes}
    return Run(plan, lanes, observer, state, inbox, routers, shared, Interrupts(inbox.interrupt), desk)


def run_plan(
    plan: Plan,
    initial: Iterable[tuple[TaskWorker, Task]],
    executor: Executor,
    observer: Observer,
    scope: Scope | None = None,
    *,
    max_concurrency: int | None = None,
) -> RunResult:
    """Run `plan` over `initial` tasks, and return what came of it; see `open_run` and `execute`."""
    return execute(open_run(plan, executor, observer, scope, max_concurrency=max_concurrency), initial)


def execute(
    run: Run,
    initial: Iterable[tuple[TaskWorker, Task]],
    announce: Callable[[Callable[[], None]], object] = lambda _: None,
) -> RunResult:
    """Let `run` begin with `initial` tasks, and return what came of it when it is over.

    After Ctrl-C, the result tells that the run was interrupted.

    Args:
        run: what has not begun.
        initial: pairs of a worker and a task.
        announce: is given, before the run begins, what interrupts it from any thread, as Ctrl-C does.

    Raises:
        ConfigurationError: an initial task does not fit its worker.
    """
    run.thread = threading.get_ident()
    announce(run.interrupts.ask)
    try:
        with holding_up(), run.interrupts:
            return _result_of(run, initial)
    finally:
        run.desk.close()
        run.is_over.set()


def _result_of(run: Run, initial: Iterable[tuple[TaskWorker, Task]]) -> RunResult:
    began = time.perf_counter()
    total = len(initial) if isinstance(initial, list | tuple) else None
    run.observer.started(run.state.board, total)
    interrupted = True
    try:
        interrupted = not _goes_through(run, initial)
    finally:
        run.lanes.stop()
        result = _result(run, began, total, interrupted=interrupted or run.must_stop)
        run.observer.ended(result)
    return result


def _goes_through(run: Run, initial: Iterable[tuple[TaskWorker, Task]]) -> bool:
    """Run with every worker's ``init`` before and ``completed`` after it; tell whether that went on to the end."""
    started: list[TaskWorker] = []
    run.lanes.start(run.perform, run.perform_async, run.inbox.put)
    try:
        for worker in dict.fromkeys(run.plan.workers.values()):
            started.append(worker)
            run.interrupts.let(_settled, worker.init)
        run.go(run.interrupts.let(iter, initial))
        if run.must_stop:
            _stop_quietly(run)
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


def _in_time(event: Event, call: Call, node: Node) -> Event:
    """Return how a call ended; one that took too long has failed, also where nobody could tell it in time."""
    if node.timeout is not None and isinstance(event, Finished) and event.seconds > node.timeout:
        return overdue(call, node.timeout, event.seconds)
    return event


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
        workers={key: state.board.workers[key] for key in run.plan.workers},
        seconds=time.perf_counter() - began,
        interrupted=interrupted,
        unfinished=state.dropped + state.running + never_submitted,
        aborted=state.aborted,
        total=state.board.total(),
        remarks=[remark for worker in dict.fromkeys(run.plan.workers.values()) for remark in worker.remarks(run.scope)],
    )
