"""The loop of a run: one thread feeds the state with events, and the executor with calls."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from queue import Empty
from typing import Any

from planai.call import Call, Scope
from planai.errors import BudgetExceeded
from planai.events import (
    Aborted,
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
from planai.executors.threads import PATIENCE_SECONDS
from planai.plan import Plan, initial_pair
from planai.run.alarms import Alarms
from planai.run.desk import RunDesk
from planai.run.inbox import Inbox
from planai.run.interrupts import Interrupts
from planai.run.lanes import Lanes
from planai.run.observer import Observer
from planai.run.orders import Alarm, Answer, Ended, Tell
from planai.run.state import RunState
from planai.task import Task
from planai.worker import TaskWorker

_NO_MORE: Any = object()
_FOR_THE_LOOP = frozenset({Printed, Closing, Lent, Returned, Parked})

GRACE_SECONDS = 10.0
"""How long an interrupted run waits for calls that are being made; Ctrl-C again ends the wait."""


@dataclass(slots=True)
class Run:
    """One run of a plan: its state, its inbox, and who performs and watches.

    The user's code is called by way of `interrupts`; all else is not interrupted.

    Attributes:
        desk: where workers, and threads outside of the run, ask and add work.
        serves: whether it goes on when nothing is left to do, until somebody closes it.
        is_closing: whether somebody has asked it to end.
        must_stop: whether it is to end although something is left to do.
        tells_failures: whether somebody who watches is told of failures when they happen, and not at the end.
        thread: which one the loop runs in; 0 before it does.
        is_over: is set when the run has ended.
        ends_for: why nothing more is begun, though something is left to do; empty as long as that is not so.
    """

    plan: Plan
    lanes: Lanes
    observer: Observer
    state: RunState
    inbox: Inbox
    scope: Scope
    interrupts: Interrupts
    desk: RunDesk
    serves: bool = False
    is_closing: bool = False
    must_stop: bool = False
    tells_failures: bool = False
    thread: int = 0
    is_over: threading.Event = field(default_factory=threading.Event)
    submitted: int = 0
    told_failures: int = 0
    pending: deque[Call] = field(default_factory=deque)
    alarms: Alarms = field(default_factory=Alarms)
    stuck: set[int] = field(default_factory=set)
    ends_for: str = ""

    def go(self, initial: Iterator[tuple[TaskWorker, Task]]) -> None:
        """Feed events and initial tasks until nothing is left to do.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed; nothing has got lost by it.
        """
        more = True
        while True:
            self.interrupts.check()
            while more and self.state.hungry and not self.ends_for:
                more = self._submit_next(initial)
            if self.ends_for and self.state.idle:
                self.must_stop = True
                return None
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
        self.desk.people.cancel()
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
            if self.alarms.waiting and (due := self.alarms.ring()) is not None:
                return due
            waits = executor.waiting > 0
            if not waits and not self.alarms.waiting:
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
        if type(event) is Failed and isinstance(event.error, BudgetExceeded):
            self._begin_nothing_more(str(event.error))
            event = Aborted(event.call, event.worker)  # it has done nothing wrong
        self._remember(event)
        if self.tells_failures:
            self._tell_failures()
        if self.scope.aborted:
            self._hear_of_end(event)
        if type(event) in _FOR_THE_LOOP and self._is_for_the_loop(event):
            return
        self.pending.extend(self.state.handle(event))
        while self.pending:
            self.lanes.submit(self.pending.popleft())
        if self.state.orders:
            self._carry_out()

    def _begin_nothing_more(self, why: str) -> None:
        """Let what runs come to its end, and begin nothing else."""
        if not self.ends_for:
            self.ends_for = why
            self.state.handle(Stopped())
            self.state.give_back([*self.pending, *self.lanes.discard()])
            self.pending.clear()

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
                    self.desk.people.cancel(order.call)
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

    def _tell_failures(self) -> None:
        failures = self.state.failures
        while self.told_failures < len(failures):
            self.told_failures += 1
            self.interrupts.let(self.observer.failed, failures[self.told_failures - 1])

    def _remember(self, event: Event) -> None:
        if type(event) is Finished or type(event) is Failed:
            call = self.state.call(event.call)
            if call is not None:
                self.desk.history.note(call, event)
        elif type(event) is Printed:
            self.desk.history.say(event.text)
