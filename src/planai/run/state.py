"""RunState: all that a run knows. It changes by events, and answers with the calls to make next.

It is pure: no thread, no clock, no user code and no input or output. One loop feeds it; hence it has no locks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from planai.call import Call
from planai.events import (
    Abandoned,
    Aborted,
    Began,
    Event,
    Expired,
    Failed,
    Finished,
    Lent,
    Limited,
    Parked,
    Returned,
    Step,
    Stopped,
    Submitted,
    Unwatched,
    Watched,
    Woken,
)
from planai.plan import Limit
from planai.provenance import Provenance
from planai.run.calls import Calls
from planai.run.orders import Alarm, Answer, Ended, Tell
from planai.run.retrying import overdue
from planai.task import Task


class RunState(Calls):
    """The state of one run: its calls, and what may happen to them."""

    @property
    def outputs(self) -> list[Task]:
        """What the sinks collected, in the order in which it arrived."""
        return self.traffic.outputs

    @property
    def hungry(self) -> bool:
        """Whether more initial tasks could start at once."""
        return not self.stopped and self._slots.hungry

    @property
    def idle(self) -> bool:
        """Whether no call runs, and none waits."""
        return not self._running and not self._parked and not len(self._slots)

    @property
    def running(self) -> int:
        """Calls that were given out and have not ended."""
        return len(self._running)

    def calls(self) -> tuple[list[Call], list[Call]]:
        """Return the calls that wait, and those that were given out."""
        return [*self._slots.waiting(), *self._parked.values()], list(self._running.values())

    def call(self, number: int) -> Call | None:
        """Return the call with this id, if it was given out and has not ended."""
        return self._running.get(number)

    def has(self, step: Step) -> bool:
        """Tell whether there is work below `step`."""
        return self._ledger.find(step) is not None

    def handle(self, event: Event) -> list[Call]:
        """Take note of `event`, and return the calls to make next."""
        if type(event) is Finished:
            self._finish(event)
        elif (note := self._notes.get(type(event))) is not None:
            note(self, event)
        if self._ledger.ended:
            self._take_leave()
        return self._next()

    def give_back(self, calls: list[Call]) -> None:
        """Take note that `calls` were given out, but will not be made any more."""
        for call in calls:
            del self._running[call.id]
            self._slots.release(call)
        self.dropped += len(calls)

    def _next(self) -> list[Call]:
        calls = self._slots.take()
        for call in calls:
            self._running[call.id] = call
        return calls

    # ---- what may happen

    def _watch(self, event: Watched) -> None:
        node = self._ledger.find(event.step) if event.node is None else event.node
        if node is None:
            self.orders.append(Ended(event.step))
            return
        self._ledger.hold(node)
        self._ledger.mark(node)  # what is known of it is forgotten when it ends
        if event.worker is not None and event.task is not None:
            self._ledger.watch(node, event.worker, event.task)
        self._release(node)

    def _unwatch(self, event: Unwatched) -> None:
        node = self._ledger.find(event.step)
        if node is not None:
            self._ledger.unwatch(node, event.worker)

    def _submit(self, event: Submitted) -> None:
        self.traffic.submit(event)
        if event.start is not None:
            self._watch(Watched((event.start.worker, event.start.index), event.start))

    def _limit(self, event: Limited) -> None:
        running = [call.worker for number, call in self._running.items() if number not in self._lent]
        limit = Limit(event.workers, event.count, event.of)
        self._slots.limit(limit, sum(worker in limit.workers for worker in running))

    def _begin(self, event: Began) -> None:
        call = self._running.get(event.call)
        timeout = None if call is None else self._plan.nodes[call.worker].timeout
        if timeout is not None:
            beginning = self._began[event.call] = next(self._ids)
            self.orders.append(Alarm(Expired(event.call, beginning), timeout))

    def _expire(self, event: Expired) -> None:
        call = self._running.get(event.call)
        if call is not None and self._began.get(event.call) == event.beginning:
            node = self._plan.nodes[call.worker]
            self.orders.append(Tell(call.id, keeps_thread=not node.is_async))
            timeout = node.timeout or 0.0
            self.fail(overdue(call, timeout, timeout))

    def _lend(self, event: Lent) -> None:
        call = self._running.get(event.call)
        if call is not None:
            self._lent.add(call.id)
            self._slots.release(call)

    def _return(self, event: Returned) -> None:
        if event.call in self._lent:
            self._lent.discard(event.call)
            self._slots.resume(self._running[event.call])

    def _stop(self, event: Stopped) -> None:
        self.stopped = True
        self.dropped += self._slots.clear() + len(self._parked)
        self._parked.clear()

    def _abandon(self, event: Abandoned) -> None:
        node = self._ledger.find(event.step)
        if node is not None and node not in self._ledger.abandoned:
            self._abandon_below(node)
        self.orders.append(Answer(event.answer, node is not None))

    def _abandon_below(self, node: Provenance) -> None:
        self._ledger.hold(node)
        self._ledger.abandon(node)
        parked = [call for call in self._parked.values() if call.scope.is_below(node)]
        for call in parked:
            del self._parked[call.id]
        for call in parked + self._slots.drop(lambda call: call.scope.is_below(node)):
            self._give_up(call)
        for call in self._running.values():
            if call.scope.is_below(node) and call.id not in self._told:
                self._told.add(call.id)
                self.orders.append(Tell(call.id, keeps_thread=False))
        self._release(node)

    def _take_leave(self) -> None:
        """Let the loop forget what has ended."""
        for node in self._ledger.ended:
            self.orders.append(Ended((node.worker, node.index)))
        self._ledger.ended.clear()

    _notes: ClassVar[dict[type, Callable[[RunState, Any], None]]] = {
        Failed: Calls.fail,
        Aborted: Calls.abort,
        Submitted: _submit,
        Parked: Calls.park,
        Woken: Calls.wake,
        Watched: _watch,
        Unwatched: _unwatch,
        Abandoned: _abandon,
        Limited: _limit,
        Began: _begin,
        Expired: _expire,
        Lent: _lend,
        Returned: _return,
        Stopped: _stop,
    }
