"""Calls: how the calls of a run begin, end, wait and are tried again, and what becomes of what they publish."""

from __future__ import annotations

from itertools import count

from planai.board import Board, WorkerFigures
from planai.call import Call
from planai.copies import snapshot
from planai.errors import ConfigurationError, IncompleteGroup
from planai.events import Aborted, Failed, Finished, Parked, Woken
from planai.plan import Node, Plan
from planai.provenance import Provenance
from planai.run.ledger import Due, Ledger
from planai.run.orders import Alarm, Order
from planai.run.result import Failure
from planai.run.retrying import is_tried_again, seconds_until
from planai.run.slots import Slots
from planai.run.traffic import Traffic
from planai.task import Task, lineage_of, set_lineage


class Calls:
    """The calls of one run, without what may happen to them from outside.

    Attributes:
        board: figures by worker.
        traffic: where tasks go, and what the sinks collected.
        failures: the calls that failed for good.
        orders: what the loop is to do, and to take out.
        stopped: whether nothing new may start.
        dropped: calls that waited when the run was stopped.
        aborted: calls whose work was abandoned before they were made or ended.
    """

    def __init__(self, plan: Plan, capacity: int) -> None:
        self.board = Board({key: WorkerFigures() for key, node in plan.nodes.items() if node.is_called})
        self.failures: list[Failure] = []
        self.orders: list[Order] = []
        self.stopped = False
        self.dropped = 0
        self.aborted = 0
        self._plan = plan
        self._ledger = Ledger()
        self._slots = Slots(plan, capacity)
        self.traffic = Traffic(plan, self._ledger, self._queue, self._lose)
        self._running: dict[int, Call] = {}
        self._parked: dict[int, Call] = {}
        self._lent: set[int] = set()
        self._told: set[int] = set()
        self._began: dict[int, int] = {}
        self._as_they_came: dict[int, tuple[Task, ...]] = {}
        self._ids = count(1)
        self._tries = {node.key: node.retry.count for node in plan.nodes.values() if node.retry.count}
        self._ranks = {node.key: node.rank for node in plan.nodes.values()}

    # ---- how they end

    def _finish(self, event: Finished) -> None:
        call = self._end(event.call)
        if call is None:
            return
        if self._as_they_came:
            self._as_they_came.pop(call.id, None)
        if self._told and call.id in self._told:
            self._give_up(call)
            return
        if not call.notice:
            self.board.finish(event)
        traffic = self.traffic
        for output in event.outputs:
            traffic.deliver(output, call)
        while traffic.revived:
            self._release(traffic.revived.pop())
        self._release(call.scope)

    def fail(self, event: Failed) -> None:
        """Try a call again, or take note that it failed for good."""
        call = self._end(event.call)
        if call is None:
            return
        if call.id in self._told:
            self._give_up(call)
            return
        node = self._plan.nodes[call.worker]
        again = not self.stopped and is_tried_again(call, node, event.error)
        if not call.notice:
            self.board.see(event, retried=again)
        if again:
            self._retry(call, node)
            return
        task = call.tasks[0]
        self.failures.append(
            Failure(call.worker, task, event.error, event.traceback, task.provenance(), call.attempt + 1)
        )
        self._spoil(node, call.scope)
        self._release(call.scope)

    def _end(self, number: int) -> Call | None:
        """Take note that a call runs no more; None for one that is not waited for any more."""
        call = self._running.pop(number, None)
        if call is not None:
            if self._began:
                self._began.pop(number, None)
            if self._lent and number in self._lent:
                self._lent.discard(number)
            else:
                self._slots.release(call)
        return call

    def abort(self, event: Aborted) -> None:
        """Take note that a call has ended because it was told to."""
        call = self._end(event.call)
        if call is None:
            return
        if call.id not in self._told:  # all were told, since the run is stopping
            self.aborted -= 1
            self.dropped += 1
        self._give_up(call)

    def park(self, event: Parked) -> None:
        """Let a call wait until it is worth making again."""
        call = self._end(event.call)
        if call is None:
            return
        if call.id in self._told:
            self._give_up(call)
        elif self.stopped:
            self.dropped += 1
        else:
            self._parked[call.id] = call._replace(resumed=True)

    def wake(self, event: Woken) -> None:
        """Let a call that waited have its turn."""
        call = self._parked.pop(event.call, None)
        if call is not None:  # else the run was stopped meanwhile
            self._slots.add(call)

    def _retry(self, call: Call, node: Node) -> None:
        for task in call.tasks:
            task.increment_retry_count()
        # What the failed try has changed in its task must not reach the next one.
        unchanged = zip(self._as_they_came.pop(call.id), call.tasks, strict=True)
        tasks = tuple(set_lineage(task, lineage_of(tried)) for task, tried in unchanged)
        again = call._replace(id=next(self._ids), tasks=tasks, attempt=call.attempt + 1, resumed=False)
        self._count(again)
        seconds = seconds_until(call, node)
        if seconds:
            self._keep_for_retries(again)
            self._parked[again.id] = again
            self.orders.append(Alarm(Woken(again.id), seconds))
        else:
            self._add(again)

    # ---- how they begin

    def _queue(self, worker: str, task: Task, provenance: Provenance) -> None:
        if self.stopped:
            self.dropped += 1
            return
        self._ledger.hold(provenance)
        self.board.queue(worker)
        self._add(Call(next(self._ids), worker, (task,), provenance))

    def _add(self, call: Call) -> None:
        """Let `call` wait for its turn."""
        if self._tries:
            self._keep_for_retries(call)
        self._slots.add(call)

    def _keep_for_retries(self, call: Call) -> None:
        """Keep the tasks of a call as they are now, if it may be tried again."""
        if call.attempt < self._tries.get(call.worker, 0):
            self._as_they_came[call.id] = tuple(snapshot(task) for task in call.tasks)

    def _count(self, call: Call) -> None:
        if not call.notice:
            self.board.queue(call.worker)

    def _release(self, scope: Provenance) -> None:
        while (ended := self._ledger.release(scope)) is not None and not self.stopped:
            due = self._ledger.take(ended, self._ranks)
            self._ledger.hold(ended)
            if not due.failures:
                call = Call(next(self._ids), due.worker, due.tasks, ended, notice=due.notice)
                self._count(call)
                self._add(call)
                return
            self._refuse(due, ended)
            scope = ended

    # ---- what comes of failures

    def _spoil(self, node: Node, scope: Provenance) -> None:
        """Let joins know that work below their ancestor failed which they cannot do without."""
        for key in node.needed_by:
            join = self._plan.nodes[key]
            ancestor = scope.out_of(node.level - join.level).nearest(join.joins or frozenset())
            if ancestor is not None:
                self._ledger.spoil(ancestor, key)

    def _refuse(self, due: Due, scope: Provenance) -> None:
        """Let a join fail that cannot do without what failed."""
        calls = "1 call" if due.failures == 1 else f"{due.failures} calls"
        error = IncompleteGroup(f"{calls} failed on which the group depends, and {due.worker}.on_failure is 'fail'")
        self.board.queue(due.worker)
        self.board.see(Failed(0, due.worker, error, "", 0.0))
        self.failures.append(Failure(due.worker, due.tasks[0], error, str(error), scope.chain(), 0))

    def _lose(self, node: Node, task: Task, why: str) -> None:
        """Take note of a task that cannot be sent on."""
        error = ConfigurationError(f"{node.key!r} {why}")
        self.failures.append(Failure(node.key, task, error, str(error), task.provenance(), 1))

    def _give_up(self, call: Call) -> None:
        """Count a call that is made no more, or whose outcome nobody wants."""
        self._told.discard(call.id)
        self._as_they_came.pop(call.id, None)
        self.aborted += 1
        if not call.notice:
            self.board.drop(call.worker)
        self._release(call.scope)
